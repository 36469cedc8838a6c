package dev.kedge.endtoend;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.endtoend.Program.Result;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * A newcomer's first hour on the packaged program, in order: start, apply the hello example, look,
 * change, break, stop, clean up.
 */
@Order(2)
@ExtendWith(Node.Extension.class)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class NewcomerTest {
  private static final Duration SOON = Duration.ofSeconds(60);

  private final Node node;

  NewcomerTest(Node node) {
    this.node = node;
  }

  private Result kubectl(String... arguments) {
    List<String> all = new ArrayList<>(List.of("kubectl", "--kubeconfig=" + node.kubeconfig()));
    all.addAll(List.of(arguments));
    return Program.run(Program.kedge(all), Duration.ofMinutes(2));
  }

  private String page(String url) throws Exception {
    // The default certificate of the ingress is self-signed, as with every ingress without a TLS
    // Secret.
    return Program.run("curl", "-sk", "--max-time", "5", url).output();
  }

  @Test
  @Order(1)
  void nodeIsReadyAndTheOutputSaysWhatToDoNext() {
    assertThat(node.server().text())
        .contains("Node newcomer is Ready after", "Kubeconfig: " + node.kubeconfig(), " get nodes");
    assertThat(kubectl("get", "nodes").succeeded().output()).containsPattern("newcomer +Ready");
  }

  @Test
  @Order(2)
  void helloServesItsPageThroughTheIngress() throws Exception {
    kubectl("apply", "-f", Program.ROOT.resolve("examples/hello").toString()).succeeded();
    kubectl("rollout", "status", "deployment/hello", "-n", "hello", "--timeout=60s").succeeded();
    Awaitility.await()
        .atMost(SOON)
        .untilAsserted(
            () -> {
              assertThat(page("http://127.0.0.1:" + node.httpPort() + "/"))
                  .contains("Hello from kedge");
              assertThat(page("https://127.0.0.1:" + node.httpsPort() + "/"))
                  .contains("Hello from kedge");
            });
    assertThat(kubectl("get", "ingress,svc,pods", "-n", "hello").succeeded().output())
        .contains("ingress.networking.k8s.io/hello", "service/hello", "pod/hello-", "Running");
  }

  @Test
  @Order(3)
  void commandsOfEveryDayWork() {
    String pod =
        kubectl("get", "pods", "-n", "hello", "-o", "name")
            .succeeded()
            .output()
            .lines()
            .findFirst()
            .orElseThrow();
    assertThat(kubectl("describe", pod, "-n", "hello").succeeded().output())
        .contains("hello-page", "Started", "kedge.local/hello-nginx:1");
    assertThat(kubectl("logs", pod, "-n", "hello").succeeded().output()).contains("GET / HTTP/1.1");
    assertThat(
            kubectl("exec", pod, "-n", "hello", "--", "cat", "/usr/share/nginx/html/index.html")
                .succeeded()
                .output())
        .contains("Hello from kedge");
    assertThat(kubectl("exec", pod, "-n", "hello", "--", "sh", "-c", "exit 7").code()).isEqualTo(7);
    kubectl("scale", "deployment/hello", "-n", "hello", "--replicas=3").succeeded();
    kubectl("rollout", "status", "deployment/hello", "-n", "hello", "--timeout=60s").succeeded();
    assertThat(kubectl("get", "deployment/hello", "-n", "hello").succeeded().output())
        .contains("3/3");
  }

  @Test
  @Order(4)
  void serviceNamesResolveAndServicesAnswerInsidePods() {
    String pod =
        kubectl("get", "pods", "-n", "hello", "-o", "name")
            .succeeded()
            .output()
            .lines()
            .findFirst()
            .orElseThrow();
    assertThat(
            kubectl("exec", pod, "-n", "hello", "--", "wget", "-qO-", "http://hello/")
                .succeeded()
                .output())
        .contains("Hello from kedge");
    assertThat(
            kubectl(
                    "exec",
                    pod,
                    "-n",
                    "hello",
                    "--",
                    "cat",
                    "/var/run/secrets/kubernetes.io/serviceaccount/namespace")
                .succeeded()
                .output())
        .isEqualTo("hello");
  }

  @Test
  @Order(5)
  void changesRollOut() throws Exception {
    Path changed = node.work().resolve("changed.yaml");
    Files.writeString(
        changed,
        Files.readString(Program.ROOT.resolve("examples/hello/20-configmap.yaml"))
            .replace("Hello from kedge", "A new page"));
    kubectl("apply", "-f", changed.toString()).succeeded();
    Awaitility.await()
        .atMost(SOON)
        .untilAsserted(
            () ->
                assertThat(page("http://127.0.0.1:" + node.httpPort() + "/"))
                    .contains("A new page"));

    node.image("kedge.local/hello-nginx:2", "hello-nginx-2.tar");
    kubectl("set", "image", "deployment/hello", "nginx=kedge.local/hello-nginx:2", "-n", "hello")
        .succeeded();
    kubectl("rollout", "status", "deployment/hello", "-n", "hello", "--timeout=90s").succeeded();
    assertThat(
            kubectl(
                    "get",
                    "pods",
                    "-n",
                    "hello",
                    "-o",
                    "jsonpath={.items[*].spec.containers[0].image}")
                .succeeded()
                .output())
        .contains("hello-nginx:2");
  }

  @Test
  @Order(6)
  void aMissingImageAndACrashAreExplained() {
    kubectl("run", "absent", "--image=kedge.local/absent:1", "--image-pull-policy=IfNotPresent")
        .succeeded();
    kubectl(
            "run",
            "crash",
            "--image=kedge.local/hello-nginx:1",
            "--command",
            "--",
            "sh",
            "-c",
            "exit 3")
        .succeeded();
    Awaitility.await()
        .atMost(SOON)
        .untilAsserted(
            () -> {
              String pods = kubectl("get", "pods").succeeded().output();
              assertThat(pods).containsPattern("absent.*(ErrImagePull|ImagePullBackOff)");
              assertThat(pods).containsPattern("crash.*(CrashLoopBackOff|Error)");
            });
    assertThat(kubectl("describe", "pod", "absent").succeeded().output())
        .contains("Failed to pull image");
    kubectl("delete", "pod", "absent", "crash", "--grace-period=0", "--force").succeeded();
  }

  @Test
  @Order(7)
  void killedAndStartedAgainNothingIsLostAndPodsGoOn() throws Exception {
    String before = containers();
    assertThat(before).isNotBlank();
    node.killAndStartAgain();
    kubectl("rollout", "status", "deployment/hello", "-n", "hello", "--timeout=60s").succeeded();
    assertThat(containers()).as("container ids").isEqualTo(before);
    Awaitility.await()
        .atMost(SOON)
        .untilAsserted(
            () ->
                assertThat(page("http://127.0.0.1:" + node.httpPort() + "/"))
                    .contains("A new page"));
  }

  private String containers() {
    return kubectl(
            "get",
            "pods",
            "-n",
            "hello",
            "-o",
            "jsonpath={.items[*].status.containerStatuses[0].containerID}")
        .succeeded()
        .output();
  }

  @Test
  @Order(8)
  void aSecondServerOnTheSameDataIsRefused() {
    List<String> arguments =
        node.arguments("--https-listen-port=" + Node.freePort(), "--disable=ingress");
    Result second = Program.run(Program.kedge(arguments), Duration.ofMinutes(1));
    assertThat(second.code()).isNotZero();
    assertThat(second.output()).contains("another kedge server uses the data directory");
  }

  @Test
  @Order(9)
  void deletingTheNamespaceEmptiesIt() {
    kubectl("delete", "namespace", "hello", "--timeout=90s").succeeded();
    assertThat(kubectl("get", "namespace", "hello").output()).contains("NotFound");
  }

  @Test
  @Order(10)
  void stopsCleanlyAndKillallLeavesNothing() throws Exception {
    assertThat(node.interrupt()).isIn(0, 130);
    node.killAll().succeeded();
    assertThat(Files.readString(Path.of("/proc/self/mountinfo")))
        .doesNotContain(node.work().toString());
    assertThat(Program.run("nft", "list", "tables").output()).doesNotContain("kedge");
    assertThat(Program.run("ip", "-o", "link").output()).doesNotContain("kedge0");
    assertThat(Program.run("ps", "-eo", "args").output())
        .doesNotContain(node.work().resolve("data").toString());
  }

  /** Keeps the JDK's client in the suite: an HTTP/2 client that nobody here wrote. */
  @Test
  @Order(3)
  void theApiAnswersOverTls() throws Exception {
    HttpResponse<String> response =
        HttpClient.newBuilder()
            .sslContext(Trust.ofKubeconfig(node.kubeconfig()))
            .build()
            .send(
                HttpRequest.newBuilder(
                        URI.create("https://127.0.0.1:" + node.apiPort() + "/version"))
                    .build(),
                HttpResponse.BodyHandlers.ofString());
    assertThat(response.statusCode()).isEqualTo(200);
    assertThat(response.version()).isEqualTo(HttpClient.Version.HTTP_2);
    assertThat(response.body()).contains("v1.36");
  }
}
