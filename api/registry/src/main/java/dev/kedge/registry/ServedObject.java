package dev.kedge.registry;

import dev.kedge.model.FieldFilter;
import dev.kedge.model.Json;
import dev.kedge.model.KubeObject;
import org.jspecify.annotations.Nullable;

/**
 * An object as it goes out: its JSON bytes, resource version included, and its tree when somebody
 * asks for it. Immutable; shared by every reader of the same revision. Do not change the bytes.
 */
public final class ServedObject {
  private final byte[] json;
  private volatile @Nullable KubeObject tree;

  private ServedObject(byte[] json, @Nullable KubeObject tree) {
    this.json = json;
    this.tree = tree;
  }

  /** From bytes as stored and served. */
  public static ServedObject of(byte[] json) {
    return new ServedObject(json, null);
  }

  /** From a tree, for answers that are made and not stored. */
  public static ServedObject of(KubeObject tree) {
    return new ServedObject(Json.bytes(tree.json()), tree);
  }

  /** From both forms of the same object. */
  static ServedObject of(byte[] json, KubeObject tree) {
    return new ServedObject(json, tree);
  }

  /** The JSON form in UTF-8. */
  public byte[] json() {
    return json;
  }

  /** The parsed form; parsed at most a few times, kept afterwards as long as this object lives. */
  public KubeObject tree() {
    KubeObject known = tree;
    if (known == null) {
      known = KubeObject.parse(json);
      tree = known;
    }
    return known;
  }

  /**
   * The parsed form for one look: not kept, so that a list of many objects does not hold all their
   * trees at once.
   */
  public KubeObject glance() {
    KubeObject known = tree;
    return known == null ? KubeObject.parse(json) : known;
  }

  /** A part of the parsed form, without the whole being made; not kept. */
  public KubeObject part(FieldFilter filter) {
    KubeObject known = tree;
    return known == null ? KubeObject.parse(json, filter) : new KubeObject(filter.of(known.json()));
  }
}
