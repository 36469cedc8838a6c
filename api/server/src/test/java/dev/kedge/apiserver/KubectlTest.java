package dev.kedge.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.http.Headers;
import dev.kedge.http.RemoteCommand;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** Upstream's own client against the server, where the machine has one. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class KubectlTest {
  private TestServer server;

  @BeforeAll
  void start() throws Exception {
    boolean found =
        java.util.Arrays.stream(String.valueOf(System.getenv("PATH")).split(":"))
            .anyMatch(directory -> Files.isExecutable(Path.of(directory, "kubectl")));
    Assumptions.assumeTrue(found, "upstream kubectl is not on this machine's PATH");
    server = new TestServer();
  }

  @AfterAll
  void stop() throws Exception {
    if (server != null) {
      server.close();
    }
  }

  @Test
  void listsWhatIsServed() throws Exception {
    assertThat(kubectl("api-resources", "--no-headers"))
        .contains("deployments", "deploy", "customresourcedefinitions", "crd,crds");
    assertThat(kubectl("version", "-o", "json")).contains("v1.36.2+kedge1");
    assertThat(kubectl("auth", "can-i", "create", "pods")).isEqualTo("yes\n");
    assertThat(kubectl("auth", "can-i", "create", "pods", "--as", "x", "-n", "default"))
        .contains("no");
  }

  @Test
  void explainsAndValidates() throws Exception {
    assertThat(kubectl("explain", "deployment.spec.strategy"))
        .contains("KIND:       Deployment", "rollingUpdate", "<RollingUpdateDeployment>");
    Path file = server.directory.resolve("bad.yaml");
    Files.writeString(
        file,
        """
        apiVersion: v1
        kind: ConfigMap
        metadata: {name: bad, namespace: default}
        dta: {a: "1"}
        """);
    assertThat(kubectl("apply", "-f", file.toString()))
        .contains("strict decoding error: unknown field \"dta\"");
    assertThat(kubectl("create", "configmap", "made", "--from-literal=a=b"))
        .isEqualTo("configmap/made created\n");
    assertThat(kubectl("get", "--raw", "/openapi/v2")).startsWith("{\"swagger\":\"2.0\"");
  }

  @Test
  void appliesShowsAndDeletes() throws Exception {
    Path file = server.directory.resolve("web.yaml");
    Files.writeString(
        file,
        """
        apiVersion: v1
        kind: Namespace
        metadata: {name: shop}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web, namespace: shop, labels: {app: web}}
        spec:
          replicas: 2
          selector: {matchLabels: {app: web}}
          template:
            metadata: {labels: {app: web}}
            spec:
              containers:
              - name: nginx
                image: nginx:1
                ports: [{containerPort: 80}]
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: web, namespace: shop}
        spec:
          selector: {app: web}
          ports: [{port: 80}]
        """);
    assertThat(kubectl("apply", "-f", file.toString()))
        .isEqualTo("namespace/shop created\ndeployment.apps/web created\nservice/web created\n");
    assertThat(kubectl("apply", "-f", file.toString()))
        .isEqualTo(
            "namespace/shop unchanged\ndeployment.apps/web unchanged\nservice/web unchanged\n");
    assertThat(kubectl("get", "deploy,svc", "-n", "shop", "--no-headers"))
        .contains("deployment.apps/web   0/2", "service/web   ClusterIP   10.43.");
    assertThat(kubectl("get", "deploy", "-n", "shop", "-o", "wide"))
        .contains("CONTAINERS", "nginx:1", "app=web");
    assertThat(kubectl("scale", "deploy", "web", "-n", "shop", "--replicas", "5"))
        .isEqualTo("deployment.apps/web scaled\n");
    assertThat(kubectl("get", "deploy", "web", "-n", "shop", "-o", "jsonpath={.spec.replicas}"))
        .isEqualTo("5");
    assertThat(kubectl("apply", "--server-side", "--force-conflicts", "-f", file.toString()))
        .contains("deployment.apps/web serverside-applied");
    assertThat(kubectl("describe", "deploy", "web", "-n", "shop")).contains("nginx:1");
    assertThat(kubectl("label", "deploy", "web", "-n", "shop", "tier=front"))
        .isEqualTo("deployment.apps/web labeled\n");
    assertThat(kubectl("delete", "--wait=false", "svc,deploy", "web", "-n", "shop"))
        .contains("service \"web\" deleted", "deployment.apps \"web\" deleted");
    assertThat(kubectl("get", "all", "-n", "shop")).contains("No resources found");
  }

  @Test
  void runsCommandsAndReadsLogs() throws Exception {
    server.create(
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: shell, namespace: default}
        spec: {nodeName: n1, containers: [{name: a, image: x}]}
        """);
    server.kubelets.put(
        "n1",
        exchange -> {
          if (exchange.path().equals("/containerLogs/default/shell/a")) {
            try (var out = exchange.stream(200, Headers.of("Content-Type", "text/plain"))) {
              out.write("a line\n".getBytes(StandardCharsets.UTF_8));
            }
            return;
          }
          assertThat(exchange.path()).isEqualTo("/exec/default/shell/a");
          var query = exchange.query();
          var options =
              new RemoteCommand.Options(
                  query.flag("input"),
                  query.flag("output"),
                  query.flag("error"),
                  query.flag("tty"));
          try (RemoteCommand command = RemoteCommand.accept(exchange, options)) {
            command
                .stdout()
                .write((query.values("command") + "\n").getBytes(StandardCharsets.UTF_8));
            command.exited(3);
          }
        });
    assertThat(kubectl("logs", "shell")).isEqualTo("a line\n");
    assertThat(kubectl("exec", "shell", "--", "ls", "-l"))
        .contains("[ls, -l]", "command terminated with exit code 3");
  }

  private String kubectl(String... words) throws Exception {
    List<String> command = new ArrayList<>(List.of("kubectl", "--kubeconfig"));
    command.add(server.kubeconfig().toString());
    command.add("--cache-dir=" + server.directory.resolve("cache"));
    command.addAll(List.of(words));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).as("kubectl ends").isTrue();
    return out;
  }
}
