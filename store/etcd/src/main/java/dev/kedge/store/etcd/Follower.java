package dev.kedge.store.etcd;

import dev.kedge.grpc.GrpcChannel;
import dev.kedge.grpc.GrpcException;
import dev.kedge.store.CompactedException;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch;
import dev.kedge.store.Watches;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * Follows all changes of the store over one stream from etcd and offers them to the watches. Two
 * virtual threads: one reads the stream, resuming after the last change it saw when the member or
 * the connection is lost; one brings it up to date when somebody asks.
 */
final class Follower implements Watches.ChangeLog, AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.store.etcd");
  private static final int HISTORY_CHUNK = 1000;

  private final Client client;
  private final Watches watches = new Watches(this);
  private final LinkedBlockingQueue<Runnable> asked = new LinkedBlockingQueue<>();
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition advanced = lock.newCondition();

  /** Always the revision of a change under the root, so that history up to it has an end. */
  private volatile long position;

  private volatile boolean closed;
  private volatile GrpcChannel.@Nullable Call running;
  private final Thread asker;

  private Follower(Client client, long position) {
    this.client = client;
    this.position = position;
    this.asker = Thread.ofVirtual().name("etcd-progress").unstarted(this::answer);
  }

  static Follower start(Client client) {
    Follower follower = new Follower(client, client.mark());
    Thread.ofVirtual().name("etcd-follower").start(follower::run);
    follower.asker.start();
    return follower;
  }

  Watches watches() {
    return watches;
  }

  private void run() {
    long pause = 20;
    while (!closed) {
      try {
        requireSameEtcd();
        follow();
        pause = 20;
      } catch (CompactedException e) {
        skip(e);
      } catch (GrpcException | StoreException e) {
        if (closed) {
          return;
        }
        LOG.log(Level.DEBUG, "etcd''s changes are asked for anew: {0}", e.getMessage());
        client.endpoints().turnAway();
        if (!pause(pause)) {
          return;
        }
        pause = Math.min(2 * pause, 1000);
      }
    }
  }

  private boolean pause(long millis) {
    try {
      client.endpoints().await(millis);
      return true;
    } catch (StoreException e) {
      return false;
    }
  }

  /** A watch from a revision that etcd has not reached would wait for it without a word. */
  private void requireSameEtcd() {
    long current = client.currentRevision();
    if (current < position) {
      LOG.log(
          Level.WARNING,
          "etcd is at revision {0}, and was at {1}: it was restored; everything is read again",
          current,
          position);
      throw new CompactedException(position, current);
    }
  }

  /** Changes were missed: all watches end, and those that follow begin after now. */
  private void skip(CompactedException lost) {
    try {
      long mark = client.mark();
      client.restart(mark);
      watches.restart(lost, mark);
      wake();
    } catch (StoreException e) {
      LOG.log(Level.WARNING, "cannot go on after a gap in etcd''s changes: {0}", e.getMessage());
      pause(1000);
    }
  }

  private void follow() {
    try (GrpcChannel.Call call = client.follow(position)) {
      running = call;
      List<Rpc.Event> events = new ArrayList<>();
      for (byte[] message = call.next(); message != null && !closed; message = call.next()) {
        Rpc.WatchResponse response = Rpc.WatchResponse.decode(message);
        if (response.canceled()) {
          throw client.cancelled(position, response);
        }
        events.addAll(response.events());
        if (!events.isEmpty() && !response.fragment()) {
          publish(events);
          events = new ArrayList<>();
        }
      }
    } finally {
      running = null;
    }
  }

  private void publish(List<Rpc.Event> events) {
    long last = events.getLast().entry().mod();
    List<StoreWatch.Event> changes = new ArrayList<>(events.size());
    for (Rpc.Event event : events) {
      String key = client.key(event.entry().key());
      if (key != null) {
        changes.add(change(key, event));
      }
    }
    client.saw(last);
    advance(changes, last);
  }

  private void advance(List<StoreWatch.Event> changes, long revision) {
    watches.publish(changes, revision);
    wake();
  }

  private void wake() {
    lock.lock();
    try {
      advanced.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /**
   * An event as the store tells it.
   *
   * @throws CompactedException if compaction took the value that was replaced
   */
  private static StoreWatch.Event change(String key, Rpc.Event event) {
    Rpc.KeyValue entry = event.entry();
    Rpc.KeyValue previous = event.previous();
    if (event.delete()) {
      if (previous == null) {
        throw new CompactedException(entry.mod() - 1, entry.mod());
      }
      return new StoreWatch.Event.Delete(key, previous.value(), previous.create(), entry.mod());
    }
    if (previous == null && entry.create() != entry.mod()) {
      throw new CompactedException(entry.mod() - 1, entry.mod());
    }
    return new StoreWatch.Event.Put(
        key,
        entry.value(),
        entry.create(),
        entry.mod(),
        Optional.ofNullable(previous).map(Rpc.KeyValue::value));
  }

  @Override
  public long published() {
    return position;
  }

  @Override
  public void publish(long revision) {
    position = revision;
  }

  @Override
  public long compacted() {
    return 0;
  }

  @Override
  public Watches.Chunk history(String prefix, long after, long upTo) {
    byte[] wanted = client.key(prefix);
    long from = after;
    while (true) {
      Client.History history =
          client.history(from, upTo, key -> startsWith(key, wanted), HISTORY_CHUNK);
      List<StoreWatch.Event> changes = new ArrayList<>();
      for (Rpc.Event event : history.changes()) {
        String key = client.key(event.entry().key());
        if (key != null) {
          changes.add(change(key, event));
        }
      }
      if (history.last() >= upTo || !changes.isEmpty()) {
        return new Watches.Chunk(changes, history.last() >= upTo);
      }
      from = history.last();
    }
  }

  private static boolean startsWith(byte[] key, byte[] prefix) {
    return key.length >= prefix.length
        && Arrays.equals(key, 0, prefix.length, prefix, 0, prefix.length);
  }

  @Override
  public void whenCurrent(Runnable action) {
    asked.add(action);
  }

  private void answer() {
    List<Runnable> actions = new ArrayList<>();
    while (!closed) {
      try {
        actions.add(asked.take());
        asked.drainTo(actions);
        reach(client.currentRevision());
      } catch (InterruptedException e) {
        return;
      } catch (StoreException e) {
        // Who waits asks again, and is told by its own reads that etcd is away.
        LOG.log(Level.DEBUG, "etcd does not say how far it is", e);
      }
      actions.forEach(Runnable::run);
      actions.clear();
    }
  }

  /**
   * Waits until everything up to a revision was seen. A change that is under way needs a moment; if
   * it does not come, the last ones were not under the root, and a mark tells.
   */
  private void reach(long revision) throws InterruptedException {
    if (!awaitPosition(revision, TimeUnit.MILLISECONDS.toNanos(20))) {
      awaitPosition(client.mark(), TimeUnit.SECONDS.toNanos(5));
    }
  }

  /** Waits a moment for the changes up to a revision. */
  void awaitChanges(long revision) {
    try {
      awaitPosition(revision, TimeUnit.SECONDS.toNanos(1));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private boolean awaitPosition(long revision, long nanos) throws InterruptedException {
    long left = nanos;
    lock.lock();
    try {
      while (position < revision && left > 0 && !closed) {
        left = advanced.awaitNanos(left);
      }
      return position >= revision;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    closed = true;
    watches.close();
    GrpcChannel.Call call = running;
    if (call != null) {
      call.close();
    }
    asker.interrupt();
  }
}
