package dev.kedge.apiserver;

import dev.kedge.http.Headers;
import java.io.IOException;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.zip.Deflater;
import java.util.zip.GZIPOutputStream;
import org.jspecify.annotations.Nullable;

/**
 * A body of a size that nobody knows before it is written. A small one goes out whole when it is
 * closed; of a large one no more is held than fits this stream's buffer, however slowly the client
 * reads: two hundred clients that list at once must not fill the memory with two hundred lists.
 *
 * <p>Not closed after a failure: an answer that has begun is cut off then, and one that has not can
 * still become another.
 */
final class AnswerStream extends OutputStream {
  /** Bodies from this size on are compressed for clients that accept it, as upstream. */
  static final int COMPRESSED_FROM = 128 * 1024;

  private final Call call;
  private final int status;
  private final Headers headers;
  private byte[] buffer = new byte[4 * 1024];
  private int length;
  private @Nullable OutputStream out;

  AnswerStream(Call call, int status, Headers headers) {
    this.call = call;
    this.status = status;
    this.headers = headers;
  }

  @Override
  public void write(int b) throws IOException {
    if (length == buffer.length) {
      makeRoom(1);
    }
    buffer[length++] = (byte) b;
  }

  @Override
  public void write(byte[] source, int offset, int count) throws IOException {
    if (count > buffer.length - length) {
      makeRoom(count);
      if (count > buffer.length - length) {
        send(source, offset, count);
        return;
      }
    }
    System.arraycopy(source, offset, buffer, length, count);
    length += count;
  }

  /** Grows the buffer, or empties it when it is as large as it may become. */
  private void makeRoom(int more) throws IOException {
    if (out == null && length + more < COMPRESSED_FROM) {
      buffer =
          Arrays.copyOf(
              buffer, Math.min(COMPRESSED_FROM, Math.max(2 * buffer.length, length + more)));
      return;
    }
    send(buffer, 0, length);
    length = 0;
  }

  private void send(byte[] source, int offset, int count) throws IOException {
    started().write(source, offset, count);
    call.sent(count);
  }

  private OutputStream started() throws IOException {
    OutputStream known = out;
    if (known != null) {
      return known;
    }
    OutputStream begun =
        Answers.acceptsGzip(call)
            ? compressed(
                call.stream(
                    status, headers.and("Content-Encoding", "gzip").and("Vary", "Accept-Encoding")))
            : call.stream(status, headers);
    out = begun;
    return begun;
  }

  private static OutputStream compressed(OutputStream out) throws IOException {
    return new GZIPOutputStream(out, 8 * 1024) {
      {
        // Level 1, as upstream: a fifth of the time for nearly the same size.
        def.setLevel(Deflater.BEST_SPEED);
      }
    };
  }

  @Override
  public void close() throws IOException {
    if (out == null) {
      call.respond(status, headers, Arrays.copyOf(buffer, length));
      return;
    }
    send(buffer, 0, length);
    out.close();
  }
}
