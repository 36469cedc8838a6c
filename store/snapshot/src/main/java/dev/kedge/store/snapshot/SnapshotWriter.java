package dev.kedge.store.snapshot;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.security.SecureRandom;
import java.util.Optional;
import java.util.zip.GZIPOutputStream;

/**
 * Writes a snapshot to a stream. The format, number 1:
 *
 * <pre>
 * kedge snapshot 1 \n
 * the header as a JSON object in one line \n
 * body: records; compressed with gzip if the header says so; then sealed if it says so
 * SHA-256 of everything before, 32 bytes
 *
 * record: length of the key (4 bytes, big-endian, not 0), key in UTF-8, length of the value, value
 * the last one is followed by a 0 of 4 bytes and the number of records, 8 bytes
 * </pre>
 *
 * How the body is sealed is {@link Sealing}'s; the SHA-256 of the two lines is authenticated with
 * it. Memory does not grow with the data.
 */
public final class SnapshotWriter {
  static final String MAGIC = "kedge snapshot ";
  static final int FORMAT = 1;
  private static final int SALT = 16;

  private final Checksum.Output checksum;
  private final DataOutputStream out;
  private long count;

  private SnapshotWriter(Checksum.Output checksum, OutputStream body) {
    this.checksum = checksum;
    this.out = new DataOutputStream(new BufferedOutputStream(body, 32 * 1024));
  }

  /**
   * Writes a whole snapshot.
   *
   * @param out stays open
   * @param key to encrypt it with
   * @return how many records it has
   */
  public static long write(
      OutputStream out, SnapshotHeader header, Optional<SnapshotKey> key, Records records)
      throws IOException {
    SnapshotWriter writer = begin(out, header, key);
    for (Optional<Records.Entry> next = records.next(); next.isPresent(); next = records.next()) {
      writer.add(next.get());
    }
    writer.finish();
    return writer.count;
  }

  private static SnapshotWriter begin(
      OutputStream out, SnapshotHeader plain, Optional<SnapshotKey> key) throws IOException {
    SnapshotHeader header = plain;
    if (key.isPresent()) {
      byte[] salt = new byte[SALT];
      new SecureRandom().nextBytes(salt);
      header =
          plain.encrypted(
              new SnapshotHeader.Encryption(key.get().kind(), salt, SnapshotHeader.ROUNDS));
    }
    byte[] head = (MAGIC + FORMAT + "\n" + header.toJson() + "\n").getBytes(UTF_8);
    Checksum.Output checksum = new Checksum.Output(out);
    checksum.write(head);
    OutputStream body = new Unclosed(checksum);
    if (key.isPresent()) {
      SnapshotHeader.Encryption with = header.encryption().orElseThrow();
      body =
          new Sealing.Output(
              body, key.get().derive(with.salt(), with.rounds()), Checksum.sha256().digest(head));
    }
    if (header.compressed()) {
      body = new GZIPOutputStream(body, 32 * 1024);
    }
    return new SnapshotWriter(checksum, body);
  }

  private void add(Records.Entry entry) throws IOException {
    byte[] key = entry.key().getBytes(UTF_8);
    out.writeInt(key.length);
    out.write(key);
    out.writeInt(entry.value().length);
    out.write(entry.value());
    count++;
  }

  private void finish() throws IOException {
    out.writeInt(0);
    out.writeLong(count);
    out.close();
    checksum.finish();
  }

  /** The checksum follows when the body has ended. */
  private static final class Unclosed extends java.io.FilterOutputStream {
    Unclosed(OutputStream out) {
      super(out);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
      out.write(bytes, offset, length);
    }

    @Override
    public void close() {
      // As said.
    }
  }
}
