package dev.kedge.store.cache;

import java.lang.ref.WeakReference;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One version of one object: its bytes as served, resource version included, and its index row.
 * Immutable and shared by all readers; do not change the bytes.
 */
public final class Item {
  private final String key;
  private final byte[] json;
  private final IndexRow row;
  private final long createRevision;
  private final long revision;
  private volatile @Nullable WeakReference<Object> shared;
  private volatile int length;

  Item(String key, byte[] json, IndexRow row, long createRevision, long revision) {
    this.key = key;
    this.json = json;
    this.row = row;
    this.createRevision = createRevision;
    this.revision = revision;
  }

  public String key() {
    return key;
  }

  /** The object's JSON with {@code metadata.resourceVersion} in it. */
  public byte[] json() {
    return json;
  }

  public IndexRow row() {
    return row;
  }

  public long createRevision() {
    return createRevision;
  }

  /** The revision of this version: the expected revision of an update, the resource version. */
  public long revision() {
    return revision;
  }

  /**
   * A form made of this version on demand and shared by all who use it at the same time, such as a
   * parsed tree or another encoding. It lives as long as somebody holds it, no longer. One item has
   * one such form: always ask with the same maker.
   */
  @SuppressWarnings("unchecked")
  public <T> T shared(Function<Item, T> maker) {
    WeakReference<Object> known = shared;
    Object value = known == null ? null : known.get();
    if (value == null) {
      // Two threads may both make it; the later one wins, both are right.
      value = maker.apply(this);
      shared = new WeakReference<>(value);
    }
    return (T) value;
  }

  /**
   * The length of another encoding of this version, which lists must know before they write it; 0
   * until somebody {@link #encodedLength(int) says} it. One item has one such encoding.
   */
  public int encodedLength() {
    return length;
  }

  public void encodedLength(int found) {
    length = found;
  }

  /** The same object with another resource version: how a deletion is told. */
  Item at(long otherRevision) {
    return new Item(
        key,
        ResourceVersions.replace(json, revision, otherRevision),
        row,
        createRevision,
        otherRevision);
  }

  @Override
  public String toString() {
    return key + "@" + revision;
  }
}
