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
  private static final long DELETED = -1;

  /** Asked for and not acknowledged yet: it may be there or not. */
  private static final long DELETING = -2;

  private static final int KILLS = Integer.getInteger("kedge.kills", 5);

  @TempDir Path directory;

  @Test
  void noAcknowledgedWriteIsLost() throws Exception {
    Path file = directory.resolve("db/state.db");
    Random random = new Random(7);
    Map<String, Long> acknowledged = new HashMap<>();
    long lastRevision = 0;
    for (int kill = 0; kill < KILLS; kill++) {
      int before = acknowledged.size();
      // Killed after a number of acknowledgements, so that no machine is too slow for the test.
      lastRevision =
          Math.max(lastRevision, runAndKill(file, 200 + random.nextInt(1500), acknowledged));
      assertThat(acknowledged.size()).isGreaterThan(before);
      check(file, acknowledged, lastRevision);
    }
  }

  private static void check(Path file, Map<String, Long> acknowledged, long lastRevision) {
    try (Store store = SqliteStore.open(file)) {
      assertThat(store.currentRevision()).isGreaterThanOrEqualTo(lastRevision);
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
              long stored = Long.parseLong(new String(entry.value(), UTF_8).strip());
              // One more may have been written that nobody was told of.
              assertThat(stored).as(key).isBetween(value, value + 1);
            }
          });
    }
  }

  /** Returns the greatest acknowledged revision. */
  private static long runAndKill(Path file, int lines, Map<String, Long> acknowledged)
      throws Exception {
    Process child =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                Child.class.getName(),
                file.toString())
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    long greatest = 0;
    try (BufferedReader out = child.inputReader(UTF_8)) {
      int read = 0;
      for (String line = out.readLine(); line != null; line = out.readLine()) {
        // The kill may cut the last line off; one without its end mark was not said.
        if (line.endsWith(".")) {
          String[] words = line.split(" ");
          acknowledged.put(words[0], Long.parseLong(words[1]));
          greatest = Math.max(greatest, Long.parseLong(words[2]));
        }
        if (++read == lines) {
          // Through the handle: the process itself would close its output, with lines still in it.
          child.toHandle().destroyForcibly();
        }
      }
    }
    assertThat(child.waitFor(10, TimeUnit.SECONDS)).isTrue();
    assertThat(child.exitValue()).isEqualTo(128 + 9);
    return greatest;
  }

  /** Writes until killed and says what was acknowledged: key, value, revision. */
  static final class Child {
    private final Store store;
    private final PrintStream out;

    private Child(Store store, PrintStream out) {
      this.store = store;
      this.out = out;
    }

    public static void main(String[] arguments) throws Exception {
      Store store = SqliteStore.open(Path.of(arguments[0]));
      Child child = new Child(store, new PrintStream(System.out, false, UTF_8));
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
        String counter = name + "/counter";
        Store.Entry entry = store.get(counter).orElse(null);
        if (entry == null) {
          said(counter, 0, store.create(counter, value(0)));
        } else {
          long next = Long.parseLong(new String(entry.value(), UTF_8).strip()) + 1;
          said(counter, next, store.update(counter, value(next), entry.revision()));
        }
        if (n % 3 == 2) {
          String old = run + "/" + (n - 1);
          long revision = store.get(old).orElseThrow().revision();
          say(old, DELETING, revision);
          said(old, DELETED, store.delete(old, revision));
        }
        if (n % 50 == 49 && name.equals("/w0")) {
          store.compact(store.currentRevision() - 20);
        }
      }
    }

    private static byte[] value(long number) {
      return (number + " ".repeat(500)).getBytes(UTF_8);
    }

    private void said(String key, long value, Store.WriteResult result) {
      if (!(result instanceof Committed(long revision))) {
        throw new UncheckedIOException(new IOException(key + ": " + result));
      }
      say(key, value, revision);
    }

    private synchronized void say(String key, long value, long revision) {
      out.print(key + " " + value + " " + revision + " .\n");
      out.flush();
    }
  }
}
