package dev.kedge.model;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.YearMonth;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Times of objects ({@code metav1.Time}, {@code metav1.MicroTime}): the one place that reads and
 * writes them, by RFC 3339 as Go's {@code time.Parse} understands it. The usual form is read
 * without a pattern. Stateless.
 */
public final class Times {
  private static final int LENGTH = "2026-01-02T03:04:05Z".length();

  /** What Go takes: an hour of one digit, a comma before the fraction, and any length of that. */
  private static final Pattern TIME =
      Pattern.compile(
          "([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{1,2}):([0-9]{2}):([0-9]{2})"
              + "(?:[.,]([0-9]{1,9})[0-9]*)?(?:Z|([+-])([0-9]{2}):([0-9]{2}))");

  private static final Pattern DATE_TIME =
      Pattern.compile(
          "([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
              + "(.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})");

  private static final Instant FIRST = Instant.parse("0000-01-01T00:00:00Z");
  private static final Instant END = Instant.parse("9999-12-31T23:59:59Z").plusSeconds(1);

  private static final DateTimeFormatter MICROSECONDS =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSS'Z'").withZone(ZoneOffset.UTC);

  private Times() {}

  /** A time; empty where the text is none, and for one outside of the years 0 to 9999. */
  public static Optional<Instant> instant(String text) {
    if (text.length() == LENGTH) {
      byte[] bytes = text.getBytes(ISO_8859_1);
      long seconds = seconds(bytes, 0, bytes.length);
      if (seconds >= 0) {
        return Optional.of(Instant.ofEpochSecond(seconds));
      }
    }
    Matcher time = TIME.matcher(text);
    if (!time.matches()) {
      return Optional.empty();
    }
    try {
      Instant instant =
          LocalDateTime.of(
                  number(time, 1),
                  number(time, 2),
                  number(time, 3),
                  number(time, 4),
                  number(time, 5),
                  number(time, 6),
                  nanos(time.group(7)))
              .toInstant(ZoneOffset.UTC);
      return offset(time)
          .map(instant::minusSeconds)
          .filter(utc -> !utc.isBefore(FIRST) && utc.isBefore(END));
    } catch (DateTimeException _) {
      return Optional.empty();
    }
  }

  /**
   * Whether a text is of the format {@code date-time} of a custom resource's schema. That knows
   * small letters, which {@link #instant} does not.
   */
  public static boolean isDateTime(String text) {
    Matcher time = DATE_TIME.matcher(text);
    return time.matches() && isDate(time.group(1));
  }

  /** Whether a text is of the format {@code date}: {@code 2026-01-02}. */
  static boolean isDate(String text) {
    try {
      LocalDate.parse(text);
      return true;
    } catch (DateTimeException _) {
      return false;
    }
  }

  /** The text of a {@code metav1.Time}: whole seconds in UTC. */
  public static String text(Instant instant) {
    return instant.truncatedTo(ChronoUnit.SECONDS).toString();
  }

  /** The text of a {@code metav1.MicroTime}: six digits of the second in UTC. */
  public static String microText(Instant instant) {
    return MICROSECONDS.format(instant);
  }

  private static int number(Matcher time, int group) {
    return Integer.parseInt(time.group(group));
  }

  /** Nanoseconds of the up to nine digits behind the point. */
  private static int nanos(@Nullable String fraction) {
    return fraction == null ? 0 : Integer.parseInt((fraction + "00000000").substring(0, 9));
  }

  /** Seconds east of Greenwich; empty beyond a day, which is Go's bound, and wider than Java's. */
  private static Optional<Long> offset(Matcher time) {
    if (time.group(8) == null) {
      return Optional.of(0L);
    }
    int hours = number(time, 9);
    int minutes = number(time, 10);
    if (hours > 24 || minutes > 60) {
      return Optional.empty();
    }
    long seconds = 3600L * hours + 60L * minutes;
    return Optional.of("-".equals(time.group(8)) ? -seconds : seconds);
  }

  /**
   * Seconds since 1970 of a time such as {@code 2026-01-02T03:04:05Z}; -1 for a text of another
   * form, an earlier time and one that does not exist.
   */
  static long seconds(byte[] text, int start, int length) {
    if (length != LENGTH
        || text[start + 4] != '-'
        || text[start + 7] != '-'
        || text[start + 10] != 'T'
        || text[start + 13] != ':'
        || text[start + 16] != ':'
        || text[start + 19] != 'Z') {
      return -1;
    }
    int year = number(text, start, 4);
    int month = number(text, start + 5, 2);
    int day = number(text, start + 8, 2);
    int hour = number(text, start + 11, 2);
    int minute = number(text, start + 14, 2);
    int second = number(text, start + 17, 2);
    if (year < 1970
        || month < 1
        || month > 12
        || day < 1
        || day > 28 && day > YearMonth.of(year, month).lengthOfMonth()
        || Math.min(hour, Math.min(minute, second)) < 0
        || hour > 23
        || minute > 59
        || second > 59) {
      return -1;
    }
    long days = LocalDate.of(year, month, day).toEpochDay();
    return 86_400 * days + 3600 * hour + 60 * minute + second;
  }

  /** A number of decimal digits; -1 where one is none. */
  private static int number(byte[] text, int start, int digits) {
    int value = 0;
    for (int i = start; i < start + digits; i++) {
      int digit = text[i] - '0';
      if (digit < 0 || digit > 9) {
        return -1;
      }
      value = 10 * value + digit;
    }
    return value;
  }
}
