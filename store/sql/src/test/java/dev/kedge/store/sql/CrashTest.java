package dev.kedge.store.sql;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.store.Store;
import dev.kedge.store.Store.WriteResult.Committed;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Kills a writing process with SIGKILL, again and again over one file, and checks what it said. */
class CrashTest {
  private static final int WRITERS = 8;
  private static final Duration SLACK = Duration.ofMinutes(1);
  private static final long DELETED = -1;

  /** Asked for and not acknowledged yet: it may be there or not. */
  private static final long DELETING = -2;

  private static final int KILLS = Integer.getInteger("kedge.kills", 5);

  @TempDir Path directory;

  @Test
  void noAcknowledgedWriteIsLost() throws Exception {
    Path file = directory.resolve("db/state.db");
    Random random = new Random(7);
    int lost = 0;
    Map<String, Long> acknowledged = new HashMap<>();
    Map<String, Deferred> deferred = new HashMap<>();
    Revisions greatest = new Revisions(0, 0);
    for (int kill = 0; kill < KILLS; kill++) {
      int before = acknowledged.size();
      // Killed after a number of acknowledgements, so that no machine is too slow for the test.
      greatest = greatest.and(runAndKill(file, 200 + random.nextInt(1500), acknowledged, deferred));
      assertThat(acknowledged.size()).isGreaterThan(before);
      lost += check(file, acknowledged, deferred, greatest);
    }
    System.out.printf(
        "%d kills: %,d revisions, %,d keys; of the writes that may be lost, the last was in %d"
            + " cases%n",
        KILLS, greatest.last(), acknowledged.size(), lost);
  }

  /** A write that may be lost. */
  private record Deferred(long value, long revision) {}

  /**
   * The greatest that were told.
   *
   * @param durable of a write that may not be lost
   */
  private record Revisions(long last, long durable) {
    Revisions and(Revisions other) {
      return new Revisions(Math.max(last, other.last), Math.max(durable, other.durable));
    }
  }

  /** Returns how many keys lost their last change, which they may. */
  private static int check(
      Path file,
      Map<String, Long> acknowledged,
      Map<String, Deferred> deferred,
      Revisions greatest) {
    int lost = 0;
    try (Store store = SqliteStore.open(file)) {
      // Also what was lost is not given out again.
      assertThat(store.currentRevision()).isGreaterThanOrEqualTo(greatest.last());
      Map<String, Store.Entry> entries = new HashMap<>();
      store.list("/", 0, "", 0).entries().forEach(entry -> entries.put(entry.key(), entry));
      acknowledged.forEach(
          (key, value) -> {
            Store.Entry entry = entries.get(key);
            if (value == DELETED) {
              assertThat(entry).as("deleted " + key).isNull();
              return;
            }
            if (value == DELETING) {
              return;
            }
            assertThat(entry).as(key).isNotNull();
            if (entry != null) {
              long stored = number(entry);
              // One more may have been written that nobody was told of.
              assertThat(stored).as(key).isBetween(value, value + 1);
            }
          });
      for (Map.Entry<String, Deferred> each : List.copyOf(deferred.entrySet())) {
        Deferred last = each.getValue();
        Store.Entry entry = entries.get(each.getKey());
        long stored = entry == null ? -1 : number(entry);
        if (last.revision() < greatest.durable()) {
          assertThat(stored).as(each.getKey()).isGreaterThanOrEqualTo(last.value());
        } else if (stored < last.value()) {
          lost++;
          deferred.remove(each.getKey());
        }
      }
    }
    return lost;
  }

  private static long number(Store.Entry entry) {
    return Long.parseLong(new String(entry.value(), UTF_8).strip());
  }

  private static Revisions runAndKill(
      Path file, int lines, Map<String, Long> acknowledged, Map<String, Deferred> deferred)
      throws Exception {
    Process child = child(file.toString());
    Revisions greatest = new Revisions(0, 0);
    try (BufferedReader out = child.inputReader(UTF_8)) {
      int read = 0;
      for (String line = out.readLine(); line != null; line = out.readLine()) {
        // The kill may cut the last line off; one without its end mark was not said.
        String[] words = line.split(" ");
        if (line.endsWith(".")) {
          long revision = Long.parseLong(words[2]);
          acknowledged.put(words[0], Long.parseLong(words[1]));
          greatest = greatest.and(new Revisions(revision, revision));
        } else if (line.endsWith("~")) {
          long revision = Long.parseLong(words[2]);
          deferred.put(words[0], new Deferred(Long.parseLong(words[1]), revision));
          greatest = greatest.and(new Revisions(revision, 0));
        }
        if (++read == lines) {
          // Through the handle: the process itself would close its output, with lines still in it.
          child.toHandle().destroyForcibly();
        }
      }
    }
    assertThat(child.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(child.exitValue()).isEqualTo(128 + 9);
    return greatest;
  }

  /**
   * A process that writes until it is killed.
   *
   * @param endpoint an SQLite file, or the URL of a database
   */
  static Process child(String endpoint) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            Child.class.getName(),
            endpoint)
        .redirectError(ProcessBuilder.Redirect.INHERIT)
        .start();
  }

  /** Writes until killed and says what was acknowledged: key, value, revision. */
  static final class Child {
    private final Store store;
    private final PrintStream out;

    /** How many writes that may be lost come before one that may not. */
    private final int beats = ProcessHandle.current().pid() % 2 == 0 ? 1 : 50;

    /** Not where another process follows, which would lose what it has not read yet. */
    private final boolean compacts;

    private Child(Store store, boolean compacts, PrintStream out) {
      this.store = store;
      this.compacts = compacts;
      this.out = out;
    }

    public static void main(String[] arguments) throws Exception {
      String endpoint = arguments[0];
      Store store =
          endpoint.startsWith("postgres:")
              ? PostgresStore.open(endpoint, TlsFiles.NONE)
              : endpoint.startsWith("mysql:")
                  ? MysqlStore.open(endpoint, TlsFiles.NONE)
                  : SqliteStore.open(Path.of(endpoint));
      boolean alone = !endpoint.contains(":");
      Child child = new Child(store, alone, new PrintStream(System.out, false, UTF_8));
      List<Thread> threads = new ArrayList<>();
      for (int i = 0; i < WRITERS; i++) {
        String name = "/w" + i;
        threads.add(Thread.ofPlatform().start(() -> child.write(name)));
      }
      for (Thread thread : threads) {
        thread.join();
      }
    }

    private void write(String name) {
      String run = name + "/" + ProcessHandle.current().pid() + "-" + System.nanoTime();
      for (int n = 0; ; n++) {
        String key = run + "/" + n;
        said(key, 0, store.create(key, value(0)));
        for (int beat = 0; beat < beats; beat++) {
          beat(name + "/heartbeat");
        }
        String counter = name + "/counter";
        Store.Entry entry = store.get(counter).orElse(null);
        if (entry == null) {
          said(counter, 0, store.create(counter, value(0)));
        } else {
          long next = number(entry) + 1;
          said(counter, next, store.update(counter, value(next), entry.revision()));
        }
        if (n % 3 == 2) {
          String old = run + "/" + (n - 1);
          long revision = store.get(old).orElseThrow().revision();
          say(old, DELETING, revision, '.');
          said(old, DELETED, store.delete(old, revision));
        }
        if (compacts && n % 50 == 49 && name.equals("/w0")) {
          store.compact(store.currentRevision() - 20);
        }
      }
    }

    private void beat(String key) {
      Store.Entry last = store.get(key).orElse(null);
      if (last == null) {
        say(key, 0, store.create(key, value(0), SLACK), '~');
      } else {
        long next = number(last) + 1;
        say(key, next, store.update(key, value(next), last.revision(), SLACK), '~');
      }
    }

    private static byte[] value(long number) {
      return (number + " ".repeat(500)).getBytes(UTF_8);
    }

    private void said(String key, long value, Store.WriteResult result) {
      say(key, value, result, '.');
    }

    private void say(String key, long value, Store.WriteResult result, char mark) {
      if (!(result instanceof Committed(long revision))) {
        throw new UncheckedIOException(new IOException(key + ": " + result));
      }
      say(key, value, revision, mark);
    }

    private synchronized void say(String key, long value, long revision, char mark) {
      out.print(key + " " + value + " " + revision + " " + mark + "\n");
      out.flush();
    }
  }
}
