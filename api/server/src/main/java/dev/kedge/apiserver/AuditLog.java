package dev.kedge.apiserver;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.kedge.apiserver.AuditPolicy.Level;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Stream;

/**
 * The audit log: one event a line, written before the request goes on. A file that has grown to its
 * size is put aside under the time of that moment; those too old or too many are removed. Any
 * thread.
 */
public final class AuditLog implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.kedge.apiserver");
  private static final DateTimeFormatter MOMENT =
      DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH-mm-ss.SSS").withZone(ZoneOffset.UTC);

  private final Settings settings;
  private final Clock clock;
  private final ReentrantLock lock = new ReentrantLock();
  private final Map<Level, LongAdder> levels = new EnumMap<>(Level.class);
  private final LongAdder events = new LongAdder();
  private final LongAdder errors = new LongAdder();
  // Guarded by the lock.
  private OutputStream out;
  private long size;

  /**
   * What is written where.
   *
   * @param path a file, or {@code -} for standard output
   * @param maxDays how long files that were put aside are kept; 0 for ever
   * @param maxFiles how many of them are kept; 0 for all
   * @param maxMegabytes when a file is put aside; 0 for never
   */
  public record Settings(
      AuditPolicy policy, String path, int maxDays, int maxFiles, int maxMegabytes) {}

  /**
   * Opens the log.
   *
   * @throws IOException if the file cannot be written
   */
  public AuditLog(Settings settings, Clock clock) throws IOException {
    this.settings = settings;
    this.clock = clock;
    for (Level level : Level.values()) {
      levels.put(level, new LongAdder());
    }
    this.out = open();
  }

  private boolean toFile() {
    return !settings.path().equals("-");
  }

  // A stream, not a channel: an interrupt of the request's thread would close a channel.
  private OutputStream open() throws IOException {
    if (!toFile()) {
      return System.out;
    }
    Path file = Path.of(settings.path()).toAbsolutePath();
    Files.createDirectories(file.getParent());
    if (!Files.exists(file)) {
      Files.createFile(
          file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
    }
    size = Files.size(file);
    return new FileOutputStream(file.toFile(), true);
  }

  AuditPolicy policy() {
    return settings.policy();
  }

  /** Counts a request by how much of it is audited. */
  void count(Level level) {
    levels.getOrDefault(level, new LongAdder()).increment();
  }

  /** Writes a line. A log that cannot be written is told in the server's log, not to clients. */
  void write(String line) {
    byte[] bytes = (line + "\n").getBytes(UTF_8);
    lock.lock();
    try {
      long most = settings.maxMegabytes() * 1024L * 1024;
      if (toFile() && most > 0 && size > 0 && size + bytes.length > most) {
        putAside();
      }
      out.write(bytes);
      out.flush();
      size += bytes.length;
      events.increment();
    } catch (IOException e) {
      errors.increment();
      LOG.log(System.Logger.Level.ERROR, "the audit log cannot be written", e);
    } finally {
      lock.unlock();
    }
  }

  private void putAside() throws IOException {
    out.close();
    File file = new File(settings.path());
    Files.move(
        file.toPath(), file.toPath().resolveSibling(asideName(MOMENT.format(clock.instant()))));
    out = open();
    List<Path> aside;
    try (Stream<Path> files = Files.list(file.getAbsoluteFile().toPath().getParent())) {
      String[] parts = asideName("*").split("\\*", 2);
      aside =
          files
              .filter(
                  each -> {
                    String name = each.getFileName().toString();
                    return name.startsWith(parts[0])
                        && name.endsWith(parts[1])
                        && name.length() > file.getName().length();
                  })
              .sorted(java.util.Comparator.reverseOrder())
              .toList();
    }
    Instant oldest = clock.instant().minus(Duration.ofDays(settings.maxDays()));
    for (int i = 0; i < aside.size(); i++) {
      boolean tooMany = settings.maxFiles() > 0 && i >= settings.maxFiles();
      boolean tooOld =
          settings.maxDays() > 0
              && Files.getLastModifiedTime(aside.get(i)).toInstant().isBefore(oldest);
      if (tooMany || tooOld) {
        Files.deleteIfExists(aside.get(i));
      }
    }
  }

  /** {@code audit.log} as {@code audit-2026-01-02T03-04-05.678.log}. */
  private String asideName(String moment) {
    String name = new File(settings.path()).getName();
    int dot = name.lastIndexOf('.');
    return dot <= 0
        ? name + "-" + moment
        : name.substring(0, dot) + "-" + moment + name.substring(dot);
  }

  /** Tells what was written. */
  void metrics(Exposition out) {
    out.family(
            "apiserver_audit_event_total",
            "counter",
            "Counter of audit events generated and sent to the audit backend.")
        .sample(events.sum());
    out.family(
        "apiserver_audit_level_total",
        "counter",
        "Counter of policy levels for audit events (1 per request).");
    levels.forEach((level, count) -> out.sample(count.sum(), "level", level.shown()));
    out.family(
            "apiserver_audit_error_total",
            "counter",
            "Counter of audit events that failed to be audited properly. Plugin identifies the"
                + " plugin affected by the error.")
        .sample(errors.sum(), "plugin", "log");
  }

  @Override
  public void close() {
    lock.lock();
    try {
      if (toFile()) {
        out.close();
      }
    } catch (IOException e) {
      LOG.log(System.Logger.Level.WARNING, "the audit log was not closed in order", e);
    } finally {
      lock.unlock();
    }
  }
}
