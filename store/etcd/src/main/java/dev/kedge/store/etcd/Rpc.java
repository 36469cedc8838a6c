package dev.kedge.store.etcd;

import dev.kedge.grpc.ProtoMessage;
import dev.kedge.grpc.ProtoWriter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The messages of etcd's v3 API that are used here, by their field numbers in etcd's {@code
 * rpc.proto} and {@code kv.proto}.
 */
final class Rpc {
  static final String RANGE = "/etcdserverpb.KV/Range";
  static final String PUT = "/etcdserverpb.KV/Put";
  static final String TXN = "/etcdserverpb.KV/Txn";
  static final String COMPACT = "/etcdserverpb.KV/Compact";
  static final String WATCH = "/etcdserverpb.Watch/Watch";

  private static final int TARGET_MOD = 2;

  private Rpc() {}

  /** A key with its value; {@code mod} is the revision of its last change. */
  record KeyValue(byte[] key, byte[] value, long create, long mod) {
    static KeyValue decode(ProtoMessage in) {
      return new KeyValue(in.bytes(1), in.bytes(5), in.integer(2), in.integer(3));
    }
  }

  /**
   * What a range holds.
   *
   * @param count keys in the whole range
   */
  record Range(long revision, List<KeyValue> entries, boolean more, long count) {
    static Range decode(ProtoMessage in) {
      return new Range(
          headerRevision(in), in.messages(2, KeyValue::decode), in.bool(3), in.integer(4));
    }
  }

  /** What became of a transaction; {@code found} is what the failure branch read. */
  record Txn(long revision, boolean succeeded, List<KeyValue> found) {
    static Txn decode(byte[] bytes) {
      ProtoMessage in = ProtoMessage.parse(bytes);
      boolean succeeded = in.bool(2);
      return new Txn(
          headerRevision(in),
          succeeded,
          succeeded ? List.of() : Range.decode(in.message(3).message(1)).entries());
    }
  }

  /** One change, as a watch tells it; {@code previous} is the entry it replaced. */
  record Event(boolean delete, KeyValue entry, @Nullable KeyValue previous) {
    static Event decode(ProtoMessage in) {
      return new Event(
          in.integer(1) == 1,
          KeyValue.decode(in.message(2)),
          in.has(3) ? KeyValue.decode(in.message(3)) : null);
    }
  }

  /**
   * A message of a watch.
   *
   * @param fragment whether the next message goes on with the same revision's events
   */
  record WatchResponse(
      long revision,
      boolean created,
      boolean canceled,
      long compactRevision,
      String cancelReason,
      boolean fragment,
      List<Event> events) {
    static WatchResponse decode(byte[] bytes) {
      ProtoMessage in = ProtoMessage.parse(bytes);
      return new WatchResponse(
          headerRevision(in),
          in.bool(3),
          in.bool(4),
          in.integer(5),
          in.string(6),
          in.bool(7),
          in.messages(11, Event::decode));
    }
  }

  static long headerRevision(ProtoMessage in) {
    return in.message(1).integer(3);
  }

  /**
   * Encodes a linearisable read.
   *
   * @param end exclusive; empty for the one key
   * @param revision 0 for the current one
   */
  static byte[] range(byte[] key, byte[] end, long limit, long revision, boolean keysOnly) {
    return range(new ProtoWriter(), key, end, limit, revision, keysOnly).bytes();
  }

  private static ProtoWriter range(
      ProtoWriter out, byte[] key, byte[] end, long limit, long revision, boolean keysOnly) {
    return out.bytes(1, key).bytes(2, end).integer(3, limit).integer(4, revision).bool(8, keysOnly);
  }

  static byte[] put(byte[] key, byte[] value) {
    return new ProtoWriter().bytes(1, key).bytes(2, value).bytes();
  }

  /** If the key's last change has a revision (0: there is no such key), puts; else reads it. */
  static byte[] putIf(byte[] key, long mod, byte[] value) {
    return txn(key, mod)
        .message(2, op -> op.message(2, put -> put.bytes(1, key).bytes(2, value)))
        .message(3, op -> op.message(1, read -> range(read, key, new byte[0], 0, 0, false)))
        .bytes();
  }

  /** If the key's last change has a revision, deletes; else reads it. */
  static byte[] deleteIf(byte[] key, long mod) {
    return txn(key, mod)
        .message(2, op -> op.message(3, delete -> delete.bytes(1, key)))
        .message(3, op -> op.message(1, read -> range(read, key, new byte[0], 0, 0, false)))
        .bytes();
  }

  private static ProtoWriter txn(byte[] key, long mod) {
    return new ProtoWriter()
        .message(1, compare -> compare.integer(2, TARGET_MOD).bytes(3, key).integer(6, mod));
  }

  static byte[] compact(long revision) {
    return new ProtoWriter().integer(1, revision).bytes();
  }

  /** Asks for the changes in a range from a revision on, with what they replaced. */
  static byte[] watch(byte[] key, byte[] end, long startRevision) {
    return new ProtoWriter()
        .message(
            1,
            create ->
                create
                    .bytes(1, key)
                    .bytes(2, end)
                    .integer(3, startRevision)
                    .bool(6, true)
                    .bool(8, true))
        .bytes();
  }
}
