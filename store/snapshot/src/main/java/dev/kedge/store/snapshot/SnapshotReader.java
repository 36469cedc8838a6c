package dev.kedge.store.snapshot;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.kedge.lifecycle.UserException;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Optional;
import java.util.function.Function;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/**
 * Reads what {@link SnapshotWriter} wrote, from a stream. What was cut short or altered is refused,
 * at the latest at its end, and so is a key that does not fit: {@link UserException}, with the next
 * step.
 */
public final class SnapshotReader implements Records {
  private static final int LONGEST_HEAD = 64 * 1024;
  private static final int LONGEST_KEY = 64 * 1024;
  private static final int LONGEST_VALUE = 256 << 20;

  private final String name;
  private final Checksum.Input checksum;
  private final SnapshotHeader header;
  private final DataInputStream records;
  private long count;
  private boolean ended;

  private SnapshotReader(
      String name, Checksum.Input checksum, SnapshotHeader header, DataInputStream records) {
    this.name = name;
    this.checksum = checksum;
    this.header = header;
    this.records = records;
  }

  /**
   * Begins to read.
   *
   * @param name for messages
   * @param keys the operator's secrets
   * @throws UserException if this is no snapshot, or one of a newer kedge, or it cannot be opened
   */
  public static SnapshotReader open(
      InputStream in, String name, Function<SnapshotKey.Kind, Optional<SnapshotKey>> keys)
      throws IOException {
    Checksum.Input checksum = new Checksum.Input(in);
    Head head = Head.read(checksum, name);
    InputStream body = checksum;
    if (head.header().encryption().isPresent()) {
      SnapshotHeader.Encryption with = head.header().encryption().get();
      SnapshotKey key = keys.apply(with.secret()).orElseThrow(() -> noKey(name, with.secret()));
      body =
          new Sealing.Input(
              checksum,
              key.derive(with.salt(), with.rounds()),
              Checksum.sha256().digest(head.text()));
    }
    try {
      if (head.header().compressed()) {
        body = new GZIPInputStream(body, 32 * 1024);
      }
      return new SnapshotReader(
          name,
          checksum,
          head.header(),
          new DataInputStream(new BufferedInputStream(body, 32 * 1024)));
    } catch (IOException e) {
      throw explained(e, name, head.header());
    }
  }

  /**
   * Reads the header alone; empty where this is no snapshot that this version can read.
   *
   * @param in of which no more than a few KB are read
   */
  static Optional<SnapshotHeader> peek(InputStream in) throws IOException {
    try {
      return Optional.of(Head.read(in, "").header());
    } catch (UserException e) {
      return Optional.empty();
    }
  }

  /** Refuses what is no snapshot that this version can read. */
  static void requireHead(InputStream in, String name) throws IOException {
    Head.read(in, name);
  }

  /** The two lines. */
  private record Head(byte[] text, SnapshotHeader header) {
    static Head read(InputStream in, String name) throws IOException {
      ByteArrayOutputStream text = new ByteArrayOutputStream();
      String first = line(in, text, name, true);
      String format = first.substring(SnapshotWriter.MAGIC.length());
      if (!format.equals("" + SnapshotWriter.FORMAT)) {
        throw new UserException(
            "the snapshot %s is of a newer kedge (format %s, this version knows %d); update kedge, then try again"
                .formatted(name, format, SnapshotWriter.FORMAT));
      }
      int begun = text.size();
      line(in, text, name, false);
      byte[] all = text.toByteArray();
      byte[] json = java.util.Arrays.copyOfRange(all, begun, all.length);
      return new Head(all, SnapshotHeader.parse(json).orElseThrow(() -> damaged(name, null)));
    }

    private static String line(
        InputStream in, ByteArrayOutputStream text, String name, boolean first) throws IOException {
      int begun = text.size();
      while (true) {
        int b = in.read();
        int at = text.size() - begun;
        if (first && at < SnapshotWriter.MAGIC.length() && b != SnapshotWriter.MAGIC.charAt(at)) {
          throw b < 0
              ? damaged(name, null)
              : new UserException(
                  name
                      + " is no snapshot of kedge's; kedge snapshot list shows those that there"
                      + " are");
        }
        if (b < 0 || text.size() > LONGEST_HEAD) {
          throw damaged(name, null);
        }
        text.write(b);
        if (b == '\n') {
          return text.toString(UTF_8).substring(begun).strip();
        }
      }
    }
  }

  /** What the snapshot says of itself. */
  public SnapshotHeader header() {
    return header;
  }

  @Override
  public Optional<Entry> next() throws IOException {
    if (ended) {
      return Optional.empty();
    }
    try {
      int length = records.readInt();
      if (length == 0) {
        ended = true;
        if (records.readLong() != count || !checksum.fits()) {
          throw damaged(name, null);
        }
        return Optional.empty();
      }
      String key = new String(bytes(length, LONGEST_KEY), UTF_8);
      byte[] value = bytes(records.readInt(), LONGEST_VALUE);
      count++;
      return Optional.of(new Entry(key, value));
    } catch (IOException e) {
      throw explained(e, name, header);
    }
  }

  private byte[] bytes(int length, int most) throws IOException {
    if (length < 0 || length > most) {
      throw new EOFException("a length of " + length);
    }
    byte[] bytes = records.readNBytes(length);
    if (bytes.length < length) {
      throw new EOFException();
    }
    return bytes;
  }

  @Override
  public void close() throws IOException {
    checksum.close();
  }

  /** Only a source that breaks off is not the snapshot's fault. */
  private static IOException explained(IOException e, String name, SnapshotHeader header) {
    return switch (e) {
      case Sealing.BrokenSealException seal when seal.atOnce() ->
          throw wrongKey(name, header.encryption().orElseThrow().secret(), e);
      case Sealing.BrokenSealException _, EOFException _, ZipException _ -> throw damaged(name, e);
      default -> e;
    };
  }

  static UserException damaged(String name, @Nullable Throwable cause) {
    String message =
        "the snapshot "
            + name
            + " is damaged: it was cut short or altered; take another one (kedge snapshot list)";
    return cause == null ? new UserException(message) : new UserException(message, cause);
  }

  private static UserException noKey(String name, SnapshotKey.Kind secret) {
    return new UserException(
        switch (secret) {
          case TOKEN ->
              "the snapshot "
                  + name
                  + " is encrypted with its cluster's token; give that with --token";
          case PASSPHRASE ->
              "the snapshot "
                  + name
                  + " is encrypted with a passphrase; give its file with"
                  + " --snapshot-passphrase-file";
        });
  }

  private static UserException wrongKey(String name, SnapshotKey.Kind secret, Throwable cause) {
    return new UserException(
        switch (secret) {
          case TOKEN ->
              "the snapshot "
                  + name
                  + " is encrypted with another token; give that of its cluster with --token (it"
                  + " was in server/token in the data directory of the server that took it)";
          case PASSPHRASE ->
              "the snapshot "
                  + name
                  + " is encrypted with another passphrase; give its file with"
                  + " --snapshot-passphrase-file";
        },
        cause);
  }
}
