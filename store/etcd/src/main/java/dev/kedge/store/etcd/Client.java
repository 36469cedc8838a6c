package dev.kedge.store.etcd;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.kedge.grpc.GrpcChannel;
import dev.kedge.grpc.GrpcException;
import dev.kedge.grpc.ProtoMessage;
import dev.kedge.store.CompactedException;
import dev.kedge.store.StoreException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The calls that the store makes, and where its keys lie in etcd: under a root, next to a marker
 * key that sorts before them. Any thread.
 *
 * <p>Writing the marker makes a change that whoever follows the root's whole range is bound to see:
 * having seen it, they have seen everything before it. This is how the store knows how far a stream
 * of changes has come, with any version of etcd: progress notifications that are asked for run
 * ahead of changes before 3.4.25 and 3.5.8, and may not come at all until later fixes.
 */
final class Client {
  private static final Duration HISTORY_PATIENCE = Duration.ofSeconds(10);

  private final Endpoints endpoints;
  private final String root;
  private final byte[] first;
  private final byte[] end;
  private final byte[] marker;
  private final byte[] offset;
  private final byte[] format;
  private final AtomicLong seen = new AtomicLong();

  Client(Endpoints endpoints, String root) {
    this.endpoints = endpoints;
    this.root = root;
    // All keys of the store begin with a slash, and a dot sorts right before it.
    this.first = (root + ".kedge/").getBytes(UTF_8);
    this.end = (root + "0").getBytes(UTF_8);
    this.marker = (root + ".kedge/marker").getBytes(UTF_8);
    this.offset = (root + ".kedge/offset").getBytes(UTF_8);
    this.format = (root + ".kedge/format").getBytes(UTF_8);
  }

  Endpoints endpoints() {
    return endpoints;
  }

  byte[] key(String key) {
    return (root + key).getBytes(UTF_8);
  }

  /** Where it is kept what is added to etcd's revisions. */
  byte[] offsetKey() {
    return offset;
  }

  /** Where it is kept how objects are kept, if not as this version of kedge keeps them. */
  byte[] formatKey() {
    return format;
  }

  /** The store's key of an etcd key; null for what the store keeps for itself. */
  @Nullable String key(byte[] key) {
    String name = new String(key, UTF_8);
    return name.startsWith("/", root.length()) ? name.substring(root.length()) : null;
  }

  /** The highest revision that any answer has shown. */
  long seen() {
    return seen.get();
  }

  void saw(long revision) {
    seen.accumulateAndGet(revision, Math::max);
  }

  /** After etcd was restored, revisions go on from a lower one. */
  void restart(long revision) {
    seen.set(revision);
  }

  Rpc.Range range(byte[] key, byte[] end, long limit, long revision, boolean keysOnly) {
    try {
      byte[] answer =
          endpoints.repeatable(Rpc.RANGE, Rpc.range(key, end, limit, revision, keysOnly));
      Rpc.Range range = Rpc.Range.decode(ProtoMessage.parse(answer));
      saw(range.revision());
      return range;
    } catch (GrpcException e) {
      if (e.detail().contains("revision has been compacted")) {
        throw new CompactedException(revision, compactRevision());
      }
      throw failure(e);
    }
  }

  /** The revision of the last change in etcd, by the word of its leader. */
  long currentRevision() {
    return range(marker, new byte[0], 1, 0, true).revision();
  }

  /** Makes a change that every follower of the root sees; returns its revision. */
  long mark() {
    return put(marker, new byte[0]);
  }

  /** Writes a key whatever it held; returns the revision. */
  long put(byte[] key, byte[] value) {
    try {
      long revision =
          Rpc.headerRevision(
              ProtoMessage.parse(endpoints.repeatable(Rpc.PUT, Rpc.put(key, value))));
      saw(revision);
      return revision;
    } catch (GrpcException e) {
      throw failure(e);
    }
  }

  /**
   * Tries a transaction until it was answered, or it is unknown what became of an attempt.
   *
   * @throws GrpcException transient, if the outcome is unknown
   */
  Rpc.Txn txn(byte[] request) {
    Rpc.Txn txn =
        Rpc.Txn.decode(
            endpoints.call(Rpc.TXN, request, Endpoints.PATIENCE, Endpoints::isUntouched));
    saw(txn.revision());
    return txn;
  }

  /** The revision up to which etcd has been compacted; 0 if never. */
  long compactRevision() {
    try (GrpcChannel.Call call = endpoints.stream(Rpc.WATCH, HISTORY_PATIENCE)) {
      // A watch from the very first change on is refused with the revision that is asked for here.
      call.send(Rpc.watch(marker, new byte[0], 1));
      for (byte[] message = call.next(); message != null; message = call.next()) {
        Rpc.WatchResponse response = Rpc.WatchResponse.decode(message);
        if (response.canceled()) {
          return response.compactRevision();
        }
        if (!response.created() || !response.events().isEmpty()) {
          return 0;
        }
      }
      throw new StoreException("etcd at " + endpoints + " ended a watch");
    } catch (GrpcException e) {
      endpoints.turnAway();
      throw failure(e);
    }
  }

  void compact(long revision) {
    try {
      endpoints.repeatable(Rpc.COMPACT, Rpc.compact(revision));
    } catch (GrpcException e) {
      if (e.detail().contains("revision has been compacted")) {
        long compacted = compactRevision();
        if (compacted != revision) {
          throw new CompactedException(revision, compacted);
        }
        return;
      }
      throw failure(e);
    }
  }

  GrpcChannel.Call follow(long afterRevision) {
    GrpcChannel.Call call = endpoints.stream(Rpc.WATCH);
    call.send(Rpc.watch(first, end, afterRevision + 1));
    return call;
  }

  /**
   * A piece of the past.
   *
   * @param last the revision up to which the changes are complete
   */
  record History(List<Rpc.Event> changes, long last) {}

  /**
   * Reads the changes under the root after one revision and up to another.
   *
   * @param upTo the revision of a change under the root, which has happened
   * @param keys which changes to return
   * @param limit how many changes to return, about
   */
  History history(long afterRevision, long upTo, Predicate<byte[]> keys, int limit) {
    List<Rpc.Event> changes = new ArrayList<>();
    try (GrpcChannel.Call call = endpoints.stream(Rpc.WATCH, HISTORY_PATIENCE)) {
      call.send(Rpc.watch(first, end, afterRevision + 1));
      for (byte[] message = call.next(); message != null; message = call.next()) {
        Rpc.WatchResponse response = Rpc.WatchResponse.decode(message);
        if (response.canceled()) {
          throw cancelled(afterRevision, response);
        }
        for (Rpc.Event event : response.events()) {
          if (event.entry().mod() <= upTo && keys.test(event.entry().key())) {
            changes.add(event);
          }
        }
        if (!response.events().isEmpty() && !response.fragment()) {
          long last = response.events().getLast().entry().mod();
          if (last >= upTo || changes.size() >= limit) {
            return new History(changes, Math.min(last, upTo));
          }
        }
      }
      throw new StoreException("etcd at " + endpoints + " ended a watch");
    } catch (GrpcException e) {
      endpoints.turnAway();
      throw failure(e);
    }
  }

  /** What a cancelled watch means. */
  StoreException cancelled(long afterRevision, Rpc.WatchResponse response) {
    return response.compactRevision() > 0
        ? new CompactedException(afterRevision, response.compactRevision())
        : new StoreException(
            "etcd at " + endpoints + " cancelled a watch: " + response.cancelReason());
  }

  StoreException failure(GrpcException e) {
    return Failures.of(endpoints, e);
  }

  static boolean same(byte[] one, byte[] other) {
    return Arrays.equals(one, other);
  }
}
