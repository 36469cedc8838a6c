package dev.kedge.cli.kubectl;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.lifecycle.Startup;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.server.Datastore;
import dev.kedge.server.KedgeServer;
import dev.kedge.server.ServerConfig;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The commands against a real control plane in this process. */
class KubectlTest {
  @TempDir static Path directory;

  private static KedgeServer server;

  @BeforeAll
  static void start() throws IOException {
    int port;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = socket.getLocalPort();
    }
    ServerConfig config =
        new ServerConfig(
            directory.resolve("data"),
            Datastore.EMBEDDED,
            ServerConfig.Cluster.ALONE,
            "127.0.0.1",
            port,
            "127.0.0.1",
            port,
            List.of(),
            "10.42.0.0/16",
            "10.43.0.0/16",
            30000,
            32767,
            "10.43.0.10",
            "cluster.local",
            directory.resolve("kedge.yaml"),
            "600",
            Optional.empty(),
            List.of("coredns", "servicelb", "ingress", "local-storage"),
            false,
            false,
            false,
            0,
            0,
            new ServerConfig.Node(
                "here",
                "127.0.0.1",
                List.of(),
                Map.of(),
                List.of(),
                Path.of("/etc/resolv.conf"),
                Optional.empty(),
                "overlayfs",
                directory.resolve("registries.yaml"),
                directory.resolve("storage")));
    server =
        KedgeServer.start(
            config,
            new Startup(new PrintStream(new ByteArrayOutputStream()), System.nanoTime()),
            () -> {});
  }

  @AfterAll
  static void stop() {
    server.close();
  }

  private record Result(int code, String out, String err) {}

  private static Result run(String input, List<String> words) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    Console console =
        new Console(
            new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)),
            new PrintStream(out, true, StandardCharsets.UTF_8),
            new PrintStream(err, true, StandardCharsets.UTF_8),
            Map.of(
                "HOME",
                directory.toString(),
                "KUBECONFIG",
                directory.resolve("kedge.yaml").toString()));
    int code = Kubectl.run(words, console);
    console.out().flush();
    return new Result(
        code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
  }

  private static Result kubectl(String line) {
    return run("", List.of(line.split(" ")));
  }

  private static JsonObject object(String line) {
    Result result = kubectl(line + " -o json");
    assertThat(result.err()).isEmpty();
    return Json.parseObject(result.out());
  }

  private static final String WEB =
      """
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: web, namespace: NAMESPACE}
      spec:
        replicas: 2
        selector: {matchLabels: {app: web}}
        template:
          metadata: {labels: {app: web}}
          spec:
            containers:
            - {name: a, image: "one:1", env: [{name: X, value: "1"}], ports: [{containerPort: 80}]}
            - {name: b, image: "two:1"}
      """;

  @Test
  void applyCreatesLeavesAloneChangesAndRemoves() {
    kubectl("create namespace apply");
    String web = WEB.replace("NAMESPACE", "apply");
    List<String> apply = List.of("apply", "-f", "-");
    assertThat(run(web, apply).out()).isEqualTo("deployment.apps/web created\n");
    assertThat(run(web, apply).out()).isEqualTo("deployment.apps/web unchanged\n");
    // What others own stays, what was applied and is no longer there goes.
    kubectl("scale deploy/web -n apply --replicas=5");
    kubectl("annotate deploy web -n apply other=kept");
    String changed =
        web.replace("one:1", "one:2")
            .replace("  replicas: 2\n", "")
            .replaceAll("(?m)^.*two:1.*\n", "");
    assertThat(run(changed, apply).out()).isEqualTo("deployment.apps/web configured\n");
    JsonObject live = object("get deploy web -n apply");
    List<JsonObject> containers = live.objects("spec", "template", "spec", "containers");
    assertThat(containers).hasSize(1);
    assertThat(containers.getFirst().text("image")).isEqualTo("one:2");
    assertThat(live.text("metadata", "annotations", "other")).isEqualTo("kept");
    assertThat(run(changed, apply).out()).isEqualTo("deployment.apps/web unchanged\n");
  }

  @Test
  void serverSideApplyNamesTheOtherManager() {
    kubectl("create namespace ssa");
    String web = WEB.replace("NAMESPACE", "ssa");
    assertThat(run(web, List.of("apply", "--server-side", "-f", "-")).out())
        .isEqualTo("deployment.apps/web serverside-applied\n");
    Result conflict =
        run(
            web.replace("one:1", "one:2"),
            List.of("apply", "--server-side", "--field-manager=other", "-f", "-"));
    assertThat(conflict.code()).isEqualTo(1);
    assertThat(conflict.err())
        .contains("conflict with \"kubectl\"")
        .contains(".spec.template.spec.containers[name=\"a\"].image");
    assertThat(
            run(
                    web.replace("one:1", "one:2"),
                    List.of(
                        "apply",
                        "--server-side",
                        "--field-manager=other",
                        "--force-conflicts",
                        "-f",
                        "-"))
                .code())
        .isZero();
  }

  @Test
  void tablesListsAndNamesAreKubectls() {
    kubectl("create namespace tables");
    kubectl("create configmap one -n tables --from-literal=a=b");
    kubectl("create configmap two -n tables --from-literal=a=b --from-literal=c=d");
    assertThat(kubectl("get cm one two -n tables").out().replaceAll("\\d+s", "1s"))
        .isEqualTo("NAME   DATA   AGE\none    1      1s\ntwo    2      1s\n");
    assertThat(kubectl("get cm/one ns/tables -n tables -o name").out())
        .isEqualTo("configmap/one\nnamespace/tables\n");
    assertThat(kubectl("get cm -n tables --field-selector=metadata.name=two -o name").out())
        .isEqualTo("configmap/two\n");
    assertThat(kubectl("get cm one -n tables -o jsonpath={.data.a}").out()).isEqualTo("b");
    assertThat(kubectl("get secrets -n tables").err())
        .isEqualTo("No resources found in tables namespace.\n");
    assertThat(kubectl("get configmap one -n tables -o yaml").out())
        .startsWith("apiVersion: v1\ndata:\n  a: b\nkind: ConfigMap\nmetadata:\n");
    assertThat(kubectl("describe cm one -n tables").out())
        .startsWith(
            "Name:         one\n"
                + "Namespace:    tables\n"
                + "Labels:       <none>\n"
                + "Annotations:  <none>\n\n"
                + "Data\n"
                + "====\n"
                + "a:\n"
                + "----\n"
                + "b\n");
  }

  @Test
  void deleteWaitsForTheEndAndKnowsSelectors() {
    kubectl("create namespace deletes");
    kubectl("create configmap one -n deletes");
    kubectl("create configmap two -n deletes");
    kubectl("label cm one -n deletes app=x");
    assertThat(kubectl("delete cm -l app=x -n deletes").out())
        .isEqualTo("configmap \"one\" deleted from deletes namespace\n");
    assertThat(kubectl("get cm one -n deletes").err())
        .isEqualTo("Error from server (NotFound): configmaps \"one\" not found\n");
    assertThat(kubectl("delete cm one -n deletes --ignore-not-found").code()).isZero();
    assertThat(kubectl("delete ns deletes").out()).isEqualTo("namespace \"deletes\" deleted\n");
    assertThat(kubectl("get ns deletes").code()).isEqualTo(1);
  }

  @Test
  void waitsForAConditionThatComes() throws InterruptedException {
    kubectl("create namespace waits");
    kubectl("create configmap one -n waits");
    List<Result> results = new ArrayList<>();
    Thread waiting =
        Thread.ofVirtual()
            .start(
                () ->
                    results.add(
                        kubectl(
                            "wait cm/one -n waits --for=jsonpath={.data.ready}=yes"
                                + " --timeout=20s")));
    kubectl("patch cm one -n waits -p {\"data\":{\"ready\":\"yes\"}}");
    waiting.join();
    assertThat(results.getFirst().out()).isEqualTo("configmap/one condition met\n");
    assertThat(kubectl("wait cm/one -n waits --for=condition=Ready --timeout=0").code())
        .isEqualTo(1);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "gett pods~error: unknown command \"gett\" for \"kubectl\"¶¶Did you mean this?¶\\tget",
        "get pods --watc~error: unknown flag: --watc (did you mean --watch?)¶See 'kubectl get"
            + " --help' for usage.",
        "get frobs~error: the server doesn't have a resource type \"frobs\"",
        "top nodes~error: metrics not available yet",
        "get pod nosuch~Error from server (NotFound): pods \"nosuch\" not found",
        "create ns default~Error from server (AlreadyExists): namespaces \"default\" already"
            + " exists",
        "apply -f /nonexistent~error: the path \"/nonexistent\" does not exist",
        "get pods -s https://127.0.0.1:1~The connection to the server 127.0.0.1:1 was refused - did"
            + " you specify the right host or port?",
        "get pods --context=other~error: context \"other\" does not exist",
        "delete pods~error: resource(s) were provided, but no name was specified",
        "apply -k dir~error: -k (kustomize) is not supported by kedge kubectl yet; run 'kustomize"
            + " build DIR | kubectl apply -f -'",
      })
  void faultsAreSaidInOneSentenceAndExitWithOne(String line, String expected) {
    Result result = kubectl(line);
    assertThat(result.code()).isEqualTo(1);
    assertThat(result.err()).isEqualTo(expected.replace("¶", "\n").replace("\\t", "\t") + "\n");
  }

  @Test
  void badManifestsNameFileLineAndEveryFault() throws IOException {
    Path broken = Files.writeString(directory.resolve("broken.yaml"), "a: 1\n b: 2\n");
    assertThat(run("", List.of("apply", "-f", broken.toString())).err())
        .startsWith("error: error parsing " + broken + ": line 2, column 3: ");
    Result invalid =
        run(
            WEB.replace("NAMESPACE", "default")
                .replace("replicas: 2", "replicas: -1")
                .replace("name: web", "name: Web"),
            List.of("apply", "-f", "-"));
    assertThat(invalid.err()).startsWith("The Deployment \"Web\" is invalid: \n* ");
    assertThat(
            run(
                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndat: {a: b}\n",
                    List.of("create", "-f", "-"))
                .err())
        .contains("strict decoding error: unknown field \"dat\"");
  }

  @Test
  void tokensOfServiceAccountsAuthenticate() {
    kubectl("create namespace tokens");
    kubectl("create serviceaccount robot -n tokens");
    String token = kubectl("create token robot -n tokens").out().strip();
    Result who = kubectl("auth whoami -o jsonpath={.status.userInfo.username} --token=" + token);
    assertThat(who.out() + who.err()).contains("system:serviceaccount:tokens:robot");
    assertThat(kubectl("auth can-i create pods --as=system:serviceaccount:tokens:robot").out())
        .startsWith("no");
  }

  @Test
  void generatorsNeedNoServerForADryRun() {
    Result result =
        kubectl(
            "create deployment web --image=nginx:1 --dry-run=client -o yaml -s"
                + " https://127.0.0.1:1");
    assertThat(result.err()).isEmpty();
    assertThat(result.out())
        .isEqualTo(
            """
            apiVersion: apps/v1
            kind: Deployment
            metadata:
              labels:
                app: web
              name: web
            spec:
              replicas: 1
              selector:
                matchLabels:
                  app: web
              template:
                metadata:
                  labels:
                    app: web
                spec:
                  containers:
                  - image: nginx:1
                    name: nginx
            """);
  }
}
