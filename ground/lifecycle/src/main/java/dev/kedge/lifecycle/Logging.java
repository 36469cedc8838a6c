package dev.kedge.lifecycle;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.Optional;
import java.util.logging.ConsoleHandler;
import java.util.logging.FileHandler;
import java.util.logging.Formatter;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** Sets up the one log of the process: one line per record, on standard error or in a file. */
public final class Logging {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss.SSS").withZone(ZoneId.systemDefault());

  private Logging() {}

  /**
   * Takes over the platform's logging.
   *
   * @param debug whether kedge's own DEBUG records are shown
   * @param file where to write; empty for standard error. Ten files of 10 MiB are kept
   * @throws UserException if the file cannot be written
   */
  public static void configure(boolean debug, Optional<Path> file) {
    LogManager.getLogManager().reset();
    Handler handler;
    try {
      handler =
          file.isPresent()
              ? new FileHandler(file.get().toString(), 10L << 20, 10, true)
              : new ConsoleHandler();
    } catch (IOException e) {
      throw new UserException(
          "the log file "
              + file.orElseThrow()
              + " cannot be written ("
              + e.getMessage()
              + "); choose another with --log",
          e);
    }
    handler.setFormatter(new Line());
    handler.setLevel(Level.ALL);
    Logger root = Logger.getLogger("");
    root.addHandler(handler);
    // Libraries speak up only when something is wrong; DEBUG is for our own parts.
    root.setLevel(Level.WARNING);
    KEDGE.setLevel(debug ? Level.FINE : Level.INFO);
  }

  // Held, because loggers that nobody holds are collected, and their level with them.
  private static final Logger KEDGE = Logger.getLogger("dev.kedge");

  private static final class Line extends Formatter {
    @Override
    public String format(LogRecord record) {
      StringBuilder out = new StringBuilder(160);
      out.append(TIME.format(Instant.ofEpochMilli(record.getMillis())))
          .append(' ')
          .append(level(record.getLevel()))
          .append(' ')
          .append(shortName(String.valueOf(record.getLoggerName())))
          .append(": ")
          .append(formatMessage(record))
          .append('\n');
      if (record.getThrown() != null) {
        StringWriter trace = new StringWriter();
        record.getThrown().printStackTrace(new PrintWriter(trace));
        out.append(trace);
      }
      return out.toString();
    }

    private static String level(Level level) {
      int value = level.intValue();
      if (value >= Level.SEVERE.intValue()) {
        return "ERROR";
      }
      if (value >= Level.WARNING.intValue()) {
        return "WARN ";
      }
      return value >= Level.INFO.intValue() ? "INFO " : "DEBUG";
    }

    private static String shortName(String logger) {
      return logger.startsWith("dev.kedge.") ? logger.substring("dev.kedge.".length()) : logger;
    }
  }
}
