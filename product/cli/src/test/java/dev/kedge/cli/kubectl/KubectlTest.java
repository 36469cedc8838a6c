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
                directory.resolve("storage")),
            Optional.empty(),
            ServerConfig.Snapshots.DEFAULT);
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

  /** Folders that commands look for other programs in. */
  private static String path = "";

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
                "PATH",
                path,
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
  void diffShowsWhatAnApplyWouldChange() {
    kubectl("create namespace diff");
    String web = WEB.replace("NAMESPACE", "diff");
    List<String> diff = List.of("diff", "-f", "-");
    Result fresh = run(web, diff);
    assertThat(fresh.code()).as(fresh.err()).isEqualTo(1);
    assertThat(fresh.out()).contains("+  name: web\n");
    assertThat(kubectl("get deploy -n diff").err()).contains("No resources found");
    run(web, List.of("apply", "-f", "-"));
    Result same = run(web, diff);
    assertThat(same.out()).isEmpty();
    assertThat(same.code()).isZero();
    Result changed = run(web.replace("one:1", "one:2"), diff);
    assertThat(changed.code()).isEqualTo(1);
    assertThat(changed.out())
        .contains("LIVE/apps.v1.Deployment.diff.web", "MERGED/apps.v1.Deployment.diff.web")
        .contains("-        image: one:1\n", "+        image: one:2\n");
    String secret =
        "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: diff}, data: {a: YQ==}}";
    run(secret, List.of("apply", "-f", "-"));
    String masked = run(secret.replace("YQ==", "Yg=="), diff).out();
    assertThat(masked).contains("-  a: '*** (before)'", "+  a: '*** (after)'").doesNotContain("YQ");
    assertThat(run("{", diff).code()).isGreaterThan(1);
  }

  @Test
  void autoscaleMakesAnAutoscaler() {
    kubectl("create namespace scaled");
    run(WEB.replace("NAMESPACE", "scaled"), List.of("apply", "-f", "-"));
    assertThat(
            kubectl("autoscale deploy web -n scaled --min=2 --max=5 --cpu=70% --memory=100Mi")
                .out())
        .isEqualTo("horizontalpodautoscaler.autoscaling/web autoscaled\n");
    JsonObject spec = object("get hpa web -n scaled").object("spec");
    assertThat(spec.integer("maxReplicas")).isEqualTo(5);
    assertThat(spec.text("scaleTargetRef", "kind")).isEqualTo("Deployment");
    assertThat(spec.objects("metrics").getFirst().object("resource").toString())
        .contains("\"averageUtilization\":70");
    assertThat(kubectl("autoscale deploy web -n scaled").err())
        .startsWith("error: --max=MAXPODS is required and must be at least 1, max: -1");
  }

  @Test
  void certificatesAreApprovedAndDenied() {
    String csr =
        """
        apiVersion: certificates.k8s.io/v1
        kind: CertificateSigningRequest
        metadata: {name: NAME}
        spec:
          signerName: example.com/toys
          usages: [client auth]
          request: %s
        """
            .formatted(REQUEST);
    run(csr.replace("NAME", "agreed"), List.of("create", "-f", "-"));
    run(csr.replace("NAME", "refused"), List.of("create", "-f", "-"));
    assertThat(kubectl("certificate approve agreed").out())
        .isEqualTo("certificatesigningrequest.certificates.k8s.io/agreed approved\n");
    assertThat(kubectl("certificate deny refused").out())
        .isEqualTo("certificatesigningrequest.certificates.k8s.io/refused denied\n");
    assertThat(object("get csr agreed").objects("status", "conditions").getFirst().text("message"))
        .isEqualTo("This CSR was approved by kubectl certificate approve.");
    assertThat(kubectl("certificate deny agreed").code()).isEqualTo(1);
  }

  /** A request for CN=toys in PEM, in base64 once more. */
  private static final String REQUEST =
      "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlISk1IRUNBUUF3RHpFTk1Bc0dBMVVF"
          + "QXd3RWRHOTVjekJaTUJNR0J5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdFSApBMElBQlBUZnhlcHlsb3FuL01a"
          + "NXdIbmxsb0hCcFYwR0lVZkczRm02YTBQd3ZKc1l2ei9zektqK3c3YkFBYUI5CjR0MDIyazF3TFBxOGow"
          + "NXNpdkVSaFZGa1lyZWdBREFLQmdncWhrak9QUVFEQWdOSUFEQkZBaUVBNU5NZUVjaTcKcUQva01XUVh0"
          + "NUZSMVVmbEZENGc3S0dxQUM5cGJBVEJIN29DSURPc1ZVajdySVUxYTdRNGVEajJIWjZYZ3RReQo1NzFZ"
          + "aWJIL2dyWE5WRTlaCi0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=";

  @Test
  void theKubeconfigIsChanged() throws IOException {
    Path file = directory.resolve("other.yaml");
    Files.writeString(file, "apiVersion: v1\nkind: Config\n");
    String flag = " --kubeconfig=" + file;
    assertThat(kubectl("config set-cluster c --server=https://x:1" + flag).out())
        .isEqualTo("Cluster \"c\" set.\n");
    assertThat(kubectl("config set-credentials u --token=t" + flag).out())
        .isEqualTo("User \"u\" set.\n");
    kubectl("config set-context a --cluster=c --user=u" + flag);
    kubectl("config use-context a" + flag);
    assertThat(kubectl("config rename-context a b" + flag).out())
        .isEqualTo("Context \"a\" renamed to \"b\".\n");
    assertThat(kubectl("config current-context" + flag).out()).isEqualTo("b\n");
    assertThat(kubectl("config get-clusters" + flag).out()).isEqualTo("NAME\nc\n");
    assertThat(kubectl("config get-users" + flag).out()).isEqualTo("NAME\nu\n");
    assertThat(kubectl("config view --minify" + flag).out()).contains("server: https://x:1");
    assertThat(kubectl("config delete-user v" + flag).err())
        .isEqualTo("error: cannot delete user v, not in " + file + "\n");
    assertThat(kubectl("config delete-context b" + flag).out())
        .isEqualTo("deleted context b from " + file + "\n");
  }

  @Test
  void otherProgramsAreFoundInThePath() throws IOException {
    Path folder = Files.createDirectory(directory.resolve("bin"));
    Path kustomize = folder.resolve("kustomize");
    Files.writeString(
        kustomize,
        "#!/bin/sh\n[ $1 = build ] && printf 'apiVersion: v1\\nkind: ConfigMap\\nmetadata: {name:"
            + " %s}\\n' $2\n");
    Path plugin = folder.resolve("kubectl-my_plugin-sub");
    Files.writeString(plugin, "#!/bin/sh\nexit 3\n");
    assertThat(kustomize.toFile().setExecutable(true)).isTrue();
    assertThat(plugin.toFile().setExecutable(true)).isTrue();
    assertThat(kubectl("apply -k built").err()).contains("install the program kustomize");
    path = folder.toString();
    try {
      assertThat(kubectl("apply -k built").out()).isEqualTo("configmap/built created\n");
      assertThat(kubectl("plugin list --name-only").out()).contains("kubectl-my_plugin-sub\n");
      assertThat(kubectl("my-plugin sub x").code()).isEqualTo(3);
    } finally {
      path = "";
    }
    assertThat(kubectl("kuberc view").err())
        .startsWith("error: kubectl kuberc is not supported by kedge kubectl");
  }

  @Test
  void theProxyServesTheApiToThisMachineOnly(@TempDir Path folder) throws Exception {
    Path socket = folder.resolve("s");
    Thread proxy =
        Thread.ofVirtual().start(() -> kubectl("proxy --api-prefix=/api-here -u " + socket));
    org.awaitility.Awaitility.await()
        .atMost(java.time.Duration.ofMinutes(1))
        .until(() -> Files.exists(socket));
    assertThat(overSocket(socket, "/api-here/api/v1/namespaces/default", "localhost"))
        .startsWith("HTTP/1.1 200")
        .contains("\"name\":\"default\"");
    assertThat(overSocket(socket, "/api/v1", "localhost")).startsWith("HTTP/1.1 404");
    assertThat(overSocket(socket, "/api-here/api/v1", "example.com")).startsWith("HTTP/1.1 403");
    proxy.interrupt();
    proxy.join();
  }

  private static String overSocket(Path socket, String path, String host) throws IOException {
    try (var channel =
        java.nio.channels.SocketChannel.open(java.net.UnixDomainSocketAddress.of(socket))) {
      java.nio.channels.Channels.newOutputStream(channel)
          .write(
              ("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
                  .getBytes(StandardCharsets.UTF_8));
      return new String(
          java.nio.channels.Channels.newInputStream(channel).readAllBytes(),
          StandardCharsets.UTF_8);
    }
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
        "apply -k dir~error: kustomize is not built into kedge kubectl: install the program"
            + " kustomize (it is looked for in PATH), or use upstream's kubectl for it",
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

  /** A namespace whose service account is there, without which no pod is admitted. */
  private static void namespaceForPods(String name) {
    kubectl("create namespace " + name);
    Result ready = kubectl("wait --for=create serviceaccount/default --timeout=60s -n " + name);
    assertThat(ready.code()).as(ready.err()).isZero();
  }

  @Test
  void debugAddsContainersToPodsCopiesThemAndGoesToNodes() {
    namespaceForPods("debug");
    run(
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: web, namespace: debug, labels: {app: web}, annotations: {note: x}}
        spec:
          shareProcessNamespace: false
          containers:
          - {name: a, image: "one:1", readinessProbe: {exec: {command: ["true"]}}}
        """,
        List.of("create", "-f", "-"));
    assertThat(kubectl("debug web -n debug --image=tools:1 -c look --target=a -q -- sh -c :").out())
        .isEmpty();
    assertThat(object("get pod web -n debug").objects("spec", "ephemeralContainers").getFirst())
        .isEqualTo(
            Json.parseObject(
                """
                {"command": ["sh", "-c", ":"], "image": "tools:1",
                 "imagePullPolicy": "IfNotPresent", "name": "look", "resources": {},
                 "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}},
                 "targetContainerName": "a", "terminationMessagePath": "/dev/termination-log",
                 "terminationMessagePolicy": "File"}
                """));
    assertThat(kubectl("debug pod/web -n debug --image=tools:1 --profile=restricted").out())
        .matches("Defaulting debug container name to debugger-[a-z0-9]{5}\\.\n");

    kubectl("debug web -n debug --copy-to=copy --set-image=*=two:2 --share-processes");
    JsonObject images = object("get pod copy -n debug");
    assertThat(images.text("metadata", "labels", "app")).isEqualTo("web");
    assertThat(images.flag("spec", "shareProcessNamespace")).isTrue();
    assertThat(images.objects("spec", "containers").getFirst().text("image")).isEqualTo("two:2");
    assertThat(images.objects("spec", "ephemeralContainers")).isEmpty();

    kubectl("debug web -n debug --copy-to=other -c a --keep-annotations --env=X=1 -- sleep 1");
    JsonObject other = object("get pod other -n debug");
    JsonObject container = other.objects("spec", "containers").getFirst();
    assertThat(other.object("metadata", "labels").isEmpty()).isTrue();
    assertThat(other.text("metadata", "annotations", "note")).isEqualTo("x");
    assertThat(container.strings("command")).containsExactly("sleep", "1");
    assertThat(container.objects("env").getFirst().text("value")).isEqualTo("1");
    assertThat(container.has("readinessProbe")).isFalse();

    run("{apiVersion: v1, kind: Node, metadata: {name: debugged}}", List.of("create", "-f", "-"));
    assertThat(kubectl("debug node/debugged -n debug --image=tools:1 --profile=sysadmin").out())
        .matches(
            "Creating debugging pod node-debugger-debugged-[a-z0-9]{5} with container debugger on"
                + " node debugged\\.\n");
    JsonObject pod =
        object("get pods -n debug -l app.kubernetes.io/managed-by=kubectl-debug")
            .objects("items")
            .getFirst();
    assertThat(pod.text("spec", "nodeName")).isEqualTo("debugged");
    assertThat(pod.flag("spec", "hostPID")).isTrue();
    JsonObject debugger = pod.objects("spec", "containers").getFirst();
    assertThat(debugger.flag("securityContext", "privileged")).isTrue();
    assertThat(debugger.objects("volumeMounts").getFirst().text("mountPath")).isEqualTo("/host");
    kubectl("delete node debugged");
  }

  @Test
  void setChangesOneThing() {
    kubectl("create namespace set");
    run(WEB.replace("NAMESPACE", "set"), List.of("create", "-f", "-"));
    kubectl("create configmap more -n set --from-literal=log.level=info");
    assertThat(kubectl("set env deployment/web -n set --from=configmap/more --prefix=P_").out())
        .isEqualTo("deployment.apps/web env updated\n");
    assertThat(kubectl("set env deployment/web -n set -c a --list").out())
        .startsWith("# Deployment web, container a\n");
    assertThat(
            kubectl("set resources deployment/web -n set -c a --limits=cpu=200m,memory=64Mi").out())
        .isEqualTo("deployment.apps/web resource requirements updated\n");
    assertThat(kubectl("set serviceaccount deployment/web robot -n set").out())
        .isEqualTo("deployment.apps/web serviceaccount updated\n");
    JsonObject web = object("get deployment web -n set");
    JsonObject spec = web.object("spec", "template", "spec");
    assertThat(spec.text("serviceAccountName")).isEqualTo("robot");
    JsonObject container = spec.objects("containers").getFirst();
    assertThat(container.text("resources", "limits", "memory")).isEqualTo("64Mi");
    assertThat(container.objects("env").stream().map(e -> e.text("name")))
        .containsExactlyInAnyOrder("X", "P_LOG_LEVEL");
    assertThat(spec.objects("containers").get(1).object("resources").isEmpty()).isTrue();

    kubectl("create service clusterip web -n set --tcp=80");
    assertThat(kubectl("set selector service/web tier=x -n set").out())
        .isEqualTo("service/web selector updated\n");
    assertThat(object("get service web -n set").map("spec", "selector"))
        .isEqualTo(Map.of("tier", "x"));
    assertThat(kubectl("create rolebinding one -n set --clusterrole=view --user=ann").out())
        .isEqualTo("rolebinding.rbac.authorization.k8s.io/one created\n");
    assertThat(
            kubectl("set subject rolebinding one -n set --user=bob --serviceaccount=set:x").out())
        .isEqualTo("rolebinding.rbac.authorization.k8s.io/one subjects updated\n");
    assertThat(
            object("get rolebinding one -n set").objects("subjects").stream()
                .map(s -> s.text("name")))
        .containsExactly("ann", "bob", "x");
  }

  @Test
  void replaceByForceMakesWhatIsNotThere() {
    String map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: forced}}";
    List<String> replace = List.of("replace", "--force", "-f", "-");
    assertThat(run(map, replace).out()).isEqualTo("configmap/forced replaced\n");
    assertThat(run(map, replace).out())
        .isEqualTo(
            "configmap \"forced\" deleted from default namespace\nconfigmap/forced replaced\n");
  }

  @Test
  void debugMergesACustomProfile() throws IOException {
    namespaceForPods("custom");
    kubectl("run web -n custom --image=one:1");
    Path custom = directory.resolve("custom.yaml");
    Files.writeString(custom, "env: [{name: B, value: '2'}]\nsecurityContext: {runAsUser: 5}\n");
    kubectl("debug web -n custom --image=x:1 -c look --env=A=1 --custom=" + custom);
    JsonObject look =
        object("get pod web -n custom").objects("spec", "ephemeralContainers").getFirst();
    assertThat(look.objects("env").stream().map(e -> e.text("name")))
        .containsExactlyInAnyOrder("A", "B");
    assertThat(look.integer("securityContext", "runAsUser")).isEqualTo(5);
    assertThat(look.strings("securityContext", "capabilities", "add"))
        .containsExactly("SYS_PTRACE");
    Files.writeString(custom, "image: other\n");
    assertThat(kubectl("debug web -n custom --image=x:1 --custom=" + custom).err())
        .startsWith("error: name, command, image, lifecycle and volume devices are not modifiable");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      value = {
        "debug web~you must specify --image when not using --copy-to.",
        "debug --image=x~NAME or filename is required for debug",
        "debug web --image=x --replace~--replace may only be used with --copy-to.",
        "debug web --set-image=a=b~--set-image may only be used with --copy-to.",
        "debug web --copy-to=y~you must specify --image, --set-image or command arguments.",
        "debug web --image=x --copy-to=y --target=z~--target is incompatible with --copy-to. Use"
            + " --share-processes instead.",
        "debug web --image=x -t~-i/--stdin is required for containers with -t/--tty=true",
        "debug web --image=x --profile=no~unknown profile: no",
        "debug deployment/none --image=x~deployments.apps \"none\" not found",
      })
  void debugRefusesInUpstreamsWords(String line, String message) {
    Result result = kubectl(line);
    assertThat(result.code()).isEqualTo(1);
    assertThat(result.err()).contains(message);
  }

  @Test
  void configSetAndUnsetChangeOneProperty() throws IOException {
    Path config = directory.resolve("set.yaml");
    Files.writeString(
        config,
        """
        apiVersion: v1
        kind: Config
        contexts:
        - {name: a.b, context: {cluster: one, user: u}}
        clusters:
        - {name: one, cluster: {server: "https://one:1"}}
        """);
    String at = " --kubeconfig=" + config;
    assertThat(kubectl("config set current-context a.b" + at).out())
        .isEqualTo("Property \"current-context\" set.\n");
    assertThat(kubectl("config set clusters.one.server https://two:2" + at).code()).isZero();
    assertThat(kubectl("config set contexts.new.cluster one" + at).code()).isZero();
    assertThat(kubectl("config set clusters.one.insecure-skip-tls-verify true" + at).code())
        .isZero();
    assertThat(kubectl("config unset contexts.a.b.user" + at).code()).isZero();
    assertThat(kubectl("config unset contexts.no.user" + at).err())
        .isEqualTo("error: current map key `no` is invalid\n");
    assertThat(kubectl("config set nothing.a b" + at).err())
        .isEqualTo("error: unable to parse one or more field values of nothing.a\n");
    assertThat(kubectl("config set clusters.one.certificate-authority-data !" + at).err())
        .startsWith("error: error decoding input value:");
    assertThat(kubectl("config view" + at).out())
        .contains("current-context: a.b", "server: https://two:2", "name: new")
        .contains("insecure-skip-tls-verify: true")
        .doesNotContain("user: u");
    assertThat(kubectl("config unset contexts.new" + at).out())
        .isEqualTo("Property \"contexts.new\" unset.\n");
    assertThat(kubectl("config unset current-context" + at).code()).isZero();
    assertThat(kubectl("config current-context" + at).err())
        .isEqualTo("error: current-context is not set\n");
    assertThat(kubectl("config get-contexts -o name" + at).out()).isEqualTo("a.b\n");
  }

  private static final String ROLE =
      """
      apiVersion: rbac.authorization.k8s.io/v1
      kind: Role
      metadata: {name: reader, namespace: reconciled, labels: {a: b}}
      rules:
      - {apiGroups: [""], resources: [RESOURCES], verbs: [get, list]}
      ---
      apiVersion: rbac.authorization.k8s.io/v1
      kind: RoleBinding
      metadata: {name: readers, namespace: reconciled}
      roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
      subjects:
      - {kind: User, name: USER}
      """;

  @Test
  void rolesAndBindingsAreReconciled() {
    String pods = ROLE.replace("RESOURCES", "pods").replace("USER", "ann");
    List<String> command = List.of("auth", "reconcile", "-f", "-");
    Result made = run(pods, command);
    assertThat(made.out() + made.err())
        .isEqualTo(
            """
            role.rbac.authorization.k8s.io/reader reconciled
            rolebinding.rbac.authorization.k8s.io/readers reconciled
            \treconciliation required create
            \tmissing rules added:
            \t\t{Verbs:[get list] APIGroups:[] Resources:[pods] ResourceNames:[] NonResourceURLs:[]}
            \treconciliation required create
            \tmissing subjects added:
            \t\t{Kind:User APIGroup:rbac.authorization.k8s.io Name:ann Namespace:}
            """);
    assertThat(run(pods, command).err()).isEmpty();

    String both = ROLE.replace("RESOURCES", "pods, services").replace("USER", "bob");
    assertThat(run(both, List.of("auth", "reconcile", "-f", "-", "--dry-run=client")).out())
        .startsWith("role.rbac.authorization.k8s.io/reader reconciled (dry run)\n");
    assertThat(run(both, command).err())
        .contains("\t\t{Verbs:[list] APIGroups:[] Resources:[services] ResourceNames:[]")
        .doesNotContain("Resources:[pods]");
    assertThat(object("get rolebinding readers -n reconciled").objects("subjects"))
        .extracting(subject -> subject.text("name"))
        .containsExactly("ann", "bob");

    Result removed =
        run(
            pods,
            List.of(
                "auth",
                "reconcile",
                "-f",
                "-",
                "--remove-extra-permissions",
                "--remove-extra-subjects"));
    assertThat(removed.err())
        .contains("\textra rules removed:\n\t\t{Verbs:[get] APIGroups:[] Resources:[services]")
        .contains(
            "\textra subjects removed:\n"
                + "\t\t{Kind:User APIGroup:rbac.authorization.k8s.io Name:bob");
    assertThat(object("get role reader -n reconciled").objects("rules"))
        .singleElement()
        .satisfies(rule -> assertThat(rule.strings("resources")).containsExactly("pods"));

    assertThat(
            run(pods.replace("kind: Role, name: reader", "kind: ClusterRole, name: view"), command)
                .err())
        .contains("\treconciliation required recreate\n");
    assertThat(object("get rolebinding readers -n reconciled").text("roleRef", "name"))
        .isEqualTo("view");
  }

  @Test
  void aClusterIsDumped() throws IOException {
    namespaceForPods("dumped");
    run(
        "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: dumped}, spec: {containers:"
            + " [{name: c, image: i}]}}",
        List.of("create", "-f", "-"));
    Path into = directory.resolve("dump");
    assertThat(
            kubectl("cluster-info dump --namespaces dumped,default --output-directory " + into)
                .out())
        .isEqualTo("Cluster info dumped to " + into + "\n");
    for (String file :
        List.of(
            "nodes", "dumped/events", "dumped/pods", "dumped/replicasets", "default/services")) {
      assertThat(Json.parseObject(Files.readString(into.resolve(file + ".json"))).text("kind"))
          .endsWith("List");
    }
    assertThat(Files.readString(into.resolve("dumped/web/logs.txt")))
        .isEqualTo(
            """
            ==== START logs for container c of pod dumped/web ====
            ==== END logs for container c of pod dumped/web ====
            """);
    assertThat(kubectl("cluster-info dump -o yaml -n dumped").out())
        .contains("kind: NodeList", "==== START logs for container c of pod dumped/web ====");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "des|describe",
        "rollout st|status",
        "get na|namespaces",
        "get namespaces kube-s|kube-system",
        "describe ns kube-s|kube-system",
        "get ns/kube-s|ns/kube-system",
        "get pods -n kube-s|kube-system",
        "get pods --namespace=kube-s|--namespace=kube-system",
        "get pods --namespace = kube-s|kube-system",
        "get pods -o ya|yaml",
        "get pods --sho|--show-kind",
        "completion f|fish",
        "--context=def|--context=default",
      })
  void shellsAreToldWhatMayFollow(String line, String candidate) {
    List<String> words = new ArrayList<>(List.of("__complete"));
    words.addAll(List.of(line.split(" ")));
    Result result = run("", words);
    assertThat(result.code()).isZero();
    assertThat(result.out().lines().map(found -> found.split("\t")[0])).contains(candidate);
  }

  @Test
  void nothingIsSaidOfWhatCannotBeCompleted() {
    for (String line :
        List.of("get nosuch x", "get pods -s https://127.0.0.1:1 x", "get --nosuch x")) {
      List<String> words = new ArrayList<>(List.of("__complete"));
      words.addAll(List.of(line.split(" ")));
      assertThat(run("", words)).as(line).isEqualTo(new Result(0, "", ""));
    }
  }

  @Test
  void bashCompletes() throws Exception {
    Path script =
        Files.writeString(directory.resolve("completion"), kubectl("completion bash").out());
    Process bash =
        new ProcessBuilder(
                "bash",
                "-c",
                """
                kedge() { [ "$*" = "kubectl __complete get po" ] && printf 'pods\tall\npodtemplates\n'; }
                . "$0"; COMP_WORDS=(kedge kubectl get po); COMP_CWORD=3; __kedge_kubectl; echo "${COMPREPLY[@]}"
                COMP_WORDS=(kedge server --d); COMP_CWORD=2; __kedge_kubectl; echo "none:${COMPREPLY[@]}"
                """,
                script.toString())
            .redirectErrorStream(true)
            .start();
    assertThat(new String(bash.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
        .isEqualTo("pods podtemplates\nnone:\n");
    assertThat(bash.waitFor()).isZero();
    assertThat(kubectl("completion tcsh").err()).contains("Unsupported shell type \"tcsh\"");
  }
}
