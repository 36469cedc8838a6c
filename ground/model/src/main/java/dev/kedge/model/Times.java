package dev.kedge.model;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.time.YearMonth;
import java.util.Optional;

/** Times of objects, read without the JDK's parser where they have their usual form. Stateless. */
public final class Times {
  private static final int LENGTH = "2026-01-02T03:04:05Z".length();

  private Times() {}

  /** A time by RFC 3339; empty where the text is none. */
  public static Optional<Instant> instant(String text) {
    if (text.length() == LENGTH) {
      byte[] bytes = text.getBytes(ISO_8859_1);
      long seconds = seconds(bytes, 0, bytes.length);
      if (seconds >= 0) {
        return Optional.of(Instant.ofEpochSecond(seconds));
      }
    }
    try {
      return Optional.of(OffsetDateTime.parse(text).toInstant());
    } catch (DateTimeException _) {
      return Optional.empty();
    }
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
