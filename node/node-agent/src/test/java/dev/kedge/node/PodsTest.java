package dev.kedge.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.client.SharedInformers;
import dev.kedge.cri.Cri;
import dev.kedge.http.HttpServer;
import dev.kedge.http.RemoteCommand;
import dev.kedge.http.RemoteCommandClient;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;

/** Pods on the real containerd, each test with pods of its own on one shared node. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PodsTest {
  private static final Duration LIMIT = Duration.ofSeconds(60);

  private final MemoryApi api = new MemoryApi();
  private TestNode node;
  private Containerd containerd;
  private ImageImporter importer;
  private SharedInformers informers;
  private NodeAgent agent;

  @BeforeAll
  void start() throws Exception {
    node = TestNode.create();
    Files.createDirectories(node.settings.imagesDirectory());
    Files.write(node.settings.imagesDirectory().resolve("busybox.tar"), TestNode.busybox());
    containerd = Containerd.start(node.settings);
    importer = new ImageImporter(node.settings, containerd);
    importer.start();
    importer.awaitFirstPass();
    api.create(
        Resources.SERVICES,
        parse(
            """
            apiVersion: v1
            kind: Service
            metadata: {name: my-db, namespace: default}
            spec: {clusterIP: 10.43.0.77, ports: [{port: 5432, name: sql, protocol: TCP}]}
            """));
    startAgent();
  }

  private void startAgent() throws Exception {
    informers = new SharedInformers(api);
    agent = new NodeAgent(api, informers, node.settings, containerd, Optional.of(importer));
    agent.start();
    agent.awaitReady();
  }

  private void stopAgent() {
    agent.close();
    informers.close();
  }

  @AfterAll
  void stop() throws Exception {
    if (agent != null) {
      stopAgent();
    }
    if (importer != null) {
      importer.close();
    }
    if (containerd != null) {
      containerd.close();
    }
    if (node != null) {
      node.close();
      assertThat(node.leftovers()).isEmpty();
    }
  }

  static KubeObject parse(String yaml) {
    return new KubeObject(
        (JsonObject)
            dev.kedge.model.JsonValue.of(
                new Load(LoadSettings.builder().build()).loadFromString(yaml)));
  }

  /** A pod named by its spec's first line; image and node are filled in. */
  private KubeObject create(String name, String spec) {
    KubeObject pod =
        parse(
            "apiVersion: v1\nkind: Pod\nmetadata: {name: "
                + name
                + ", namespace: default, labels: {app: "
                + name
                + "}, generation: 1}\nspec:\n"
                + spec.indent(2));
    JsonObject full = pod.spec().with("nodeName", "test-node");
    for (String list : List.of("containers", "initContainers")) {
      if (full.has(list)) {
        full =
            full.with(
                list,
                full.objects(list).stream()
                    .map(c -> c.has("image") ? c : c.with("image", TestNode.BUSYBOX))
                    .toList());
      }
    }
    return api.create(Resources.PODS, pod.with("spec", full));
  }

  private KubeObject pod(String name) {
    return api.get(Resources.PODS, "default", name);
  }

  private KubeObject awaitPod(String name, Predicate<KubeObject> condition) {
    await()
        .pollInterval(Duration.ofMillis(20))
        .atMost(LIMIT)
        .conditionEvaluationListener(
            evaluated -> {
              if (evaluated.getRemainingTimeInMS() < 100 && !evaluated.isSatisfied()) {
                System.err.println(Json.pretty(pod(name).json()) + events(name));
              }
            })
        .until(() -> condition.test(pod(name)));
    return pod(name);
  }

  private KubeObject awaitPhase(String name, String phase) {
    return awaitPod(name, pod -> pod.status().text("phase").equals(phase));
  }

  private static boolean ready(KubeObject pod) {
    return pod.status().objects("conditions").stream()
        .anyMatch(c -> c.text("type").equals("Ready") && c.text("status").equals("True"));
  }

  private List<String> events(String name) {
    return api
        .list(Resources.EVENTS, "", dev.kedge.client.KubeClient.Selection.ALL)
        .items()
        .stream()
        .filter(e -> e.json().text("involvedObject", "name").equals(name))
        .map(e -> e.json().text("reason") + ": " + e.json().text("message"))
        .toList();
  }

  private String logs(String name, String container) throws Exception {
    KubeObject pod = pod(name);
    Path directory = ContainerSpecs.logDirectory(node.settings, pod).resolve(container);
    Path log;
    try (var files = Files.list(directory)) {
      log = files.max(java.util.Comparator.naturalOrder()).orElseThrow();
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    new LogReader(
            log,
            new LogReader.Options(false, -1, Optional.empty(), false, -1, ""),
            out,
            () -> false)
        .copy();
    return out.toString(StandardCharsets.UTF_8);
  }

  private void delete(String name) {
    api.delete(Resources.PODS, "default", name, DeleteOptions.DEFAULT.withGracePeriodSeconds(1));
    await()
        .atMost(LIMIT)
        .pollInterval(Duration.ofMillis(20))
        .until(() -> api.find(Resources.PODS, "default", name).isEmpty());
  }

  private JsonObject container(KubeObject pod, int index) {
    return pod.status().objects("containerStatuses").get(index);
  }

  @Test
  void theNodeReportsItself() {
    KubeObject self = api.get(Resources.NODES, "", "test-node");
    assertThat(self.labels())
        .containsEntry("node-role.kubernetes.io/control-plane", "true")
        .containsEntry("kubernetes.io/hostname", "test-node");
    assertThat(self.status().text("nodeInfo", "containerRuntimeVersion"))
        .startsWith("containerd://");
    assertThat(self.status().text("nodeInfo", "bootID")).hasSize(36);
    assertThat(
            self.status().objects("conditions").stream()
                .map(c -> c.text("type") + "=" + c.text("status")))
        .containsExactlyInAnyOrder(
            "MemoryPressure=False", "DiskPressure=False", "PIDPressure=False", "Ready=True");
    await()
        .atMost(LIMIT)
        .until(() -> api.find(Resources.LEASES, "kube-node-lease", "test-node").isPresent());
  }

  @Test
  void runsWithEnvironmentVolumesAndReportsIt() throws Exception {
    api.create(
        Resources.CONFIG_MAPS,
        parse(
            """
            {apiVersion: v1, kind: ConfigMap, metadata: {name: conf, namespace: default},
             data: {color: blue, file.txt: hello}}
            """));
    api.create(
        Resources.SECRETS,
        parse(
            """
            {apiVersion: v1, kind: Secret, metadata: {name: sec, namespace: default},
             data: {password: czNjcmV0}}
            """));
    long begun = System.nanoTime();
    create(
        "rich",
        """
        restartPolicy: Never
        hostname: richie
        subdomain: sub
        hostAliases: [{ip: 192.0.2.1, hostnames: [alias]}]
        securityContext: {runAsUser: 1234, fsGroup: 777}
        volumes:
        - {name: conf, configMap: {name: conf}}
        - {name: sec, secret: {secretName: sec, defaultMode: 0400}}
        - {name: scratch, emptyDir: {}}
        - {name: mem, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
        - name: api
          projected:
            sources:
            - serviceAccountToken: {path: token, expirationSeconds: 3600}
            - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
        initContainers:
        - name: first
          command: [sh, -c, "echo made-by-init > /scratch/file"]
          volumeMounts: [{name: scratch, mountPath: /scratch}]
        containers:
        - name: main
          command: [sh, -c]
          args:
          - |
            echo color=$COLOR double=$DOUBLE 'literal=$(LITERAL) escaped=$$(COLOR)'
            echo ip=$IP node=$NODE cpu=$CPU db=$MY_DB_SERVICE_HOST:$MY_DB_SERVICE_PORT_SQL
            cat /conf/file.txt; echo; cat /sec/password; echo
            cat /scratch/file; cat /sub; cat /api/token; echo; cat /api/labels; echo
            id; hostname; cat /etc/resolv.conf /etc/hosts; df -m /mem | tail -1
            touch /scratch/own && ls -ln /scratch/own
            echo bye > /dev/termination-log
          env:
          - {name: COLOR, valueFrom: {configMapKeyRef: {name: conf, key: color}}}
          - {name: DOUBLE, value: $(COLOR)-$(COLOR)}
          - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
          - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
          - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
          resources: {limits: {cpu: 500m, memory: 64Mi}}
          volumeMounts:
          - {name: conf, mountPath: /conf}
          - {name: sec, mountPath: /sec}
          - {name: scratch, mountPath: /scratch}
          - {name: scratch, mountPath: /sub, subPath: file}
          - {name: mem, mountPath: /mem}
          - {name: api, mountPath: /api}
        """);
    KubeObject pod = awaitPhase("rich", "Succeeded");
    System.err.println("rich took " + (System.nanoTime() - begun) / 1_000_000 + " ms");
    String text = logs("rich", "main");
    assertThat(text)
        .contains("color=blue double=blue-blue literal=$(LITERAL) escaped=$(COLOR)")
        .contains("ip=" + pod.status().text("podIP") + " node=test-node cpu=500")
        .contains("db=10.43.0.77:5432")
        .contains("hello\n")
        .contains("s3cret\n")
        .contains("made-by-init\nmade-by-init\n")
        .contains("token-of-default")
        .contains("app=\"rich\"")
        .contains("uid=1234(web) gid=1234(web) groups=777,1234(web)")
        .contains("\nrichie\n")
        .contains("nameserver 10.43.0.10")
        .contains("search default.svc.cluster.local svc.cluster.local cluster.local")
        .contains("options ndots:5")
        .contains("192.0.2.1\talias")
        .contains("richie.sub.default.svc.cluster.local\trichie")
        .containsPattern("1234 +777 .*/scratch/own");
    JsonObject terminated = container(pod, 0).object("state", "terminated");
    assertThat(terminated.text("reason")).isEqualTo("Completed");
    assertThat(terminated.text("message")).isEqualTo("bye\n");
    assertThat(pod.status().text("qosClass")).isEqualTo("Burstable");
    assertThat(pod.status().objects("initContainerStatuses").getFirst().flag("ready")).isTrue();
    await()
        .atMost(LIMIT)
        .until(
            () ->
                events("rich")
                    .containsAll(
                        List.of(
                            "Pulled: Container image \""
                                + TestNode.BUSYBOX
                                + "\" already present on machine and can be accessed by the pod",
                            "Created: Container created",
                            "Started: Container started")));
    delete("rich");
    assertThat(Volumes.memoryRoot(node.settings).resolve(pod.uid())).doesNotExist();
    assertThat(ContainerSpecs.podDirectory(node.settings, pod.uid())).doesNotExist();
    assertThat(
            containerd
                .cri()
                .listPodSandboxes(
                    new Cri.SandboxFilter("", null, Map.of(Pods.UID_LABEL, pod.uid()))))
        .isEmpty();
  }

  @Test
  void probesDecideReadinessAndRestart() throws Exception {
    create(
        "probed",
        """
        terminationGracePeriodSeconds: 1
        containers:
        - name: main
          command: [sh, -c, "trap 'exit 0' TERM; mkdir /www; echo ok > /www/index.html; httpd -f -p 8080 -h /www & sleep 1; touch /tmp/ready; while :; do sleep 0.1; done"]
          startupProbe: {tcpSocket: {port: 8080}, periodSeconds: 1, failureThreshold: 20}
          readinessProbe: {exec: {command: [test, -e, /tmp/ready]}, periodSeconds: 1}
          livenessProbe: {httpGet: {path: /index.html, port: 8080}, periodSeconds: 1, failureThreshold: 1}
        """);
    KubeObject pod = awaitPod("probed", PodsTest::ready);
    assertThat(container(pod, 0).flag("started")).isTrue();
    String id = container(pod, 0).text("containerID").replace("containerd://", "");
    containerd.cri().execSync(id, List.of("rm", "/www/index.html"), Duration.ofSeconds(60));
    pod = awaitPod("probed", p -> container(p, 0).integer("restartCount") == 1 && ready(p));
    assertThat(container(pod, 0).object("lastState").has("terminated")).isTrue();
    assertThat(events("probed"))
        .contains("Killing: Container main failed liveness probe, will be restarted")
        .anyMatch(
            e ->
                e.equals(
                    "Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 404"));
    delete("probed");
  }

  @Test
  void crashesAndMissingThingsAreNamed() throws Exception {
    create(
        "crash",
        "containers: [{name: main, command: [sh, -c, 'echo dying; exit 3'],"
            + " terminationMessagePolicy: FallbackToLogsOnError}]");
    create(
        "noimage",
        "containers: [{name: main, image: 'localhost:1/none:1', imagePullPolicy: IfNotPresent}]");
    create(
        "never", "containers: [{name: main, image: 'kedge.local/none:1', imagePullPolicy: Never}]");
    create(
        "nomap",
        "{volumes: [{name: v, configMap: {name: later}}], containers: [{name: main, command:"
            + " [sleep, '100'], volumeMounts: [{name: v, mountPath: /v}]}],"
            + " terminationGracePeriodSeconds: 0}");
    create("huge", "containers: [{name: main, resources: {requests: {cpu: '1000'}}}]");
    create("nonroot", "containers: [{name: main, securityContext: {runAsNonRoot: true}}]");
    create("nocommand", "containers: [{name: main, command: [/no/such]}]");

    KubeObject crash =
        awaitPod(
            "crash",
            p ->
                !p.status().objects("containerStatuses").isEmpty()
                    && container(p, 0)
                        .text("state", "waiting", "reason")
                        .equals("CrashLoopBackOff"));
    assertThat(container(crash, 0).integer("restartCount")).isEqualTo(1);
    assertThat(container(crash, 0).text("state", "waiting", "message"))
        .isEqualTo(
            "back-off 10s restarting failed container=main pod=crash_default(" + crash.uid() + ")");
    assertThat(container(crash, 0).integer("lastState", "terminated", "exitCode")).isEqualTo(3);
    assertThat(container(crash, 0).text("lastState", "terminated", "message")).isEqualTo("dying\n");
    assertThat(crash.status().text("phase")).isEqualTo("Running");

    awaitPod(
        "noimage",
        p ->
            !p.status().objects("containerStatuses").isEmpty()
                && container(p, 0).text("state", "waiting", "reason").equals("ImagePullBackOff"));
    awaitPod(
        "never",
        p ->
            !p.status().objects("containerStatuses").isEmpty()
                && container(p, 0).text("state", "waiting", "reason").equals("ErrImageNeverPull"));
    KubeObject huge = awaitPhase("huge", "Failed");
    assertThat(huge.status().text("reason")).isEqualTo("OutOfcpu");
    awaitPod(
        "nonroot",
        p ->
            !p.status().objects("containerStatuses").isEmpty()
                && container(p, 0)
                    .text("state", "waiting", "reason")
                    .equals("CreateContainerConfigError"));
    awaitPod(
        "nocommand",
        p ->
            !p.status().objects("containerStatuses").isEmpty()
                && container(p, 0).toString().contains("no such file or directory"));
    await()
        .atMost(LIMIT)
        .until(
            () ->
                events("nomap")
                    .contains(
                        "FailedMount: MountVolume.SetUp failed for volume \"v\" : configmap"
                            + " \"later\" not found"));
    api.create(
        Resources.CONFIG_MAPS,
        parse(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: later, namespace: default}, data:"
                + " {a: '1'}}"));
    KubeObject nomap = awaitPod("nomap", PodsTest::ready);
    // The mounted file follows the ConfigMap.
    String id = container(nomap, 0).text("containerID").replace("containerd://", "");
    api.update(
        Resources.CONFIG_MAPS,
        parse(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: later, namespace: default}, data:"
                + " {a: '2'}}"));
    await()
        .atMost(LIMIT)
        .until(
            () ->
                new String(
                        containerd
                            .cri()
                            .execSync(id, List.of("cat", "/v/a"), Duration.ofSeconds(60))
                            .stdout(),
                        StandardCharsets.UTF_8)
                    .equals("2"));
    for (String name :
        List.of("crash", "noimage", "never", "nomap", "huge", "nonroot", "nocommand")) {
      delete(name);
    }
  }

  @Test
  void aRestartOfTheAgentLeavesContainersAloneAndSidecarsEndLast() throws Exception {
    create(
        "lasting",
        """
        terminationGracePeriodSeconds: 5
        volumes: [{name: v, hostPath: {path: %s, type: DirectoryOrCreate}}]
        initContainers:
        - name: side
          restartPolicy: Always
          command: [sh, -c, "trap 'echo side >> /v/order; exit 0' TERM; while :; do sleep 0.1; done"]
          volumeMounts: [{name: v, mountPath: /v}]
        containers:
        - name: main
          command: [sh, -c, "trap 'echo main >> /v/order; exit 0' TERM; while :; do sleep 0.1; done"]
          volumeMounts: [{name: v, mountPath: /v}]
          lifecycle:
            postStart: {exec: {command: [sh, -c, "echo hook >> /v/order"]}}
            preStop: {exec: {command: [sh, -c, "echo stop >> /v/order"]}}
        """
            .formatted(node.root.resolve("host")));
    KubeObject before = awaitPod("lasting", PodsTest::ready);
    String id = container(before, 0).text("containerID");
    create(
        "orphan",
        "{terminationGracePeriodSeconds: 0, containers: [{name: main, command: [sleep, '1000']}]}");
    KubeObject orphan = awaitPod("orphan", PodsTest::ready);
    stopAgent();
    api.delete(
        Resources.PODS, "default", "orphan", DeleteOptions.DEFAULT.withGracePeriodSeconds(0));
    startAgent();
    await()
        .atMost(LIMIT)
        .until(
            () ->
                containerd
                    .cri()
                    .listPodSandboxes(
                        new Cri.SandboxFilter("", null, Map.of(Pods.UID_LABEL, orphan.uid())))
                    .isEmpty());
    KubeObject after = awaitPod("lasting", PodsTest::ready);
    assertThat(container(after, 0).text("containerID")).isEqualTo(id);
    assertThat(container(after, 0).integer("restartCount")).isZero();
    delete("lasting");
    assertThat(Files.readString(node.root.resolve("host/order")))
        .isEqualTo("hook\nstop\nmain\nside\n");
  }

  private static String get(String url) throws Exception {
    try (var client = java.net.http.HttpClient.newHttpClient()) {
      return client
          .send(
              java.net.http.HttpRequest.newBuilder(java.net.URI.create(url)).build(),
              java.net.http.HttpResponse.BodyHandlers.ofString())
          .body();
    }
  }

  @Test
  void logsExecAttachAndStatisticsAreServed() throws Exception {
    create(
        "served",
        """
        terminationGracePeriodSeconds: 1
        containers:
        - name: main
          stdin: true
          command: [sh, -c, "trap 'echo over; exit 0' TERM; echo one; echo two; echo three; i=0; while :; do sleep 0.1; i=$((i+1)); if [ -e /tmp/say ]; then cat /tmp/say; rm /tmp/say; fi; done"]
        """);
    create(
        "waiting",
        "containers: [{name: main, image: 'kedge.local/none:1', imagePullPolicy: Never}]");
    KubeObject pod = awaitPod("served", PodsTest::ready);
    awaitPod("waiting", p -> p.status().toString().contains("ErrImageNeverPull"));
    try (HttpServer server =
        HttpServer.start(HttpServer.Listen.plain("127.0.0.1", 0), new KubeletHandler(agent))) {
      String url = "http://127.0.0.1:" + server.port();
      String logs = url + "/containerLogs/default/served/main";
      await().atMost(LIMIT).until(() -> get(logs).endsWith("three\n"));
      assertThat(get(logs).lines()).containsExactlyInAnyOrder("one", "two", "three");
      assertThat(get(logs + "?tailLines=1")).isEqualTo("three\n");
      assertThat(get(logs + "?limitBytes=2")).hasSize(2);
      assertThat(get(logs + "?tailLines=1&timestamps=true"))
          .matches("\\d{4}-\\d\\d-\\d\\dT\\S+ three\n");
      assertThat(get(logs + "?sinceTime=2100-01-01T00:00:00Z")).isEmpty();
      assertThat(get(logs + "?previous=true"))
          .contains("previous terminated container \\\"main\\\" in pod \\\"served\\\" not found");
      assertThat(get(url + "/containerLogs/default/waiting/main"))
          .contains(
              "container \\\"main\\\" in pod \\\"waiting\\\" is waiting to start:"
                  + " ErrImageNeverPull");

      RemoteCommand.Options options = new RemoteCommand.Options(true, true, true, false);
      String exec = url + "/exec/default/served/main?input=1&output=1&error=1";
      try (RemoteCommandClient client =
          RemoteCommandClient.open(
              java.net.URI.create(exec + "&command=sh&command=-c&command=cat%3B+exit+4"),
              options)) {
        client.stdin().write("echoed".getBytes(StandardCharsets.UTF_8));
        client.stdin().close();
        assertThat(client.stdout().readAllBytes()).asString().isEqualTo("echoed");
        assertThat(new String(client.awaitStatus(), StandardCharsets.UTF_8))
            .contains("\"ExitCode\"")
            .contains("\"4\"");
      }
      assertThat(get(url + "/stats/summary")).contains("\"name\":\"served\"");
      assertThat(get(url + "/metrics/resource")).contains("pod=\"served\"");
      assertThat(get(url + "/pods")).contains("\"served\"");
      assertThat(get(url + "/healthz")).isEqualTo("ok");

      // A reader that follows sees what is written, across a rotation, and the end.
      java.util.concurrent.CountDownLatch follows = new java.util.concurrent.CountDownLatch(1);
      java.util.concurrent.CompletableFuture<String> following =
          java.util.concurrent.CompletableFuture.supplyAsync(
              () -> {
                try (var stream =
                    java.net.URI.create(logs + "?follow=true&tailLines=1").toURL().openStream()) {
                  String first =
                      new String(stream.readNBytes("three\n".length()), StandardCharsets.UTF_8);
                  follows.countDown();
                  return first + new String(stream.readAllBytes(), StandardCharsets.UTF_8);
                } catch (java.io.IOException e) {
                  throw new java.io.UncheckedIOException(e);
                }
              },
              task -> Thread.ofVirtual().start(task));
      assertThat(follows.await(60, java.util.concurrent.TimeUnit.SECONDS)).isTrue();
      String id = container(pod, 0).text("containerID").replace("containerd://", "");
      say(id, "before");
      new LogRotation(containerd.cri(), java.time.InstantSource.system(), 1).pass();
      say(id, "after");
      try (var files =
          Files.list(ContainerSpecs.logDirectory(node.settings, pod).resolve("main"))) {
        assertThat(files.count()).isEqualTo(2);
      }
      delete("served");
      assertThat(following.get(60, java.util.concurrent.TimeUnit.SECONDS))
          .isEqualTo("three\nbefore\nafter\nover\n");
    }
    delete("waiting");
  }

  private void say(String id, String what) {
    containerd
        .cri()
        .execSync(
            id,
            List.of(
                "sh",
                "-c",
                "echo "
                    + what
                    + " > /tmp/x; mv /tmp/x /tmp/say; while [ -e /tmp/say ]; do sleep 0.05; done;"
                    + " sleep 0.1"),
            Duration.ofSeconds(60));
  }

  @Test
  void ephemeralContainersJoinAndContainersHaveRestartRules() throws Exception {
    create(
        "joined",
        "{restartPolicy: Never, terminationGracePeriodSeconds: 0, containers: [{name: main,"
            + " command: [sleep, '1234']}, {name: ruled, restartPolicy: Never, restartPolicyRules:"
            + " [{action: Restart, exitCodes: {operator: In, values: [42]}}], command: [sh, -c,"
            + " 'exit 42']}]}");
    awaitPod(
        "joined",
        p ->
            p.status().text("phase").equals("Running")
                && container(p, 1).integer("restartCount") == 1);
    api.update(
        Resources.PODS,
        pod("joined")
            .withPath(
                List.of("spec", "ephemeralContainers"),
                List.of(
                    JsonObject.of(
                        "name",
                        "debug",
                        "image",
                        TestNode.BUSYBOX,
                        "targetContainerName",
                        "main",
                        "command",
                        List.of("ps")),
                    JsonObject.of(
                        "name",
                        "privileged",
                        "image",
                        TestNode.BUSYBOX,
                        "securityContext",
                        JsonObject.of("privileged", true),
                        "command",
                        List.of("grep", "CapEff", "/proc/self/status")))));
    awaitPod(
        "joined",
        p ->
            p.status().objects("ephemeralContainerStatuses").stream()
                    .filter(c -> c.text("state", "terminated", "reason").equals("Completed"))
                    .count()
                == 2);
    assertThat(logs("joined", "debug")).contains("sleep 1234");
    // Not every capability: the machine itself may lack some. CAP_SYS_ADMIN is no default one.
    String line = logs("joined", "privileged");
    long capabilities = Long.parseLong(line.substring(line.indexOf(':') + 1).strip(), 16);
    assertThat(capabilities & 1 << 21).as(line).isNotZero();
    delete("joined");
  }

  @Test
  void memoryLimitsKillAndDeadlinesEnd() throws Exception {
    create(
        "oom",
        "{restartPolicy: Never, containers: [{name: main, command: [sh, -c, 'head -c 200m /dev/zero"
            + " | tail > /dev/null; sleep 1; exit 9'], resources: {limits: {memory: 16Mi}}}, {name:"
            + " fine, command: ['true']}]}");
    create(
        "late",
        "{activeDeadlineSeconds: 1, terminationGracePeriodSeconds: 0, containers: [{name: main,"
            + " command: [sleep, '100']}]}");
    KubeObject late = awaitPhase("late", "Failed");
    assertThat(late.status().text("reason")).isEqualTo("DeadlineExceeded");
    KubeObject oom = awaitPhase("oom", "Failed");
    assertThat(
            oom.status().objects("containerStatuses").stream()
                .map(c -> c.text("name") + "=" + c.text("state", "terminated", "reason")))
        .contains("fine=Completed")
        .anyMatch(text -> text.equals("main=OOMKilled"));
    delete("oom");
    delete("late");
  }

  @Test
  void runningPodsAreResizedAndGetTheSignalTheyAskFor() throws Exception {
    create(
        "elastic",
        """
        terminationGracePeriodSeconds: 20
        containers:
        - name: main
          command: [sh, -c, "trap 'echo got-quit; exit 0' QUIT; while true; do sleep 0.1; done"]
          lifecycle: {stopSignal: SIGQUIT}
          resources: {requests: {cpu: 50m}, limits: {cpu: 100m, memory: 32Mi}}
        """);
    KubeObject pod = awaitPhase("elastic", "Running");
    JsonObject container = pod.spec().objects("containers").getFirst();
    JsonObject limits = JsonObject.of("cpu", "200m", "memory", "64Mi");
    api.update(
        Resources.PODS,
        pod("elastic")
            .with(
                "spec",
                pod.spec()
                    .with(
                        "containers",
                        List.of(
                            container.with(
                                "resources",
                                container.object("resources").with("limits", limits))))));
    KubeObject resized =
        awaitPod(
            "elastic",
            p ->
                !p.status().objects("containerStatuses").isEmpty()
                    && container(p, 0).object("resources", "limits").equals(limits));
    assertThat(container(resized, 0).integer("restartCount")).isZero();
    String id = container(resized, 0).text("containerID").replace("containerd://", "");
    assertThat(memoryLimit(id)).isEqualTo(64L << 20);
    api.update(
        Resources.PODS,
        pod("elastic")
            .with(
                "spec",
                pod.spec()
                    .with(
                        "containers",
                        List.of(
                            container.with(
                                "resources",
                                JsonObject.of("requests", JsonObject.of("cpu", "9000")))))));
    awaitPod(
        "elastic",
        p ->
            p.status().objects("conditions").stream()
                .anyMatch(
                    c ->
                        c.text("type").equals("PodResizePending")
                            && c.text("reason").equals("Infeasible")));
    assertThat(memoryLimit(id)).as("what it has it keeps").isEqualTo(64L << 20);
    api.update(
        Resources.PODS, pod("elastic").withMetadata("deletionTimestamp", "2026-01-01T00:00:00Z"));
    KubeObject ended = awaitPod("elastic", p -> container(p, 0).object("state").has("terminated"));
    assertThat(container(ended, 0).integer("state", "terminated", "exitCode")).isZero();
  }

  /** The memory limit of a container's cgroup, in either version's file. */
  private long memoryLimit(String id) throws Exception {
    try (var files = Files.walk(Path.of("/sys/fs/cgroup"))) {
      return files
          .filter(file -> file.getParent().getFileName().toString().equals(id))
          .filter(
              file ->
                  List.of("memory.max", "memory.limit_in_bytes")
                      .contains(file.getFileName().toString()))
          .mapToLong(Cgroups::readNumber)
          .max()
          .orElseThrow();
    }
  }

  @Test
  void aPodThatOutgrowsItsStorageIsEvicted() throws Exception {
    create(
        "greedy",
        "{containers: [{name: main, command: [sh, -c, 'head -c 3m /dev/zero > /data/file; sleep"
            + " 100'], volumeMounts: [{name: data, mountPath: /data}]}], volumes: [{name: data,"
            + " emptyDir: {sizeLimit: 1Mi}}]}");
    KubeObject evicted = awaitPhase("greedy", "Failed");
    assertThat(evicted.status().text("reason")).isEqualTo("Evicted");
    assertThat(evicted.status().text("message"))
        .isEqualTo("Usage of EmptyDir volume \"data\" exceeds the limit \"1Mi\". ");
    assertThat(evicted.status().objects("conditions"))
        .anyMatch(
            c ->
                c.text("type").equals("DisruptionTarget")
                    && c.text("reason").equals("TerminationByKubelet"));
    delete("greedy");
  }

  @Test
  void whatTheNodeCannotDoIsRefused() {
    create(
        "tuned",
        "{securityContext: {sysctls: [{name: kernel.msgmax, value: '1'}]}, containers: [{name:"
            + " main}]}");
    create("foreign", "{os: {name: windows}, containers: [{name: main}]}");
    assertThat(awaitPhase("tuned", "Failed").status().text("message"))
        .isEqualTo("Pod was rejected: forbidden sysctl: \"kernel.msgmax\" not allowlisted");
    assertThat(awaitPhase("foreign", "Failed").status().text("reason"))
        .isEqualTo("PodOSNotSupported");
    delete("tuned");
    delete("foreign");
  }

  @Test
  void claimsOfLocalPathGetADirectory() throws Exception {
    api.create(
        Resources.STORAGE_CLASSES,
        parse(
            "{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: local-path},"
                + " provisioner: rancher.io/local-path, reclaimPolicy: Delete}"));
    KubeObject claim =
        api.create(
            Resources.PERSISTENT_VOLUME_CLAIMS,
            parse(
                """
                apiVersion: v1
                kind: PersistentVolumeClaim
                metadata: {name: data, namespace: default, annotations: {volume.kubernetes.io/selected-node: test-node}}
                spec: {storageClassName: local-path, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
                """));
    try (LocalPathProvisioner provisioner =
        new LocalPathProvisioner(api, informers, node.settings)) {
      provisioner.start();
      String name = "pvc-" + claim.uid();
      await()
          .atMost(LIMIT)
          .until(() -> api.find(Resources.PERSISTENT_VOLUMES, "", name).isPresent());
      KubeObject volume = api.get(Resources.PERSISTENT_VOLUMES, "", name);
      Path directory = Path.of(volume.spec().text("hostPath", "path"));
      assertThat(directory).isDirectory();
      create(
          "claims",
          "{terminationGracePeriodSeconds: 0, volumes: [{name: d, persistentVolumeClaim:"
              + " {claimName: data}}], containers: [{name: main, command: [sh, -c, 'echo kept >"
              + " /d/file; sleep 100'], volumeMounts: [{name: d, mountPath: /d}]}]}");
      await()
          .atMost(LIMIT)
          .until(
              () ->
                  events("claims")
                      .contains(
                          "FailedMount: Unable to attach or mount volumes: PVC default/data is not"
                              + " bound"));
      api.update(
          Resources.PERSISTENT_VOLUME_CLAIMS,
          claim
              .withPath(List.of("spec", "volumeName"), name)
              .withPath(List.of("status", "phase"), "Bound")
              .withMetadata("resourceVersion", ""));
      awaitPod("claims", PodsTest::ready);
      await().atMost(LIMIT).until(() -> Files.exists(directory.resolve("file")));
      delete("claims");
      assertThat(directory.resolve("file")).hasContent("kept");
      api.update(
          Resources.PERSISTENT_VOLUMES,
          volume
              .withPath(List.of("status", "phase"), "Released")
              .withMetadata("resourceVersion", ""));
      await().atMost(LIMIT).until(() -> api.find(Resources.PERSISTENT_VOLUMES, "", name).isEmpty());
      assertThat(directory).doesNotExist();
    }
  }
}
