package dev.kedge.benchmarks;

import dev.kedge.client.Kubeconfig;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Puts load on the API server that a kubeconfig names and prints a table of what it does.
 *
 * <pre>ApiLoad --kubeconfig=FILE [--pid=N] [--seconds=5] [--warmup=2] [--objects=10000]
 *   [--only=name,...]</pre>
 *
 * With the server's process id, processor time and memory are in the table. Everything happens in
 * two Namespaces, {@code api-load} and {@code api-load-created}, which are deleted in the end.
 */
final class ApiLoad {
  private static final String NAMESPACE = "api-load";
  private static final String MAPS = "/api/v1/namespaces/" + NAMESPACE + "/configmaps";

  /**
   * Where creates go, of which nobody knows how many there will be: lists are not to grow by them.
   */
  private static final String CREATED = NAMESPACE + "-created";

  private static final String CREATED_MAPS = "/api/v1/namespaces/" + CREATED + "/configmaps";
  private static final String JSON = "application/json";
  private static final String PROTOBUF = "application/vnd.kubernetes.protobuf";
  private static final String TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

  /** Watches on one connection: servers allow a hundred streams at least. */
  private static final int STREAMS = 100;

  private final Kubeconfig target;
  private final Optional<ServerProcess> server;
  private final long seconds;

  /** How long a request or list runs before it is measured: a compiler may optimise meanwhile. */
  private final Duration warmup;

  private final int objects;
  private final Set<String> only;

  private ApiLoad(Map<String, String> options) {
    target = Kubeconfig.read(Path.of(options.getOrDefault("kubeconfig", "/etc/kedge/kedge.yaml")));
    server =
        Optional.ofNullable(options.get("pid")).map(pid -> new ServerProcess(Long.parseLong(pid)));
    seconds = Long.parseLong(options.getOrDefault("seconds", "5"));
    warmup =
        Duration.ofSeconds(
            Long.parseLong(
                options.getOrDefault("warmup", Long.toString(Math.max(1, seconds / 3)))));
    objects = Integer.parseInt(options.getOrDefault("objects", "10000"));
    String names = options.getOrDefault("only", "");
    only = names.isEmpty() ? Set.of() : Set.of(names.split(","));
  }

  static void main(String... arguments) throws Exception {
    Map<String, String> options = new TreeMap<>();
    for (String argument : arguments) {
      String[] parts = argument.split("=", 2);
      if (!Set.of("--kubeconfig", "--pid", "--seconds", "--warmup", "--objects", "--only")
              .contains(parts[0])
          || parts.length < 2) {
        System.err.println(
            "api-load: unknown argument "
                + argument
                + "; known: --kubeconfig=FILE --pid=N --seconds=N --warmup=N --objects=N"
                + " --only=NAME,...");
        System.exit(2);
      }
      options.put(parts[0].substring(2), parts[1]);
    }
    new ApiLoad(options).run();
  }

  private interface Scenario {
    String run() throws Exception;
  }

  private void run() throws Exception {
    for (String name : List.of(NAMESPACE, CREATED)) {
      once(write("POST", "/api/v1/namespaces", JSON, "{\"metadata\":{\"name\":\"" + name + "\"}}"));
    }
    try {
      all();
    } finally {
      for (String name : List.of(NAMESPACE, CREATED)) {
        once(write("DELETE", "/api/v1/namespaces/" + name, JSON, ""));
      }
    }
  }

  private void once(Request request) throws IOException {
    try (Connection connection = new Connection(target)) {
      connection.exchange(request.of(connection));
    }
  }

  private void all() throws Exception {
    System.out.println("| what | figure |");
    System.out.println("|---|---|");
    for (int writers : new int[] {1, 16, 128}) {
      scenario("create", "create a ConfigMap of 1 KB, " + writers, () -> creates(writers));
    }
    makeObjects();
    scenario("get", "GET a ConfigMap, 16", () -> requests(16, i -> read(MAPS + "/o0", JSON)));
    scenario(
        "update",
        "update (PUT), 16",
        () -> requests(16, i -> write("PUT", MAPS + "/o" + i % objects, JSON, map(i % objects))));
    scenario(
        "patch",
        "merge patch, 16",
        () ->
            requests(
                16,
                i ->
                    write(
                        "PATCH",
                        MAPS + "/o" + i % objects,
                        "application/merge-patch+json",
                        "{\"data\":{\"n\":\"" + i + "\"}}")));
    scenario(
        "apply",
        "server-side apply, 16",
        () ->
            requests(
                16,
                i ->
                    write(
                        "PATCH",
                        MAPS + "/o" + i % objects + "?fieldManager=load&force=true",
                        "application/apply-patch+yaml",
                        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"o"
                            + i % objects
                            + "\"},\"data\":{\"n\":\""
                            + i
                            + "\"}}")));
    scenario("list", list("JSON"), () -> lists(MAPS, JSON));
    scenario("list", list("protobuf"), () -> lists(MAPS, PROTOBUF));
    scenario("list", list("Table"), () -> lists(MAPS, TABLE));
    scenario(
        "list", list("by label, 1 in 100"), () -> lists(MAPS + "?labelSelector=group%3Dg7", JSON));
    scenario(
        "list",
        list("by field, one"),
        () -> lists(MAPS + "?fieldSelector=metadata.name%3Do7", JSON));
    scenario("watch", "from the write's answer to its event, one watch", () -> watches(1, 500));
    scenario("watch", "the same, to the last of 1,000 watches", () -> watches(1_000, 50));
    scenario("idle", "10,000 idle watches", () -> idleWatches(10_000));
    scenario(
        "informers",
        "200 informers start at once, each with " + objects + " objects",
        () -> informers(200));
  }

  private String list(String form) {
    return "LIST of " + objects + " ConfigMaps, " + form + ", 1";
  }

  private void scenario(String name, String what, Scenario scenario) throws Exception {
    if (!only.isEmpty() && !only.contains(name)) {
      return;
    }
    System.out.println("| " + what + " | " + scenario.run() + " |");
  }

  // ---- requests

  private interface Request {
    byte[] of(Connection connection);
  }

  private interface Requests {
    Request number(long number);
  }

  private static Request read(String path, String accept) {
    return connection -> connection.request("GET", path, accept, "", "");
  }

  private static Request write(String method, String path, String type, String body) {
    return connection -> connection.request(method, path, JSON, type, body);
  }

  private static String map(long number) {
    return "{\"metadata\":{\"name\":\"o"
        + number
        + "\",\"labels\":{\"group\":\"g"
        + number % 100
        + "\"}},\"data\":{\"n\":\""
        + number
        + "\",\"text\":\""
        + "x".repeat(1000)
        + "\"}}";
  }

  private final AtomicLong created = new AtomicLong();

  private String creates(int writers) throws Exception {
    return requests(
        writers,
        i ->
            write(
                "POST",
                CREATED_MAPS,
                JSON,
                map(i).replaceFirst("\"o[0-9]+\"", "\"c" + created.incrementAndGet() + "\"")));
  }

  private void makeObjects() throws Exception {
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      AtomicLong next = new AtomicLong();
      List<Future<?>> makers = new ArrayList<>();
      double before = memory();
      for (int i = 0; i < 64; i++) {
        makers.add(
            threads.submit(
                () -> {
                  try (Connection connection = new Connection(target)) {
                    for (long n = next.getAndIncrement(); n < objects; n = next.getAndIncrement()) {
                      connection.exchange(write("POST", MAPS, JSON, map(n)).of(connection));
                    }
                    return null;
                  }
                }));
      }
      for (Future<?> maker : makers) {
        maker.get();
      }
      if (server.isPresent()) {
        System.out.printf(
            Locale.ROOT,
            "| memory for %d objects of 1 KB more | %.1f MiB |%n",
            objects,
            (memory() - before) / (1 << 20));
      }
    }
  }

  private String requests(int connections, Requests requests) throws Exception {
    load(connections, requests, warmup);
    double processor = processor();
    long begun = System.nanoTime();
    Timings timings = load(connections, requests, Duration.ofSeconds(seconds));
    double elapsed = (System.nanoTime() - begun) / 1e9;
    double used = processor() - processor;
    return String.format(
        Locale.ROOT,
        "%,.0f/s, %s%s",
        timings.count() / elapsed,
        timings,
        server.isPresent()
            ? String.format(Locale.ROOT, ", server %.3f ms each", 1e3 * used / timings.count())
            : "");
  }

  private final AtomicLong numbers = new AtomicLong();

  private Timings load(int connections, Requests requests, Duration duration) throws Exception {
    Timings timings = new Timings();
    long end = System.nanoTime() + duration.toNanos();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> clients = new ArrayList<>();
      for (int i = 0; i < connections; i++) {
        clients.add(
            threads.submit(
                () -> {
                  try (Connection connection = new Connection(target)) {
                    for (long now = System.nanoTime(); now < end; now = System.nanoTime()) {
                      byte[] request = requests.number(numbers.getAndIncrement()).of(connection);
                      connection.exchange(request);
                      timings.add(System.nanoTime() - now);
                    }
                    return null;
                  }
                }));
      }
      for (Future<?> client : clients) {
        client.get();
      }
    }
    return timings;
  }

  private String lists(String path, String accept) throws Exception {
    try (Connection connection = new Connection(target)) {
      byte[] request = read(path, accept).of(connection);
      long size = connection.exchange(request);
      long warm = System.nanoTime() + warmup.toNanos();
      for (int i = 0; i < 5 || System.nanoTime() < warm; i++) {
        connection.exchange(request);
      }
      Timings timings = new Timings();
      double processor = processor();
      long end = System.nanoTime() + Duration.ofSeconds(seconds).toNanos();
      for (long now = System.nanoTime(); now < end; now = System.nanoTime()) {
        connection.exchange(request);
        timings.add(System.nanoTime() - now);
      }
      double used = processor() - processor;
      return String.format(
          Locale.ROOT,
          "%.2f MB, %s%s",
          size / 1e6,
          timings,
          server.isPresent()
              ? String.format(Locale.ROOT, ", server %.2f ms each", 1e3 * used / timings.count())
              : "");
    }
  }

  // ---- watches

  /** Streams over HTTP/2, a hundred on a connection, as clients in one program have them. */
  private List<HttpClient> clients(int watches) {
    List<HttpClient> clients = new ArrayList<>();
    for (int i = 0; i < watches; i += STREAMS) {
      clients.add(
          HttpClient.newBuilder()
              .version(HttpClient.Version.HTTP_2)
              .sslContext(target.tls())
              .executor(Executors.newVirtualThreadPerTaskExecutor())
              .build());
    }
    return clients;
  }

  private HttpResponse<InputStream> watch(HttpClient client, String query)
      throws IOException, InterruptedException {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(
            URI.create(target.server() + MAPS + "?watch=true&" + query).normalize());
    target.token().ifPresent(token -> request.header("Authorization", "Bearer " + token));
    HttpResponse<InputStream> answer = client.send(request.build(), BodyHandlers.ofInputStream());
    if (answer.statusCode() != 200) {
      throw new IOException("a watch was answered " + answer.statusCode());
    }
    return answer;
  }

  private String watches(int count, int events) throws Exception {
    List<HttpClient> clients = clients(count);
    List<InputStream> streams = new ArrayList<>();
    // One object's events: what is measured is the way of one event, not of ten thousand objects.
    String query = "fieldSelector=metadata.name%3Do0";
    try (Connection connection = new Connection(target);
        ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      AtomicLong seen = new AtomicLong();
      CountDownLatch[] rounds = new CountDownLatch[events];
      for (int i = 0; i < events; i++) {
        rounds[i] = new CountDownLatch(count);
      }
      for (int i = 0; i < count; i++) {
        streams.add(watch(clients.get(i / STREAMS), query).body());
      }
      for (InputStream stream : streams) {
        threads.submit(
            () -> {
              byte[] buffer = new byte[16 * 1024];
              int line = -1; // the first tells what is there already
              for (int read = stream.read(buffer);
                  read >= 0 && line < events;
                  read = stream.read(buffer)) {
                for (int i = 0; i < read; i++) {
                  if (buffer[i] == '\n' && ++line > 0 && line <= events) {
                    rounds[line - 1].countDown();
                    seen.incrementAndGet();
                  }
                }
              }
              return null;
            });
      }
      Timings timings = new Timings();
      double processor = processor();
      for (int i = 0; i < events; i++) {
        connection.exchange(
            write(
                    "PATCH",
                    MAPS + "/o0",
                    "application/merge-patch+json",
                    "{\"data\":{\"event\":\"" + System.nanoTime() + "\"}}")
                .of(connection));
        long answered = System.nanoTime();
        rounds[i].await();
        timings.add(System.nanoTime() - answered);
      }
      double used = processor() - processor;
      for (InputStream stream : streams) {
        stream.close();
      }
      return timings
          + (server.isPresent()
              ? String.format(Locale.ROOT, ", server %.2f ms an event", 1e3 * used / events)
              : "");
    } finally {
      clients.forEach(HttpClient::shutdownNow);
    }
  }

  private String idleWatches(int count) throws Exception {
    double before = memory();
    List<HttpClient> clients = clients(count);
    try {
      List<HttpResponse<InputStream>> open = new ArrayList<>();
      long begun = System.nanoTime();
      for (int i = 0; i < count; i++) {
        open.add(watch(clients.get(i / STREAMS), "fieldSelector=metadata.name%3Dnone"));
      }
      double elapsed = (System.nanoTime() - begun) / 1e9;
      double more = memory() - before;
      double processor = processor();
      long from = System.nanoTime();
      Thread.sleep(Duration.ofSeconds(seconds)); // the idle time that is measured
      double idle = (processor() - processor) / ((System.nanoTime() - from) / 1e9);
      String result = String.format(Locale.ROOT, "opened one by one in %.1f s", elapsed);
      if (server.isPresent()) {
        result +=
            String.format(
                Locale.ROOT,
                ", %.1f KiB each, processor %.1f %% of a core",
                more / 1024 / count,
                100 * idle);
      }
      for (HttpResponse<InputStream> answer : open) {
        answer.body().close();
      }
      return result;
    } finally {
      clients.forEach(HttpClient::shutdownNow);
    }
  }

  private String informers(int count) throws Exception {
    double before = memory();
    double processor = processor();
    long begun = System.nanoTime();
    AtomicLong peak = new AtomicLong();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        all.add(
            threads.submit(
                () -> {
                  try (Connection connection = new Connection(target)) {
                    connection.exchange(
                        read(MAPS + "?limit=0&resourceVersion=0", JSON).of(connection));
                    connection.open(
                        read(MAPS + "?watch=true&resourceVersion=0&timeoutSeconds=60", JSON)
                            .of(connection));
                    return null;
                  }
                }));
      }
      for (Future<?> one : all) {
        one.get();
        if (server.isPresent()) {
          peak.accumulateAndGet((long) memory(), Math::max);
        }
      }
    }
    double elapsed = (System.nanoTime() - begun) / 1e9;
    return String.format(Locale.ROOT, "all listed and watching after %.1f s", elapsed)
        + (server.isPresent()
            ? String.format(
                Locale.ROOT,
                ", server %.1f s of processor time, %.0f MiB more at the peak",
                processor() - processor,
                (peak.get() - before) / (1 << 20))
            : "");
  }

  // ---- the server's process

  private double processor() throws IOException {
    return server.isPresent() ? server.get().processorSeconds() : 0;
  }

  private double memory() throws IOException {
    return server.isPresent() ? server.get().memory() : 0;
  }
}
