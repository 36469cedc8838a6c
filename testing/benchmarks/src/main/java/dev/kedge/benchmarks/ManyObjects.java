package dev.kedge.benchmarks;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.kedge.client.Kubeconfig;
import dev.kedge.store.Store;
import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.sql.SqliteStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How long a server takes to start with many objects in SQLite, and what each of them costs in
 * memory.
 *
 * <pre>ManyObjects --kedge=PROGRAM --work=DIRECTORY [--objects=100000]</pre>
 *
 * Half are ConfigMaps of 1 KB, half are Pods that run on a hundred nodes. One of each is made over
 * the API; the others are copies of what the server stored for it, written into the file while the
 * server is stopped.
 */
final class ManyObjects {
  private static final String JSON = "application/json";
  private static final String MERGE = "application/merge-patch+json";
  private static final String PODS = "/api/v1/namespaces/default/pods";
  private static final int NODES = 100;
  private static final int PORT = 27443;
  private static final Duration SETTLING = Duration.ofSeconds(20);
  private static final Pattern USED = Pattern.compile("total \\d+K, used (\\d+)K");

  private final Path kedge;
  private final Path work;
  private final int objects;

  private ManyObjects(Path kedge, Path work, int objects) {
    this.kedge = kedge;
    this.work = work;
    this.objects = objects;
  }

  static void main(String... arguments) throws Exception {
    Path kedge = Path.of("kedge");
    Path work = Path.of("/tmp/kedge-many-objects");
    int objects = 100_000;
    for (String argument : arguments) {
      String[] parts = argument.split("=", 2);
      switch (parts[0]) {
        case "--kedge" -> kedge = Path.of(parts[1]);
        case "--work" -> work = Path.of(parts[1]);
        case "--objects" -> objects = Integer.parseInt(parts[1]);
        default -> {
          System.err.println(
              "many-objects: unknown argument "
                  + argument
                  + "; known: --kedge=PROGRAM --work=DIRECTORY --objects=N");
          System.exit(2);
        }
      }
    }
    new ManyObjects(kedge, work, objects).run();
  }

  private void run() throws Exception {
    System.out.println("| with | ready (processor) | all listed (processor) | heap | PSS | file |");
    System.out.println("|---|---|---|---|---|---|");
    start("an empty cluster", true);
    Used few = start("one ConfigMap, one Pod, " + NODES + " nodes", false);
    int half = objects / 2;
    copy("configmaps/default/first", half, "");
    Used maps = start(half + " ConfigMaps", false);
    copy("pods/default/first", half, "n0");
    Used all = start(half + " ConfigMaps and " + half + " Pods", false);
    System.out.printf(
        Locale.ROOT, "%na ConfigMap: %s%na Pod: %s%n", maps.each(few, half), all.each(maps, half));
  }

  /** What a server uses with all that it has loaded; bytes. */
  private record Used(long heap, long memory, long file) {
    String each(Used without, int count) {
      return String.format(
          Locale.ROOT,
          "%,d bytes in the file, %,d of heap, %,d of PSS",
          (file - without.file) / count,
          (heap - without.heap) / count,
          (memory - without.memory) / count);
    }
  }

  /**
   * Starts the server, measures and stops it.
   *
   * @param first whether to make the objects that are copied later
   */
  private Used start(String with, boolean first) throws Exception {
    Path config = work.resolve("kedge.yaml");
    long begun = System.nanoTime();
    Process process =
        new ProcessBuilder(
                kedge.toString(),
                "server",
                "--disable-agent",
                "--data-dir=" + work.resolve("data"),
                "--write-kubeconfig=" + config,
                "--https-listen-port=" + PORT)
            .redirectErrorStream(true)
            .redirectOutput(work.resolve("out").toFile())
            .start();
    ServerProcess server = new ServerProcess(process.pid());
    try {
      Kubeconfig target = awaitReady(process, config);
      double ready = secondsSince(begun);
      double readyProcessor = server.processorSeconds();
      try (Connection connection = new Connection(target)) {
        for (String path : List.of("/api/v1/configmaps", "/api/v1/pods")) {
          connection.exchange(connection.request("GET", path + "?resourceVersion=0", JSON, "", ""));
        }
      }
      double listed = secondsSince(begun);
      double listedProcessor = server.processorSeconds();
      if (first) {
        makeFirst(target);
      }
      // An interval: its own parts read what is there, and come to rest.
      Thread.sleep(SETTLING);
      collect(process.pid());
      Used used =
          new Used(
              heap(process.pid()),
              server.memory(),
              Files.size(work.resolve("data/server/db/state.db")));
      System.out.printf(
          Locale.ROOT,
          "| %s | %.2f s (%.1f s) | %.2f s (%.1f s) | %.1f MiB | %.1f MiB | %.1f MiB |%n",
          with,
          ready,
          readyProcessor,
          listed,
          listedProcessor,
          used.heap / 1048576.0,
          used.memory / 1048576.0,
          used.file / 1048576.0);
      return used;
    } finally {
      process.destroy();
      process.waitFor();
    }
  }

  private Kubeconfig awaitReady(Process process, Path config) throws Exception {
    while (process.isAlive()) {
      if (Files.exists(config)) {
        Kubeconfig target = Kubeconfig.read(config);
        try (Connection connection = new Connection(target)) {
          connection.exchange(connection.request("GET", "/readyz", "*/*", "", ""));
          return target;
        } catch (IOException e) {
          // Not listening, or not ready, yet.
        }
      }
      Thread.sleep(5);
    }
    throw new IOException("the server ended: " + Files.readString(work.resolve("out")));
  }

  // ---- objects

  private void makeFirst(Kubeconfig target) throws Exception {
    try (Connection connection = new Connection(target)) {
      for (int i = 0; i < NODES; i++) {
        send(
            connection,
            "POST",
            "/api/v1/nodes",
            JSON,
            "{\"metadata\":{\"name\":\"n%d\",\"labels\":{\"kubernetes.io/hostname\":\"n%d\"}}}"
                .formatted(i, i));
      }
      send(
          connection,
          "POST",
          "/api/v1/namespaces/default/configmaps",
          JSON,
          "{\"metadata\":{\"name\":\"first\",\"labels\":{\"app\":\"web\"}},\"data\":{\"text\":\"%s\"}}"
              .formatted("x".repeat(1024)));
      send(
          connection,
          "POST",
          PODS,
          JSON,
          """
          {"metadata":{"name":"first","labels":{"app":"web","pod-template-hash":"5d6b7c8f9"}},
           "spec":{"nodeName":"n0","automountServiceAccountToken":false,
             "tolerations":[{"operator":"Exists"}],
             "containers":[{"name":"web","image":"example.org/web:1.2.3",
               "ports":[{"name":"http","containerPort":8080}],
               "env":[{"name":"LEVEL","value":"info"}],
               "resources":{"requests":{"cpu":"10m","memory":"16Mi"}},
               "readinessProbe":{"httpGet":{"path":"/healthz","port":"http"}}}]}}
          """);
      send(
          connection,
          "PATCH",
          PODS + "/first/status?fieldManager=kubelet",
          MERGE,
          """
          {"status":{"phase":"Running","hostIP":"10.0.0.1","podIP":"10.42.0.7",
            "podIPs":[{"ip":"10.42.0.7"}],"startTime":"2026-01-01T00:00:00Z",
            "conditions":[
             {"type":"PodReadyToStartContainers","status":"True","lastTransitionTime":"2026-01-01T00:00:02Z"},
             {"type":"Initialized","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"},
             {"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:03Z"},
             {"type":"ContainersReady","status":"True","lastTransitionTime":"2026-01-01T00:00:03Z"},
             {"type":"PodScheduled","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}],
            "containerStatuses":[{"name":"web","image":"example.org/web:1.2.3","ready":true,
              "started":true,"restartCount":0,
              "imageID":"example.org/web@sha256:%1$s","containerID":"containerd://%1$s",
              "state":{"running":{"startedAt":"2026-01-01T00:00:02Z"}}}]}}
          """
              .formatted("0123456789abcdef".repeat(4)));
    }
  }

  private static void send(
      Connection connection, String method, String path, String type, String body)
      throws IOException {
    connection.exchange(connection.request(method, path, JSON, type, body));
  }

  /**
   * Copies an object under other names.
   *
   * @param key what its key ends with
   * @param node name of its node, of which the copies are spread over all; empty if it has none
   */
  private void copy(String key, int count, String node) throws Exception {
    try (Store store = SqliteStore.open(work.resolve("data/server/db/state.db"));
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Entry first = store.get("/registry/core/" + key).orElseThrow();
      String document = new String(first.value(), UTF_8);
      String uid = document.replaceAll("(?s).*?\"uid\":\"([^\"]*)\".*", "$1");
      AtomicInteger next = new AtomicInteger();
      List<Future<?>> writers = new ArrayList<>();
      for (int i = 0; i < 64; i++) {
        writers.add(
            threads.submit(
                () -> {
                  for (int n = next.getAndIncrement(); n < count; n = next.getAndIncrement()) {
                    String name = "object-%06d".formatted(n);
                    String copy =
                        document
                            .replace("\"name\":\"first\"", "\"name\":\"" + name + "\"")
                            .replace(uid, UUID.randomUUID().toString());
                    if (!node.isEmpty()) {
                      copy = copy.replace("\"" + node + "\"", "\"n" + n % NODES + "\"");
                    }
                    String other = first.key().replaceFirst("first$", name);
                    if (!(store.create(other, copy.getBytes(UTF_8)) instanceof Committed)) {
                      throw new IOException(other + " is there already");
                    }
                  }
                  return null;
                }));
      }
      for (Future<?> writer : writers) {
        writer.get();
      }
    }
  }

  // ---- the server's heap

  private static void collect(long pid) throws Exception {
    jcmd(pid, "GC.run");
  }

  private static long heap(long pid) throws Exception {
    Matcher used = USED.matcher(jcmd(pid, "GC.heap_info"));
    long sum = 0;
    while (used.find()) {
      sum += Long.parseLong(used.group(1)) * 1024;
    }
    return sum;
  }

  private static String jcmd(long pid, String command) throws Exception {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin/jcmd").toString(),
                Long.toString(pid),
                command)
            .redirectErrorStream(true)
            .start();
    String text = new String(process.getInputStream().readAllBytes(), UTF_8);
    if (process.waitFor() != 0) {
      throw new IOException("jcmd " + command + ": " + text);
    }
    return text;
  }

  private static double secondsSince(long begun) {
    return (System.nanoTime() - begun) / 1e9;
  }
}
