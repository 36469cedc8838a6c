package dev.kedge.endtoend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kedge.endtoend.Program.Result;
import dev.kedge.endtoend.Program.Running;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/**
 * A newcomer's first hour on the packaged program, in order: start, apply the hello example, look,
 * change, break, stop, clean up.
 */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class NewcomerTest {
  private static final Duration SOON = Duration.ofSeconds(60);

  private Path work;
  private Running server;
  private int apiPort;
  private int httpPort;
  private int httpsPort;

  @BeforeAll
  void start(@TempDir Path work) throws IOException {
    this.work = work;
    assumeTrue("root".equals(System.getProperty("user.name")), "needs root to run containers");
    assumeTrue(Files.exists(Path.of("/usr/bin/apt-get")), "needs a Debian machine");
    apiPort = freePort();
    httpPort = freePort();
    httpsPort = freePort();
    Program.run(
            Program.ROOT.resolve("examples/hello/build-image").toString(),
            "-o",
            work.resolve("data/agent/images/hello-nginx.tar").toString())
        .succeeded();
    server = startServer();
  }

  private Running startServer() {
    Running running = Program.start(Program.kedge(serverArguments()));
    running.awaitOutput("Next:", Duration.ofMinutes(3));
    return running;
  }

  private List<String> serverArguments(String... more) {
    List<String> arguments =
        new ArrayList<>(
            List.of(
                "server",
                "--config=" + emptyConfig(),
                "--data-dir=" + work.resolve("data"),
                "--write-kubeconfig=" + kubeconfig(),
                "--node-name=newcomer",
                "--https-listen-port=" + apiPort,
                "--ingress-http-port=" + httpPort,
                "--ingress-https-port=" + httpsPort));
    arguments.addAll(List.of(more));
    return arguments;
  }

  private Path emptyConfig() {
    Path file = work.resolve("config.yaml");
    try {
      Files.writeString(file, "");
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
    return file;
  }

  private Path kubeconfig() {
    return work.resolve("kedge.yaml");
  }

  @AfterAll
  void stopAndClean() throws Exception {
    if (server != null) {
      server.close();
      killAll();
    }
  }

  private Result killAll() {
    return Program.run(
        Program.kedge(List.of("killall", "--data-dir=" + work.resolve("data"))),
        Duration.ofMinutes(1));
  }

  private Result kubectl(String... arguments) {
    List<String> all = new ArrayList<>(List.of("kubectl", "--kubeconfig=" + kubeconfig()));
    all.addAll(List.of(arguments));
    return Program.run(Program.kedge(all), Duration.ofMinutes(2));
  }

  private Result upstreamKubectl(String... arguments) {
    List<String> all = new ArrayList<>(List.of("kubectl", "--kubeconfig=" + kubeconfig()));
    all.addAll(List.of(arguments));
    return Program.run(all, Duration.ofMinutes(2));
  }

  private String page(String url) throws Exception {
    // The default certificate of the ingress is self-signed, as with every ingress without a TLS
    // Secret.
    return Program.run("curl", "-sk", "--max-time", "5", url).output();
  }

  @Test
  @Order(1)
  void nodeIsReadyAndTheOutputSaysWhatToDoNext() {
    assertThat(server.text())
        .contains("Node newcomer is Ready after", "Kubeconfig: " + kubeconfig(), " get nodes");
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
              assertThat(page("http://127.0.0.1:" + httpPort + "/")).contains("Hello from kedge");
              assertThat(page("https://127.0.0.1:" + httpsPort + "/")).contains("Hello from kedge");
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
    Path changed = work.resolve("changed.yaml");
    Files.writeString(
        changed,
        Files.readString(Program.ROOT.resolve("examples/hello/20-configmap.yaml"))
            .replace("Hello from kedge", "A new page"));
    kubectl("apply", "-f", changed.toString()).succeeded();
    Awaitility.await()
        .atMost(SOON)
        .untilAsserted(
            () -> assertThat(page("http://127.0.0.1:" + httpPort + "/")).contains("A new page"));

    Program.run(
            Program.ROOT.resolve("examples/hello/build-image").toString(),
            "-t",
            "kedge.local/hello-nginx:2",
            "-o",
            work.resolve("data/agent/images/hello-nginx-2.tar").toString())
        .succeeded();
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
  void upstreamKubectlDoesTheSame() {
    assumeTrue(
        Stream.of(System.getenv("PATH").split(":", -1))
            .anyMatch(d -> Files.isExecutable(Path.of(d, "kubectl"))),
        "no upstream kubectl on this machine");
    upstreamKubectl("apply", "-f", Program.ROOT.resolve("examples/hello").toString()).succeeded();
    assertThat(upstreamKubectl("get", "nodes").succeeded().output()).contains("Ready");
    upstreamKubectl("rollout", "status", "deployment/hello", "-n", "hello", "--timeout=60s")
        .succeeded();
    assertThat(
            upstreamKubectl("describe", "deployment", "hello", "-n", "hello").succeeded().output())
        .contains("hello-page");
    // By the Deployment's name: pods of the revision before may still be on their way out.
    upstreamKubectl("logs", "deployment/hello", "-n", "hello", "--tail=1").succeeded();
    assertThat(
            upstreamKubectl("exec", "deployment/hello", "-n", "hello", "--", "id", "-u")
                .succeeded()
                .output())
        .contains("0");
    assertThat(upstreamKubectl("explain", "deployment.spec.strategy").succeeded().output())
        .contains("rollingUpdate");
  }

  @Test
  @Order(7)
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
  @Order(8)
  void killedAndStartedAgainNothingIsLostAndPodsGoOn() throws Exception {
    String before = containers();
    assertThat(before).isNotBlank();
    server.process().destroyForcibly().waitFor();
    server = startServer();
    kubectl("rollout", "status", "deployment/hello", "-n", "hello", "--timeout=60s").succeeded();
    assertThat(containers()).as("container ids").isEqualTo(before);
    Awaitility.await()
        .atMost(SOON)
        .untilAsserted(
            () ->
                assertThat(page("http://127.0.0.1:" + httpPort + "/"))
                    .contains("Hello from kedge"));
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
  @Order(9)
  void aSecondServerOnTheSameDataIsRefused() {
    List<String> arguments =
        serverArguments("--https-listen-port=" + freePort(), "--disable=ingress");
    Result second = Program.run(Program.kedge(arguments), Duration.ofMinutes(1));
    assertThat(second.code()).isNotZero();
    assertThat(second.output()).contains("another kedge server uses the data directory");
  }

  @Test
  @Order(10)
  void deletingTheNamespaceEmptiesIt() {
    kubectl("delete", "namespace", "hello", "--timeout=90s").succeeded();
    assertThat(kubectl("get", "namespace", "hello").output()).contains("NotFound");
  }

  @Test
  @Order(11)
  void stopsCleanlyAndKillallLeavesNothing() throws Exception {
    assertThat(server.interrupt()).isIn(0, 130);
    killAll().succeeded();
    assertThat(Files.readString(Path.of("/proc/self/mountinfo"))).doesNotContain(work.toString());
    assertThat(Program.run("nft", "list", "tables").output()).doesNotContain("kedge");
    assertThat(Program.run("ip", "-o", "link").output()).doesNotContain("kedge0");
    assertThat(Program.run("ps", "-eo", "args").output())
        .doesNotContain(work.resolve("data").toString());
  }

  private static int freePort() {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /** Keeps the JDK's client in the suite: an HTTP/2 client that nobody here wrote. */
  @Test
  @Order(3)
  void theApiAnswersOverTls() throws Exception {
    HttpResponse<String> response =
        HttpClient.newBuilder()
            .sslContext(Trust.ofKubeconfig(kubeconfig()))
            .build()
            .send(
                HttpRequest.newBuilder(URI.create("https://127.0.0.1:" + apiPort + "/version"))
                    .build(),
                HttpResponse.BodyHandlers.ofString());
    assertThat(response.statusCode()).isEqualTo(200);
    assertThat(response.version()).isEqualTo(HttpClient.Version.HTTP_2);
    assertThat(response.body()).contains("v1.36");
  }
}
