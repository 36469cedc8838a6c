package dev.kedge.clients;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/**
 * Upstream's kubectl and helm print what the transcripts say. {@code src/test/transcripts} has
 * those of every build, its folder {@code all} the long ones and {@code node} those that need
 * running pods; {@code testing/clients/run --all} takes them all, with each minor of kubectl.
 */
@ExtendWith(Cluster.Extension.class)
class TranscriptsTest {
  private static final Path TRANSCRIPTS = Programs.MODULE.resolve("src/test/transcripts");

  @TempDir Path work;

  @TestFactory
  Stream<DynamicNode> kubectl(Cluster cluster) {
    List<Path> folders = new ArrayList<>(List.of(TRANSCRIPTS.resolve("kubectl")));
    if (Boolean.getBoolean("kedge.clients.all")) {
      folders.add(TRANSCRIPTS.resolve("kubectl/all"));
    }
    if (Cluster.image().isPresent()) {
      folders.add(TRANSCRIPTS.resolve("kubectl/node"));
    }
    return Stream.of(System.getProperty("kedge.clients.kubectl", "1.36").split(","))
        .map(
            minor ->
                DynamicContainer.dynamicContainer(
                    "kubectl " + minor,
                    folders.stream()
                        .flatMap(TranscriptsTest::files)
                        .map(file -> test(cluster, file, minor, false))));
  }

  @TestFactory
  Stream<DynamicNode> helm(Cluster cluster) {
    return files(TRANSCRIPTS.resolve("helm")).map(file -> test(cluster, file, "1.36", true));
  }

  private static Stream<Path> files(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(Files::isRegularFile).sorted().toList().stream();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private DynamicNode test(Cluster cluster, Path file, String minor, boolean helm) {
    Transcript transcript = Transcript.read(file);
    return DynamicTest.dynamicTest(
        transcript.name(),
        () -> {
          String path = Programs.folder("go", "kubectl", minor) + ":" + System.getenv("PATH");
          if (helm) {
            path = Programs.folder("go", "helm") + ":" + path;
          }
          run(cluster, transcript, Map.of("PATH", path));
        });
  }

  private void run(Cluster cluster, Transcript transcript, Map<String, String> programs)
      throws IOException {
    assumeTrue(Files.isExecutable(Path.of("/bin/bash")), "no bash");
    Path directory = Files.createTempDirectory(work, transcript.name());
    Path kubeconfig = directory.resolve("kubeconfig");
    Files.copy(cluster.kubeconfig(), kubeconfig);
    Map<String, String> environment = new LinkedHashMap<>(programs);
    environment.put("KUBECONFIG", kubeconfig.toString());
    environment.put("HOME", work.toString());
    environment.put("TMPDIR", directory.toString());
    environment.put("CLIENTS", Programs.MODULE.toString());
    environment.put("LC_ALL", "C.UTF-8");
    Cluster.image().ifPresent(image -> environment.put("IMAGE", image));
    String name = transcript.name();
    Programs.Result ready =
        bash(
            "kubectl create namespace "
                + name
                + " && kubectl config set-context --current --namespace="
                + name,
            environment,
            directory);
    assertThat(ready.code()).as(ready.output()).isZero();
    List<String> differences = new ArrayList<>();
    for (Transcript.Step step : transcript.steps()) {
      Programs.Result result = bash(step.command(), environment, directory);
      if (!step.matches(result.code(), result.output())) {
        differences.add(
            "line %d: $ %s%nexpected (exit code %d):%n%s%nbut was (exit code %d):%n%s"
                .formatted(
                    step.line(),
                    step.command(),
                    step.code(),
                    String.join("\n", step.output()),
                    result.code(),
                    result.output()));
      }
    }
    System.out.printf(
        "%s: %d commands, %d as upstream%n",
        name, transcript.steps().size(), transcript.steps().size() - differences.size());
    bash("kubectl delete namespace " + name, environment, directory);
    assertThat(differences).as(String.join("\n\n", differences)).isEmpty();
  }

  private static Programs.Result bash(
      String command, Map<String, String> environment, Path directory) {
    return Programs.run(List.of("bash", "-c", command), environment, directory, 120);
  }
}
