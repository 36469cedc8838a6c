package dev.kedge.server;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.client.HttpKubeClient;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.client.KubeClient.ObjectList;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.client.Kubeconfig;
import dev.kedge.client.ObjectWatch;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Clients write at random through the API of a whole server that is killed with SIGKILL, again and
 * again; afterwards what they were told is checked against what a watch told all along and what is
 * there. {@code -Dkedge.kills=100} for the long form.
 */
class ApiKillTest {
  private static final int KILLS = Integer.getInteger("kedge.kills", 1);
  private static final int WRITERS = 4;
  private static final Selection OURS = Selection.labels("load=yes");
  private static final String LAST = "last";

  @TempDir private Path directory;

  private final Servers servers = new Servers();

  /** What clients were told, by resource version: name=value. */
  private final Map<Long, String> acknowledged = new ConcurrentSkipListMap<>();

  private final Set<String> refused = ConcurrentHashMap.newKeySet();

  /** name=value of writes that were not answered. */
  private final Set<String> unknown = ConcurrentHashMap.newKeySet();

  private final Map<String, AtomicInteger> deletions = new ConcurrentHashMap<>();
  private final Map<String, AtomicInteger> unknownDeletions = new ConcurrentHashMap<>();
  private final AtomicInteger answers = new AtomicInteger();

  private record Seen(ObjectWatch.EventType type, String name, String value, long version) {
    String written() {
      return name + "=" + value;
    }
  }

  @Test
  @Timeout(value = 3, unit = TimeUnit.HOURS)
  void whatClientsWereToldIsTrueAfterKills() throws Exception {
    Random random = new Random(11);
    ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    try {
      servers.start();
      ObjectList before = servers.client().list(Resources.CONFIG_MAPS, "default", OURS);
      Future<List<Seen>> watching =
          threads.submit(() -> follow(Long.parseLong(before.resourceVersion())));
      List<Future<?>> writers = new ArrayList<>();
      for (int i = 0; i < WRITERS; i++) {
        String name = "w" + i;
        writers.add(threads.submit(() -> new Writer(name).run()));
      }
      for (int kill = 0; kill < KILLS; kill++) {
        // After a number of answers, so that no machine is too slow for the test.
        servers.awaitAnswers(100 + random.nextInt(200), writers);
        servers.kill();
        long greatest = greatest();
        servers.start();
        assertThat(
                Long.parseLong(
                    servers.client().list(Resources.CONFIG_MAPS, "", OURS).resourceVersion()))
            .isGreaterThanOrEqualTo(greatest);
      }
      servers.awaitAnswers(50, writers);
      servers.enough();
      for (Future<?> writer : writers) {
        writer.get();
      }
      servers.client().create(Resources.CONFIG_MAPS, object(LAST, "0"));
      check(watching.get(), servers.client().list(Resources.CONFIG_MAPS, "default", OURS));
    } finally {
      servers.close();
      threads.shutdownNow();
    }
  }

  private long greatest() {
    return acknowledged.keySet().stream().mapToLong(Long::longValue).max().orElse(0);
  }

  private void check(List<Seen> events, ObjectList left) {
    Map<Long, String> told = new TreeMap<>();
    Map<String, String> current = new HashMap<>();
    Map<String, Integer> deleted = new HashMap<>();
    Set<String> values = new HashSet<>();
    for (Seen event : events) {
      if (event.type() == ObjectWatch.EventType.DELETED) {
        assertThat(current.remove(event.name())).as("%s before its end", event.name()).isNotNull();
        deleted.merge(event.name(), 1, Integer::sum);
        continue;
      }
      assertThat(values.add(event.written())).as("%s comes once", event).isTrue();
      assertThat(refused).doesNotContain(event.written());
      boolean present = current.put(event.name(), event.value()) != null;
      assertThat(event.type() == ObjectWatch.EventType.MODIFIED).as("%s", event).isEqualTo(present);
      told.put(event.version(), event.written());
    }
    acknowledged.forEach(
        (version, written) ->
            assertThat(told.get(version)).as("at %d", version).isEqualTo(written));
    told.forEach(
        (version, written) ->
            assertThat(acknowledged.containsKey(version) || unknown.contains(written))
                .as("%s at %d was asked for", written, version)
                .isTrue());
    deletions.forEach(
        (name, count) ->
            assertThat(deleted.getOrDefault(name, 0))
                .as("deletions of %s", name)
                .isBetween(
                    count.get(),
                    count.get() + unknownDeletions.getOrDefault(name, new AtomicInteger()).get()));
    Map<String, String> there = new HashMap<>();
    left.items().forEach(each -> there.put(each.name(), value(each)));
    there.remove(LAST);
    assertThat(there).isEqualTo(current);
    System.out.printf(
        "%d kills under the API: %,d changes acknowledged, %d of unknown fate, %d refused%n",
        KILLS,
        acknowledged.size() + deletions.values().stream().mapToInt(AtomicInteger::get).sum(),
        unknown.size() + unknownDeletions.values().stream().mapToInt(AtomicInteger::get).sum(),
        refused.size());
  }

  /** Goes on where the last watch broke off, on the server that there is then. */
  private List<Seen> follow(long from) throws InterruptedException {
    List<Seen> seen = new ArrayList<>();
    long last = from;
    while (true) {
      int generation = servers.generation();
      try (ObjectWatch watch =
          servers.client().watch(Resources.CONFIG_MAPS, "default", OURS, Long.toString(last))) {
        for (Optional<ObjectWatch.Event> next = watch.next();
            next.isPresent();
            next = watch.next()) {
          KubeObject object = next.get().object();
          long version = Long.parseLong(object.resourceVersion());
          if (next.get().type() == ObjectWatch.EventType.BOOKMARK) {
            assertThat(version).isGreaterThanOrEqualTo(last);
          } else {
            assertThat(version).isGreaterThan(last);
            if (object.name().equals(LAST)) {
              return seen;
            }
            seen.add(new Seen(next.get().type(), object.name(), value(object), version));
          }
          last = version;
        }
      } catch (UncheckedIOException e) {
        servers.awaitAfter(generation);
      }
    }
  }

  private static KubeObject object(String name, String value) {
    return KubeObject.of(Resources.CONFIG_MAPS.groupVersionKind(), "default", name)
        .withMetadata("labels", JsonObject.of("load", "yes"))
        .with("data", JsonObject.of("v", value));
  }

  private static String value(KubeObject object) {
    return object.json().text("data", "v");
  }

  /** Creates, updates and deletes one object, over and over; nobody else does. */
  private final class Writer {
    private final String name;
    private final Random random;
    private Optional<KubeObject> present = Optional.empty();
    private Optional<KubeObject> older = Optional.empty();
    private int number;

    Writer(String name) {
      this.name = name;
      this.random = new Random(name.hashCode());
    }

    Void run() throws InterruptedException {
      while (servers.wanted()) {
        int generation = servers.generation();
        HttpKubeClient client = servers.client();
        String value = name + "-" + number++;
        boolean deletes = present.isPresent() && random.nextInt(7) == 0;
        try {
          if (deletes) {
            client.delete(
                Resources.CONFIG_MAPS,
                "default",
                name,
                new DeleteOptions(
                    Optional.empty(), "", "", present.orElseThrow().resourceVersion()));
            counter(deletions).incrementAndGet();
            present = Optional.empty();
          } else {
            change(client, value);
          }
          servers.answered();
          if (random.nextInt(4) == 0) {
            // Nothing that was asked for is open now: a read shows the last change and no other.
            assertThat(client.find(Resources.CONFIG_MAPS, "default", name).map(this::shown))
                .isEqualTo(present.map(this::shown));
          }
        } catch (UncheckedIOException e) {
          if (deletes && present.isPresent()) {
            counter(unknownDeletions).incrementAndGet();
          } else if (!deletes) {
            unknown.add(name + "=" + value);
          }
          servers.awaitAfter(generation);
          present = read();
          older = Optional.empty();
        }
      }
      return null;
    }

    private void change(HttpKubeClient client, String value) {
      if (older.isPresent() && random.nextInt(5) == 0) {
        refused.add(name + "=" + value);
        try {
          client.update(Resources.CONFIG_MAPS, older.get().with("data", JsonObject.of("v", value)));
          throw new AssertionError("an update of an older version was not refused");
        } catch (ApiException e) {
          assertThat(e.code()).isIn(404, 409);
        }
        return;
      }
      KubeObject made =
          present.isPresent()
              ? client.update(
                  Resources.CONFIG_MAPS, present.get().with("data", JsonObject.of("v", value)))
              : client.create(Resources.CONFIG_MAPS, object(name, value));
      long version = Long.parseLong(made.resourceVersion());
      assertThat(acknowledged.put(version, name + "=" + value)).as("version %d", version).isNull();
      older = present;
      present = Optional.of(made);
    }

    private String shown(KubeObject object) {
      return object.resourceVersion() + " " + value(object);
    }

    private AtomicInteger counter(Map<String, AtomicInteger> counters) {
      return counters.computeIfAbsent(name, _ -> new AtomicInteger());
    }

    /** What became of it, read from the next server: the one that was asked is gone. */
    private Optional<KubeObject> read() throws InterruptedException {
      while (true) {
        int generation = servers.generation();
        try {
          return servers.client().find(Resources.CONFIG_MAPS, "default", name);
        } catch (UncheckedIOException e) {
          servers.awaitAfter(generation);
        }
      }
    }
  }

  /** One server after the other over the same data. Any thread. */
  private final class Servers {
    private volatile Process process;
    private volatile HttpKubeClient client;
    private int generation;
    private boolean wanted = true;

    void start() throws IOException {
      Process started =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-XX:+UseSerialGC",
                  "-XX:TieredStopAtLevel=1",
                  "--enable-native-access=ALL-UNNAMED",
                  "-cp",
                  System.getProperty("java.class.path"),
                  Child.class.getName(),
                  directory.toString())
              .redirectError(
                  ProcessBuilder.Redirect.appendTo(directory.resolve("server.log").toFile()))
              .start();
      synchronized (this) {
        process = started;
      }
      BufferedReader out = started.inputReader(UTF_8);
      String line = out.readLine();
      if (line == null) {
        throw new IOException(
            "the server ended: " + Files.readString(directory.resolve("server.log")));
      }
      Kubeconfig kubeconfig = Kubeconfig.read(Path.of(line));
      synchronized (this) {
        client =
            new HttpKubeClient(kubeconfig.server(), kubeconfig.tls(), kubeconfig::token, "load/1");
        generation++;
        notifyAll();
      }
    }

    void kill() throws InterruptedException {
      process.toHandle().destroyForcibly();
      process.waitFor();
      client.close();
    }

    synchronized HttpKubeClient client() {
      return client;
    }

    synchronized int generation() {
      return generation;
    }

    /** Waits for a server after one that does not answer. */
    synchronized void awaitAfter(int gone) throws InterruptedException {
      long patience = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
      while (generation == gone) {
        wait(1000);
        if (process.isAlive() && generation == gone && System.nanoTime() - patience > 0) {
          throw new IllegalStateException("a server that was not killed broke a connection off");
        }
      }
    }

    void answered() {
      synchronized (this) {
        answers.incrementAndGet();
        notifyAll();
      }
    }

    void awaitAnswers(int more, List<Future<?>> writers) throws Exception {
      int enough = answers.get() + more;
      while (answers.get() < enough) {
        for (Future<?> writer : writers) {
          if (writer.isDone()) {
            writer.get(); // tells what went wrong
          }
        }
        synchronized (this) {
          if (answers.get() < enough) {
            wait(1000);
          }
        }
      }
    }

    synchronized boolean wanted() {
      return wanted;
    }

    synchronized void enough() {
      wanted = false;
    }

    void close() {
      if (process != null) {
        process.destroyForcibly().onExit().join();
      }
      if (client != null) {
        client.close();
      }
    }
  }

  /** A whole server without agent, until it is killed or its parent ends. */
  static final class Child {
    public static void main(String[] arguments) throws IOException {
      ServerConfig config =
          TestServers.config(
              Path.of(arguments[0]),
              "one",
              "127.0.0.1",
              Datastore.EMBEDDED,
              TestServers.cluster("a-secret-of-this-test", Optional.empty(), false),
              ServerConfig.Snapshots.DEFAULT);
      TestServers.start(config, new ByteArrayOutputStream());
      System.out.println(config.kubeconfig());
      while (System.in.read() >= 0) {
        // The parent writes nothing; it ends.
      }
      Runtime.getRuntime().halt(0);
    }
  }
}
