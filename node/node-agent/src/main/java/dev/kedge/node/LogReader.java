package dev.kedge.node;

import dev.kedge.model.Times;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.ClosedWatchServiceException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Reads container logs in CRI's form: a line is {@code <time> <stream> <tags> <text>}, where the
 * tag P marks a part whose line goes on. Follows a growing file by file events, through rotation.
 */
final class LogReader {
  /**
   * What to read.
   *
   * @param tailLines how many lines from the end; -1 for all
   * @param since only lines from then on
   * @param limitBytes stop after so many; -1 for no limit
   * @param stream stdout or stderr; empty for both
   */
  record Options(
      boolean follow,
      long tailLines,
      Optional<Instant> since,
      boolean timestamps,
      long limitBytes,
      String stream) {}

  private final Path file;
  private final Options options;
  private final OutputStream out;
  // Whether the container still runs: a log that ends then will not grow.
  private final BooleanSupplier running;
  private final WatchService watch;
  private volatile boolean ended;
  private volatile boolean gone;
  private long budget;
  private boolean startOfLine = true;

  LogReader(Path file, Options options, OutputStream out, BooleanSupplier running)
      throws IOException {
    watch = FileSystems.getDefault().newWatchService();
    this.file = file;
    this.options = options;
    this.out = out;
    this.running = running;
    budget = options.limitBytes() < 0 ? Long.MAX_VALUE : options.limitBytes();
  }

  /** The container has ended: what is written is read to its end, then the copy is complete. */
  void containerEnded() {
    ended = true;
    closeWatch();
  }

  /** Nobody reads any longer. */
  void readerGone() {
    gone = true;
    closeWatch();
  }

  private void closeWatch() {
    try {
      watch.close();
    } catch (IOException e) {
      System.getLogger("dev.kedge.node").log(System.Logger.Level.DEBUG, "closing a watch", e);
    }
  }

  /** Copies the log; with follow until the container has ended or the reader is gone. */
  void copy() throws IOException, InterruptedException {
    try (watch) {
      Path directory = file.toAbsolutePath().getParent();
      if (options.follow() && directory != null) {
        try {
          directory.register(
              watch, StandardWatchEventKinds.ENTRY_CREATE, StandardWatchEventKinds.ENTRY_MODIFY);
        } catch (ClosedWatchServiceException e) {
          ended = true;
        }
      }
      follow();
    }
  }

  private void follow() throws IOException, InterruptedException {
    RandomAccessFile in = new RandomAccessFile(file.toFile(), "r");
    Object identity = identity();
    try {
      in.seek(options.tailLines() >= 0 ? tailOffset(in, options.tailLines()) : 0);
      Lines lines = new Lines(in);
      while (!gone) {
        // Asked before reading: what was written before the end is read after it.
        boolean alive = options.follow() && !ended && running.getAsBoolean();
        Object now = identity();
        if (!drain(lines)) {
          return;
        }
        out.flush();
        if (options.follow() && now != null && !now.equals(identity)) {
          // Rotated: the rest of the old file was just read, the new one begins.
          in.close();
          in = new RandomAccessFile(file.toFile(), "r");
          identity = now;
          lines = new Lines(in);
          continue;
        }
        if (!alive) {
          return;
        }
        try {
          // The time-out is a net under the container's exit event.
          WatchKey key = watch.poll(30, TimeUnit.SECONDS);
          if (key != null) {
            key.pollEvents();
            key.reset();
          }
        } catch (ClosedWatchServiceException e) {
          ended = true;
        }
      }
    } finally {
      in.close();
    }
  }

  /** Which file bears the name now; null between the old one's renaming and the new one. */
  private @Nullable Object identity() throws IOException {
    return Files.exists(file)
        ? Files.readAttributes(file, BasicFileAttributes.class).fileKey()
        : null;
  }

  /** Writes all complete lines; false when the limit is reached. */
  private boolean drain(Lines lines) throws IOException {
    for (byte[] line = lines.next(); line != null; line = lines.next()) {
      if (!write(line)) {
        return false;
      }
    }
    return true;
  }

  private boolean write(byte[] line) throws IOException {
    int timeEnd = indexOf(line, 0);
    int streamEnd = timeEnd < 0 ? -1 : indexOf(line, timeEnd + 1);
    int tagEnd = streamEnd < 0 ? -1 : indexOf(line, streamEnd + 1);
    if (tagEnd < 0) {
      return true; // not a line of a runtime
    }
    String stream =
        new String(line, timeEnd + 1, streamEnd - timeEnd - 1, StandardCharsets.US_ASCII);
    if (!options.stream().isEmpty() && !options.stream().equals(stream)) {
      return true;
    }
    String time = new String(line, 0, timeEnd, StandardCharsets.US_ASCII);
    if (options.since().isPresent() && before(time, options.since().get())) {
      return true;
    }
    boolean partial = line[streamEnd + 1] == 'P';
    byte[] text = Arrays.copyOfRange(line, tagEnd + 1, line.length);
    if (options.timestamps() && startOfLine) {
      byte[] prefix = (time + " ").getBytes(StandardCharsets.US_ASCII);
      byte[] whole = Arrays.copyOf(prefix, prefix.length + text.length);
      System.arraycopy(text, 0, whole, prefix.length, text.length);
      text = whole;
    }
    if (!partial) {
      text = Arrays.copyOf(text, text.length + 1);
      text[text.length - 1] = '\n';
    }
    startOfLine = !partial;
    int size = (int) Math.min(budget, text.length);
    out.write(text, 0, size);
    budget -= size;
    return budget > 0;
  }

  private static boolean before(String time, Instant since) {
    return Times.instant(time).map(written -> written.isBefore(since)).orElse(false);
  }

  private static int indexOf(byte[] line, int from) {
    for (int i = from; i < line.length; i++) {
      if (line[i] == ' ') {
        return i;
      }
    }
    return -1;
  }

  /** Where the last so many lines begin. */
  private static long tailOffset(RandomAccessFile in, long lines) throws IOException {
    long position = in.length();
    if (lines == 0) {
      return position;
    }
    byte[] block = new byte[8192];
    long found = 0;
    while (position > 0) {
      int size = (int) Math.min(block.length, position);
      position -= size;
      in.seek(position);
      in.readFully(block, 0, size);
      for (int i = size - 1; i >= 0; i--) {
        // The newline that ends the last line does not begin one.
        if (block[i] == '\n' && position + i < in.length() - 1 && ++found == lines) {
          return position + i + 1;
        }
      }
    }
    return 0;
  }

  /** The end of a log as text without times, for termination messages. */
  static String plainTail(Path file, int bytes, int lines) throws IOException {
    try (RandomAccessFile in = new RandomAccessFile(file.toFile(), "r")) {
      in.seek(tailOffset(in, lines));
      Lines reader = new Lines(in);
      Deque<String> all = new ArrayDeque<>();
      for (byte[] line = reader.next(); line != null; line = reader.next()) {
        String[] parts = new String(line, StandardCharsets.UTF_8).split(" ", 4);
        if (parts.length == 4) {
          all.add(parts[3] + (parts[2].startsWith("P") ? "" : "\n"));
        }
      }
      String text = String.join("", all);
      byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
      return utf8.length <= bytes
          ? text
          : new String(utf8, utf8.length - bytes, bytes, StandardCharsets.UTF_8);
    }
  }

  /** Complete lines of a growing file; a line without its end stays for later. */
  private static final class Lines {
    private final RandomAccessFile in;
    private byte[] buffer = new byte[16384];
    private int start;
    private int end;

    Lines(RandomAccessFile in) {
      this.in = in;
    }

    byte @Nullable [] next() throws IOException {
      int scanned = start;
      while (true) {
        for (int i = scanned; i < end; i++) {
          if (buffer[i] == '\n') {
            byte[] line = Arrays.copyOfRange(buffer, start, i);
            start = i + 1;
            return line;
          }
        }
        scanned = end;
        if (start > 0) {
          System.arraycopy(buffer, start, buffer, 0, end - start);
          end -= start;
          scanned -= start;
          start = 0;
        }
        if (end == buffer.length) {
          buffer = Arrays.copyOf(buffer, buffer.length * 2);
        }
        int count = in.read(buffer, end, buffer.length - end);
        if (count <= 0) {
          return null;
        }
        end += count;
      }
    }
  }
}
