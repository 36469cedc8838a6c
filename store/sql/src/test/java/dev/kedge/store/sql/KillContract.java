package dev.kedge.store.sql;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.store.Store;
import dev.kedge.store.StoreWatch.Event;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/**
 * Kills the database under the load of two kedge servers, again and again: nothing acknowledged is
 * lost, nothing refused is seen, and watches on both servers tell of every revision once. {@code
 * -Dkedge.kills=200} for more kills.
 */
abstract class KillContract {
  private static final int KILLS = Integer.getInteger("kedge.kills", 3);
  private static final int CLIENTS = 8;

  /** A server that writes to disk as operators have it. */
  abstract DatabaseProcess start() throws Exception;

  abstract Store open(DatabaseProcess database);

  @Test
  void killedDatabaseKeepsWhatWasAcknowledged() throws Exception {
    Random random = new Random(7);
    History history = new History();
    AtomicBoolean done = new AtomicBoolean();
    try (DatabaseProcess database = start();
        Store first = open(database);
        Store second = open(database)) {
      long start = first.currentRevision();
      try (History.Follower one = new History.Follower(first, start);
          History.Follower other = new History.Follower(second, start)) {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
          List<Future<?>> clients = new ArrayList<>();
          for (int i = 0; i < CLIENTS; i++) {
            Store store = i % 2 == 0 ? first : second;
            String name = "w" + i;
            clients.add(
                threads.submit(
                    () -> {
                      for (int run = 0; !done.get(); run++) {
                        history.work(store, name + "-" + run, 20);
                      }
                    }));
          }
          for (int kill = 0; kill < KILLS; kill++) {
            // An interval: the kill comes at a random moment of the load.
            TimeUnit.MILLISECONDS.sleep(300 + random.nextInt(700));
            database.kill();
            database.start();
          }
          TimeUnit.MILLISECONDS.sleep(300);
          done.set(true);
          for (Future<?> client : clients) {
            client.get();
          }
        }
        long end = first.currentRevision();
        List<Event> events = one.upTo(end);
        history.check(events, start);
        assertThat(other.upTo(end).stream().map(Event::revision).toList())
            .isEqualTo(events.stream().map(Event::revision).toList());
        System.out.printf(
            "%d kills: %d operations, %d changes, %d of unknown fate%n",
            KILLS, history.operations(), events.size(), history.failed());
        assertThat(events.size()).isGreaterThan(KILLS * 10);
      }
      try (Store third = open(database)) {
        assertThat(third.list("/h/", 0, "", 0).entries())
            .usingRecursiveFieldByFieldElementComparator()
            .isEqualTo(first.list("/h/", 0, "", 0).entries());
      }
    }
  }
}
