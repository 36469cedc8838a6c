package dev.kedge.store.snapshot;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.SecretKey;
import javax.crypto.spec.GCMParameterSpec;
import org.jspecify.annotations.Nullable;

/**
 * AES-256-GCM over a stream of any length, a chunk at a time (the construction known as STREAM): a
 * chunk's nonce is its number and whether it is the last, so none can be left out, moved or cut
 * off. A key is for one stream. On the wire: four bytes of length, of which the first bit says that
 * this is the last chunk, then the ciphertext with its tag.
 */
final class Sealing {
  private static final int CHUNK = 64 * 1024;
  private static final int TAG = 16;
  private static final int LAST = 1 << 31;

  private Sealing() {}

  private static Cipher cipher(
      int mode, SecretKey key, long number, boolean last, byte[] associated) {
    byte[] nonce = ByteBuffer.allocate(12).putInt(last ? 1 : 0).putLong(number).array();
    try {
      Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
      cipher.init(mode, key, new GCMParameterSpec(8 * TAG, nonce));
      cipher.updateAAD(associated);
      return cipher;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no AES-256-GCM", e);
    }
  }

  /** The chunks do not fit the key, or each other. */
  static final class BrokenSealException extends IOException {
    private final long chunk;

    BrokenSealException(long chunk, Throwable cause) {
      super("chunk " + chunk + " cannot be opened", cause);
      this.chunk = chunk;
    }

    /** Whether not even the first one could be opened. */
    boolean atOnce() {
      return chunk == 0;
    }
  }

  /** Encrypts what is written; closing writes the last chunk and leaves the target open. */
  static final class Output extends OutputStream {
    private final DataOutputStream out;
    private final SecretKey key;
    private final byte[] associated;
    private final byte[] buffer = new byte[CHUNK];
    private int filled;
    private long number;
    private boolean closed;

    Output(OutputStream out, SecretKey key, byte[] associated) {
      this.out = new DataOutputStream(out);
      this.key = key;
      this.associated = associated;
    }

    @Override
    public void write(int b) throws IOException {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      int from = offset;
      int left = length;
      while (left > 0) {
        if (filled == CHUNK) {
          seal(false);
        }
        int count = Math.min(left, CHUNK - filled);
        System.arraycopy(bytes, from, buffer, filled, count);
        filled += count;
        from += count;
        left -= count;
      }
    }

    private void seal(boolean last) throws IOException {
      try {
        byte[] sealed =
            cipher(Cipher.ENCRYPT_MODE, key, number++, last, associated).doFinal(buffer, 0, filled);
        out.writeInt(last ? sealed.length | LAST : sealed.length);
        out.write(sealed);
        filled = 0;
      } catch (GeneralSecurityException e) {
        throw new IllegalStateException("a chunk cannot be encrypted", e);
      }
    }

    @Override
    public void close() throws IOException {
      if (!closed) {
        closed = true;
        seal(true);
        out.flush();
      }
    }
  }

  /**
   * Decrypts what is read.
   *
   * <p>{@link BrokenSealException} and {@link EOFException} mean that it is not what was written.
   */
  static final class Input extends InputStream {
    private final DataInputStream in;
    private final SecretKey key;
    private final byte[] associated;
    private byte @Nullable [] chunk;
    private int position;
    private long number;
    private boolean last;

    Input(InputStream in, SecretKey key, byte[] associated) {
      this.in = new DataInputStream(in);
      this.key = key;
      this.associated = associated;
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
      byte[] open = chunk;
      while (open == null || position == open.length) {
        if (last) {
          return -1;
        }
        open = next();
      }
      int count = Math.min(length, open.length - position);
      System.arraycopy(open, position, target, offset, count);
      position += count;
      return count;
    }

    private byte[] next() throws IOException {
      int head = in.readInt();
      last = head < 0;
      int length = head & ~LAST;
      if (length < TAG || length > CHUNK + TAG) {
        throw new EOFException("a chunk of " + length + " bytes");
      }
      byte[] sealed = new byte[length];
      in.readFully(sealed);
      try {
        byte[] open = cipher(Cipher.DECRYPT_MODE, key, number, last, associated).doFinal(sealed);
        number++;
        position = 0;
        chunk = open;
        return open;
      } catch (AEADBadTagException e) {
        throw new BrokenSealException(number, e);
      } catch (GeneralSecurityException e) {
        throw new IllegalStateException("a chunk cannot be decrypted", e);
      }
    }
  }
}
