package dev.kedge.store.snapshot;

import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/** A stream that ends with the SHA-256 of everything before. */
final class Checksum {
  static final int LENGTH = 32;

  private Checksum() {}

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("this Java runtime has no SHA-256", e);
    }
  }

  /** Counts along; {@link #finish} writes the checksum. */
  static final class Output extends FilterOutputStream {
    private final MessageDigest digest = sha256();

    Output(OutputStream out) {
      super(out);
    }

    @Override
    public void write(int b) throws IOException {
      digest.update((byte) b);
      out.write(b);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      digest.update(bytes, offset, length);
      out.write(bytes, offset, length);
    }

    void finish() throws IOException {
      out.write(digest.digest());
      out.flush();
    }
  }

  /** Keeps the checksum at the end back, and compares. */
  static final class Input extends InputStream {
    private final InputStream in;
    private final MessageDigest digest = sha256();
    private final byte[] buffer = new byte[64 * 1024];
    private int from;
    private int to;
    private boolean ended;

    Input(InputStream in) {
      this.in = in;
    }

    @Override
    public int read() throws IOException {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] target, int offset, int length) throws IOException {
      if (length == 0) {
        return 0;
      }
      while (to - from <= LENGTH && !ended) {
        System.arraycopy(buffer, from, buffer, 0, to - from);
        to -= from;
        from = 0;
        int count = in.read(buffer, to, buffer.length - to);
        ended = count < 0;
        to += Math.max(count, 0);
      }
      int count = Math.min(length, to - from - LENGTH);
      if (count <= 0) {
        return -1;
      }
      System.arraycopy(buffer, from, target, offset, count);
      digest.update(target, offset, count);
      from += count;
      return count;
    }

    /** Reads what is left; whether the checksum at the end is that of everything before. */
    boolean fits() throws IOException {
      byte[] rest = new byte[8192];
      while (read(rest, 0, rest.length) >= 0) {
        // The digest counts along.
      }
      return to - from == LENGTH
          && MessageDigest.isEqual(digest.digest(), Arrays.copyOfRange(buffer, from, to));
    }

    @Override
    public void close() throws IOException {
      in.close();
    }
  }
}
