package dev.kedge.store.etcd;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.kedge.grpc.GrpcException;
import dev.kedge.store.CompactedException;
import dev.kedge.store.Store;
import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.Page;
import dev.kedge.store.Store.WriteResult;
import dev.kedge.store.Store.WriteResult.Absent;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.Store.WriteResult.Conflict;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The calls of a {@link Store}, in etcd's own revisions.
 *
 * <p>A write is a transaction that compares the key's last revision. When the answer to one is
 * lost, the changes since are read back to find out what became of it, and only if it had no effect
 * it is tried again, under the same comparison. One stream from etcd feeds all watches ({@link
 * Follower}). What was superseded is compacted after five minutes.
 */
final class EtcdKeys implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.store.etcd");
  private static final Duration HISTORY = Duration.ofMinutes(5);
  private static final Duration OPENING = Duration.ofSeconds(5);
  private static final byte[] ONE_KEY = {};
  private static final int PAGE = 500;

  // etcd counts what follows each page: the fewer, the better.
  private static final int LARGEST_PAGE = 10_000;
  private static final long PAGE_BYTES = 8 << 20;

  private final Client client;
  private final Follower follower;
  private final CountDownLatch closing = new CountDownLatch(1);

  /** Answers of etcd to "what is current" are shared by those who asked before it was sent. */
  private final Shared current;

  private EtcdKeys(Client client) {
    this.client = client;
    this.follower = Follower.start(client);
    this.current = new Shared(client::currentRevision);
    Thread.ofVirtual().name("etcd-compaction").start(this::compactRegularly);
  }

  /** As {@link EtcdStore#open}. */
  static EtcdKeys open(EtcdStore.Settings settings) {
    Endpoints endpoints = new Endpoints(settings.endpoints(), settings.tls());
    try {
      requireOne(endpoints, settings);
      Client client = new Client(endpoints, settings.root());
      requireKnownFormat(client);
      return new EtcdKeys(client);
    } catch (RuntimeException e) {
      endpoints.close();
      throw e;
    }
  }

  /** Tries the members in turn for a moment; which of them is at fault is told best here. */
  private static void requireOne(Endpoints endpoints, EtcdStore.Settings settings) {
    byte[] question = Rpc.range("\0".getBytes(UTF_8), ONE_KEY, 1, 0, true);
    long deadline = System.nanoTime() + OPENING.toNanos();
    @Nullable StoreException first;
    do {
      first = null;
      for (int member = 0; member < endpoints.count(); member++) {
        try {
          endpoints.once(member, Rpc.RANGE, question, OPENING);
          return;
        } catch (GrpcException e) {
          if (!Endpoints.isTransient(e)) {
            throw Failures.of(endpoints, e);
          }
          StoreException failure =
              Failures.connecting(endpoints.url(member).toString(), settings.certificateGiven(), e);
          if (Failures.isTls(e)) {
            throw failure;
          }
          first = first == null ? failure : first;
        }
      }
      endpoints.await(200);
    } while (System.nanoTime() - deadline < 0);
    throw first == null ? new StoreException("no endpoint") : first;
  }

  Optional<Entry> get(String key) {
    requireOpen();
    return client.range(client.key(key), ONE_KEY, 0, 0, false).entries().stream()
        .findFirst()
        .map(entry -> entry(key, entry));
  }

  Page list(String prefix, long revision, String startKey, int limit) {
    requireOpen();
    // All keys begin with a slash; what sorts before is etcd's other users' or the mark.
    String within = prefix.isEmpty() ? "/" : prefix;
    byte[] end = end(client.key(within));
    String from = startKey.compareTo(within) > 0 ? startKey : within;
    List<Entry> entries = new ArrayList<>();
    long shown = revision;
    int page = PAGE;
    while (true) {
      int wanted = limit == 0 ? page : Math.min(page, limit - entries.size());
      Rpc.Range range = client.range(client.key(from), end, wanted, shown, false);
      // Later pages show the revision of the first.
      shown = shown == 0 ? range.revision() : shown;
      for (Rpc.KeyValue each : range.entries()) {
        entries.add(entry(String.valueOf(client.key(each.key())), each));
      }
      if (!range.more() || limit > 0 && entries.size() >= limit) {
        return new Page(entries, shown, range.more(), range.count() - range.entries().size());
      }
      from = entries.getLast().key() + "\0";
      page = nextPage(range.entries());
    }
  }

  /** As many as make an answer of some megabytes, to judge by those that came last. */
  private static int nextPage(List<Rpc.KeyValue> last) {
    long bytes = last.stream().mapToLong(each -> each.key().length + each.value().length).sum();
    return (int) Math.clamp(PAGE_BYTES * last.size() / Math.max(1, bytes), PAGE, LARGEST_PAGE);
  }

  WriteResult create(String key, byte[] value) {
    return write(new Write(key, client.key(key), 0, value));
  }

  WriteResult update(String key, byte[] value, long expectedRevision) {
    return write(new Write(key, client.key(key), expectedRevision, value));
  }

  WriteResult delete(String key, long expectedRevision) {
    return write(new Write(key, client.key(key), expectedRevision, null));
  }

  /** A write; without a value it deletes, with expected revision 0 it creates. */
  private record Write(String name, byte[] key, long expected, byte @Nullable [] value) {
    byte[] request() {
      return value == null ? Rpc.deleteIf(key, expected) : Rpc.putIf(key, expected, value);
    }
  }

  private WriteResult write(Write write) {
    requireOpen();
    if (write.expected() == 0 && write.value() == null) {
      return new Absent();
    }
    byte[] request = write.request();
    long before = Math.max(client.seen(), write.expected());
    long deadline = System.nanoTime() + Endpoints.PATIENCE.toNanos();
    boolean doubtful = false;
    while (true) {
      GrpcException lost;
      try {
        Rpc.Txn txn = client.txn(request);
        if (txn.succeeded()) {
          return new Committed(txn.revision());
        }
        if (doubtful) {
          // Refused, perhaps because an attempt whose answer was lost took effect after all.
          OptionalLong own = own(write, before);
          if (own.isPresent()) {
            return new Committed(own.getAsLong());
          }
        }
        return txn.found().stream()
            .findFirst()
            .<WriteResult>map(entry -> new Conflict(entry(write.name(), entry)))
            .orElseGet(Absent::new);
      } catch (GrpcException e) {
        requireOpen();
        if (!Endpoints.isTransient(e) || Thread.currentThread().isInterrupted()) {
          throw client.failure(e);
        }
        lost = e;
      }
      OptionalLong own = own(write, before);
      if (own.isPresent()) {
        return new Committed(own.getAsLong());
      }
      doubtful = true;
      if (System.nanoTime() - deadline > 0) {
        throw client.failure(lost);
      }
    }
  }

  /**
   * Looks for the write among the changes after a revision and until now.
   *
   * @return its revision, if it took effect
   * @throws StoreException if that cannot be told
   */
  private OptionalLong own(Write write, long after) {
    long now = client.mark();
    long from = after;
    while (from < now) {
      Client.History history =
          client.history(from, now, key -> Client.same(key, write.key()), PAGE);
      for (Rpc.Event event : history.changes()) {
        long replaced = event.previous() == null ? 0 : event.previous().mod();
        if (replaced != write.expected()) {
          continue;
        }
        if (event.delete() && write.value() == null) {
          // Another server's delete of the same revision would look the same.
          throw new StoreException(
              "the answer of etcd was lost: " + write.name() + " was deleted, here or elsewhere");
        }
        if (!event.delete()
            && write.value() != null
            && Client.same(event.entry().value(), write.value())) {
          return OptionalLong.of(event.entry().mod());
        }
      }
      from = history.last();
    }
    return OptionalLong.empty();
  }

  StoreWatch watch(String prefix, long afterRevision) {
    requireOpen();
    return follower
        .watches()
        .open(prefix, afterRevision == 0 ? client.currentRevision() : afterRevision);
  }

  long currentRevision() {
    requireOpen();
    return current.get();
  }

  void compact(long revision) {
    requireOpen();
    // What replaced values tell of themselves is lost to a follower that comes later.
    if (revision <= currentRevision()) {
      follower.awaitChanges(revision);
    }
    client.compact(revision);
  }

  /** Other versions of kedge may keep objects otherwise, and say so with a number. */
  private static void requireKnownFormat(Client client) {
    for (Rpc.KeyValue each : client.range(client.formatKey(), ONE_KEY, 1, 0, false).entries()) {
      throw new StoreException(
          "etcd at "
              + client.endpoints()
              + " was set up by a newer kedge (format "
              + new String(each.value(), UTF_8)
              + "); upgrade this server");
    }
  }

  /** What is added to etcd's revisions; 0 as a rule. */
  long offset() {
    return client.range(client.offsetKey(), ONE_KEY, 1, 0, false).entries().stream()
        .findFirst()
        .map(entry -> Long.parseLong(new String(entry.value(), UTF_8)))
        .orElse(0L);
  }

  void keepOffset(long offset) {
    client.put(client.offsetKey(), Long.toString(offset).getBytes(UTF_8));
  }

  /** Every server does it; a revision that another one has compacted already costs nothing. */
  private void compactRegularly() {
    long due = client.seen();
    try {
      while (!closing.await(HISTORY.toSeconds(), TimeUnit.SECONDS)) {
        long next = client.seen();
        if (next > due) {
          compactQuietly(due);
          due = next;
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void compactQuietly(long revision) {
    try {
      client.compact(revision);
    } catch (CompactedException e) {
      LOG.log(Level.DEBUG, "compacted already", e);
    } catch (StoreException e) {
      LOG.log(Level.WARNING, "cannot compact etcd, trying again later: {0}", e.getMessage());
    }
  }

  @Override
  public void close() {
    closing.countDown();
    follower.close();
    client.endpoints().close();
  }

  private void requireOpen() {
    if (closing.getCount() == 0) {
      throw new StoreException("the store is closed");
    }
  }

  private static Entry entry(String key, Rpc.KeyValue entry) {
    return new Entry(key, entry.value(), entry.create(), entry.mod());
  }

  /** The first key after all that begin with a prefix; "\0", which is all, where there is none. */
  static byte[] end(byte[] prefix) {
    for (int i = prefix.length - 1; i >= 0; i--) {
      if (prefix[i] != (byte) 0xff) {
        byte[] end = java.util.Arrays.copyOf(prefix, i + 1);
        end[i]++;
        return end;
      }
    }
    return new byte[1];
  }
}
