package dev.kedge.store.sql;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.store.Store;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch.Event;
import java.io.BufferedReader;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * Kills and pauses the database, a server, and the network between them under the load of two kedge
 * servers, again and again: nothing acknowledged is lost, nothing refused is seen, and watches on
 * both servers tell of every revision once. {@code -Dkedge.kills=200} for more kills; the rest is
 * done by {@code testing/robustness/run}, which gives it a network of its own.
 */
abstract class KillContract {
  private static final int KILLS = Integer.getInteger("kedge.kills", 3);
  private static final int ROUNDS = Math.max(1, KILLS / 20);
  private static final int CLIENTS = 8;

  /** A server that writes to disk as operators have it, and listens on all of loopback. */
  abstract DatabaseProcess start() throws Exception;

  /** Its endpoint, by a host of 127.0.0.0/8. */
  abstract String url(DatabaseProcess database, String host);

  abstract Store open(String url);

  private interface Fault {
    void strike(DatabaseProcess database, Random random) throws Exception;
  }

  @Test
  void killedDatabaseKeepsWhatWasAcknowledged() throws Exception {
    int changes =
        under(
            "kills",
            KILLS,
            (database, random) -> {
              // An interval: the kill comes at a random moment of the load.
              TimeUnit.MILLISECONDS.sleep(300 + random.nextInt(700));
              database.kill();
              database.start();
            });
    assertThat(changes).isGreaterThan(KILLS * 10);
  }

  @Test
  void aDatabaseThatStandsStillIsWaitedFor() throws Exception {
    under(
        "pauses of the database",
        ROUNDS,
        (database, random) -> {
          TimeUnit.MILLISECONDS.sleep(200 + random.nextInt(300));
          database.signal("STOP");
          // An interval: shorter than calls wait, so that none fails for it.
          TimeUnit.MILLISECONDS.sleep(500 + random.nextInt(1500));
          database.signal("CONT");
        });
  }

  /** One of the servers loses every packet to and from the database for a while. */
  @Test
  @EnabledIfSystemProperty(named = "kedge.network", matches = "own")
  void aPartitionedServerComesBack() throws Exception {
    under(
        "partitions",
        ROUNDS,
        (database, random) -> {
          TimeUnit.MILLISECONDS.sleep(200 + random.nextInt(800));
          nft("add table ip partition");
          nft("add chain ip partition out { type filter hook output priority 0; }");
          nft("add rule ip partition out ip daddr " + FAR + " drop");
          nft("add rule ip partition out ip saddr " + FAR + " drop");
          // From less than calls wait for to more.
          TimeUnit.MILLISECONDS.sleep(500 + random.nextInt(15_000));
          nft("delete table ip partition");
        });
  }

  /** The database's address for the second server. */
  private static final String FAR = "127.0.0.2";

  private static void nft(String command) throws Exception {
    List<String> words = new ArrayList<>(List.of("nft"));
    words.addAll(List.of(command.split(" ", -1)));
    assertThat(new ProcessBuilder(words).inheritIO().start().waitFor()).as(command).isZero();
  }

  /** Returns how many changes there were. */
  private int under(String name, int times, Fault fault) throws Exception {
    Random random = new Random(7);
    History history = new History();
    AtomicBoolean done = new AtomicBoolean();
    try (DatabaseProcess database = start();
        Store first = open(url(database, "127.0.0.1"));
        Store second = open(url(database, FAR))) {
      long start = first.currentRevision();
      List<Event> events;
      try (History.Follower one = new History.Follower(first, start);
          History.Follower other = new History.Follower(second, start)) {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
          List<Future<?>> clients = new ArrayList<>();
          for (int i = 0; i < CLIENTS; i++) {
            Store store = i % 2 == 0 ? first : second;
            String client = "w" + i;
            clients.add(
                threads.submit(
                    () -> {
                      for (int run = 0; !done.get(); run++) {
                        history.work(store, client + "-" + run, 20);
                      }
                    }));
          }
          try {
            for (int time = 0; time < times; time++) {
              fault.strike(database, random);
            }
            TimeUnit.MILLISECONDS.sleep(300);
          } finally {
            done.set(true);
          }
          for (Future<?> client : clients) {
            client.get();
          }
        }
        long end = first.currentRevision();
        events = one.upTo(end);
        history.check(events, start);
        assertThat(other.upTo(end).stream().map(Event::revision).toList())
            .isEqualTo(events.stream().map(Event::revision).toList());
        System.out.printf(
            "%d %s: %d operations, %d changes, %d of unknown fate%n",
            times, name, history.operations(), events.size(), history.failed());
      }
      try (Store third = open(url(database, "127.0.0.1"))) {
        assertThat(third.list("/h/", 0, "", 0).entries())
            .usingRecursiveFieldByFieldElementComparator()
            .isEqualTo(first.list("/h/", 0, "", 0).entries());
      }
      return events.size();
    }
  }

  /**
   * A server's process stands still in the middle of whatever it does, maybe a transaction that
   * keeps others out, for longer than the database lets it; then goes on.
   */
  @Test
  @EnabledIfSystemProperty(named = "kedge.network", matches = "own")
  void aServerThatStandsStillHoldsUpNobodyForLong() throws Exception {
    Random random = new Random(7);
    try (DatabaseProcess database = start();
        Store store = open(url(database, "127.0.0.1"))) {
      long start = store.currentRevision();
      try (History.Follower follower = new History.Follower(store, start)) {
        Process child = CrashTest.child(url(database, "127.0.0.1"));
        ConcurrentLinkedQueue<String> said = new ConcurrentLinkedQueue<>();
        Thread reader =
            Thread.ofVirtual()
                .start(
                    () -> {
                      try (BufferedReader out = child.inputReader(UTF_8)) {
                        out.lines().filter(line -> line.endsWith(".")).forEach(said::add);
                      } catch (java.io.IOException e) {
                        throw new java.io.UncheckedIOException(e);
                      }
                    });
        Map<Long, String> written = new HashMap<>();
        long longest = 0;
        int failed = 0;
        // A write that it was in may be refused, for its time is over; its writer ends then.
        int round = 0;
        for (; round < ROUNDS && saysMore(child, said); round++) {
          signal(child, "STOP");
          long paused = System.nanoTime();
          for (int n = 0; n == 0 || System.nanoTime() - paused < 14e9; n++) {
            String key = "/parent/" + round + "-" + n;
            long began = System.nanoTime();
            try {
              written.put(((Committed) store.create(key, key.getBytes(UTF_8))).revision(), key);
            } catch (StoreException e) {
              failed++;
            }
            longest = Math.max(longest, System.nanoTime() - began);
            TimeUnit.MILLISECONDS.sleep(random.nextInt(100));
          }
          signal(child, "CONT");
        }
        assertThat(round).isPositive();
        child.toHandle().destroyForcibly();
        child.waitFor();
        reader.join();
        Map<Long, Event> events = new HashMap<>();
        follower
            .upTo(store.currentRevision())
            .forEach(event -> events.put(event.revision(), event));
        written.forEach((revision, key) -> assertThat(events.get(revision).key()).isEqualTo(key));
        for (String line : said) {
          String[] words = line.split(" ");
          if (!words[1].equals("-2")) {
            assertThat(events.get(Long.parseLong(words[2])).key()).as(line).isEqualTo(words[0]);
          }
        }
        System.out.printf(
            "%d pauses of a server: the other one's writes took %.1f s at most, %d failed; %,d and"
                + " %,d acknowledged%n",
            round, longest / 1e9, failed, written.size(), said.size());
        assertThat(failed).isZero();
      }
    }
  }

  /** Waits for more acknowledgements; false if the process has ended. */
  private static boolean saysMore(Process child, ConcurrentLinkedQueue<String> said)
      throws InterruptedException {
    int enough = said.size() + 200;
    while (child.isAlive() && said.size() < enough) {
      TimeUnit.MILLISECONDS.sleep(5);
    }
    return child.isAlive();
  }

  private static void signal(Process process, String signal) throws Exception {
    assertThat(
            new ProcessBuilder("kill", "-" + signal, Long.toString(process.pid()))
                .start()
                .waitFor())
        .isZero();
  }
}
