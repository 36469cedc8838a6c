package dev.kedge.registry;

import dev.kedge.model.FieldFilter;
import dev.kedge.model.Json;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Protobuf;
import dev.kedge.model.ProtobufWriter;
import dev.kedge.model.Schema;
import dev.kedge.store.cache.Item;
import org.jspecify.annotations.Nullable;

/**
 * An object as it goes out: its JSON bytes, resource version included, and its tree when somebody
 * asks for it. Immutable; shared by every reader of the same revision. Do not change the bytes.
 */
public final class ServedObject {
  private final byte[] json;
  private final @Nullable Item item;
  private volatile @Nullable KubeObject tree;
  private volatile byte @Nullable [] message;

  private ServedObject(byte[] json, @Nullable Item item, @Nullable KubeObject tree) {
    this.json = json;
    this.item = item;
    this.tree = tree;
  }

  /** From bytes as stored and served. */
  public static ServedObject of(byte[] json) {
    return new ServedObject(json, null, null);
  }

  /** From a tree, for answers that are made and not stored. */
  public static ServedObject of(KubeObject tree) {
    return new ServedObject(Json.bytes(tree.json()), null, tree);
  }

  /** From both forms of the same object. */
  static ServedObject of(byte[] json, KubeObject tree) {
    return new ServedObject(json, null, tree);
  }

  /** From a cached version. */
  static ServedObject of(Item item) {
    return new ServedObject(item.json(), item, null);
  }

  /** The JSON form in UTF-8. */
  public byte[] json() {
    return json;
  }

  /** The parsed form; parsed at most a few times, kept afterwards as long as this object lives. */
  public KubeObject tree() {
    KubeObject known = tree;
    if (known == null) {
      known = new KubeObject(Json.parseStored(json));
      tree = known;
    }
    return known;
  }

  /**
   * The parsed form for one look: not kept, so that a list of many objects does not hold all their
   * trees at once.
   */
  public KubeObject glance() {
    return glance((_, _) -> true);
  }

  /** A part of the parsed form, for one look. */
  public KubeObject glance(FieldFilter filter) {
    KubeObject known = tree;
    return known == null ? new KubeObject(Json.glance(json, filter)) : known;
  }

  /** A part of the parsed form, without the whole being made; kept by the caller only. */
  public KubeObject part(FieldFilter filter) {
    KubeObject known = tree;
    return new KubeObject(known == null ? Json.parseStored(json, filter) : filter.of(known.json()));
  }

  /**
   * The bare protobuf message, made once and kept as long as this object lives: a thousand watches
   * send the same.
   */
  public byte[] message(Schema schema) {
    byte[] known = message;
    if (known == null) {
      known = Protobuf.encodeMessage(schema, json);
      message = known;
    }
    return known;
  }

  /**
   * The length of {@link #message}, which is not kept but remembered with the cached version: a
   * list's length comes before its items, and those must not all be held until it is known.
   */
  public int messageLength(Schema schema, ProtobufWriter writer) {
    int known = item == null ? 0 : item.encodedLength();
    if (known == 0) {
      writer.message(schema, json);
      known = writer.length();
      if (item != null) {
        item.encodedLength(known);
      }
    }
    return known;
  }
}
