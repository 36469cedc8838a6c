package dev.kedge.cli.kubectl;

import dev.kedge.model.Fuzz;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A kubeconfig that is broken in any way is refused in a sentence. */
class HostileKubeconfigTest {
  private static final String KUBECONFIG =
      """
      apiVersion: v1
      kind: Config
      current-context: one
      contexts:
      - name: one
        context: {cluster: here, user: ann, namespace: web}
      clusters:
      - name: here
        cluster:
          server: https://127.0.0.1:6443
          certificate-authority-data: LS0tLS1CRUdJTg==
          tls-server-name: kedge
      users:
      - name: ann
        user:
          client-certificate-data: LS0tLS1CRUdJTg==
          client-key-data: LS0tLS1CRUdJTg==
          token: abc
      """;

  @Test
  void kubeconfigs(@TempDir Path folder) {
    Path file = folder.resolve("config");
    Console console =
        new Console(
            InputStream.nullInputStream(),
            new PrintStream(new ByteArrayOutputStream()),
            new PrintStream(new ByteArrayOutputStream()),
            Map.of("HOME", folder.toString()));
    Fuzz.texts(
        "kubeconfigs",
        List.of(KUBECONFIG),
        Set.of(UsageException.class),
        input -> {
          Files.write(file, input);
          KubeConfig config = KubeConfig.load(file.toString(), console);
          config.json();
          KubeConfig.Target target = config.target("", "", "", "", "", false, "", "", "");
          try (Transport transport =
              new Transport(target, List.of(), console, 0, java.time.Duration.ZERO)) {
            transport.server();
          }
        });
  }
}
