package dev.kedge.store.cache;

import java.nio.charset.StandardCharsets;

/**
 * Puts resource versions into stored JSON. Objects are stored without one, compact, with {@code
 * kind}, {@code apiVersion} and {@code metadata} first, so the first {@code "metadata":{} is the
 * object's own.
 */
public final class ResourceVersions {
  private static final byte[] METADATA = "\"metadata\":{".getBytes(StandardCharsets.US_ASCII);
  private static final byte[] FIELD = "\"resourceVersion\":\"".getBytes(StandardCharsets.US_ASCII);

  private ResourceVersions() {}

  /**
   * The served form of stored bytes: {@code "resourceVersion":"N"} as metadata's first field.
   *
   * @throws IllegalArgumentException if the bytes have no metadata
   */
  public static byte[] splice(byte[] stored, long revision) {
    int at = afterMetadata(stored);
    byte[] number = Long.toString(revision).getBytes(StandardCharsets.US_ASCII);
    boolean last = stored[at] == '}';
    int extra = FIELD.length + number.length + (last ? 1 : 2);
    byte[] served = new byte[stored.length + extra];
    System.arraycopy(stored, 0, served, 0, at);
    System.arraycopy(FIELD, 0, served, at, FIELD.length);
    int to = at + FIELD.length;
    System.arraycopy(number, 0, served, to, number.length);
    to += number.length;
    served[to++] = '"';
    if (!last) {
      served[to++] = ',';
    }
    System.arraycopy(stored, at, served, to, stored.length - at);
    return served;
  }

  /** Served bytes with another resource version in place of the one that was spliced in. */
  static byte[] replace(byte[] served, long oldRevision, long newRevision) {
    byte[] number = Long.toString(newRevision).getBytes(StandardCharsets.US_ASCII);
    int oldLength = Long.toString(oldRevision).length();
    int at = afterMetadata(served) + FIELD.length;
    byte[] changed = new byte[served.length - oldLength + number.length];
    System.arraycopy(served, 0, changed, 0, at);
    System.arraycopy(number, 0, changed, at, number.length);
    int rest = at + oldLength;
    System.arraycopy(served, rest, changed, at + number.length, served.length - rest);
    return changed;
  }

  private static int afterMetadata(byte[] json) {
    int end = json.length - METADATA.length;
    for (int i = 0; i < end; i++) {
      if (json[i] == '"' && matches(json, i)) {
        return i + METADATA.length;
      }
    }
    throw new IllegalArgumentException("stored object has no metadata");
  }

  private static boolean matches(byte[] json, int at) {
    for (int i = 1; i < METADATA.length; i++) {
      if (json[at + i] != METADATA[i]) {
        return false;
      }
    }
    return true;
  }
}
