package dev.kedge.cel;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Timestamps and durations in the forms of Go. Stateless. */
final class Times {
  private static final Pattern PART = Pattern.compile("([0-9]*\\.?[0-9]*)(ns|us|µs|μs|ms|s|m|h)");

  private Times() {}

  static Optional<Instant> timestamp(String text) {
    return dev.kedge.model.Times.instant(text);
  }

  static Optional<Instant> date(String text) {
    try {
      return Optional.of(LocalDate.parse(text).atStartOfDay(ZoneOffset.UTC).toInstant());
    } catch (DateTimeException _) {
      return Optional.empty();
    }
  }

  static Optional<Duration> duration(String text) {
    String rest = text;
    boolean negative = rest.startsWith("-");
    if (negative || rest.startsWith("+")) {
      rest = rest.substring(1);
    }
    if (rest.equals("0")) {
      return Optional.of(Duration.ZERO);
    }
    BigDecimal nanos = BigDecimal.ZERO;
    Matcher parts = PART.matcher(rest);
    int end = 0;
    while (parts.lookingAt()) {
      if (!parts.group(1).matches("[0-9]+\\.?[0-9]*|\\.[0-9]+")) {
        return Optional.empty();
      }
      nanos =
          nanos.add(
              new BigDecimal("0" + parts.group(1) + (parts.group(1).endsWith(".") ? "0" : ""))
                  .multiply(BigDecimal.valueOf(unit(parts.group(2)))));
      end = parts.end();
      parts.region(end, rest.length());
    }
    if (rest.isEmpty() || end < rest.length()) {
      return Optional.empty();
    }
    BigDecimal whole = nanos.setScale(0, RoundingMode.DOWN);
    if (whole.toBigInteger().bitLength() > 63) {
      return Optional.empty();
    }
    long value = whole.longValue();
    return Optional.of(Duration.ofNanos(negative ? -value : value));
  }

  private static long unit(String name) {
    return switch (name) {
      case "ns" -> 1L;
      case "ms" -> 1_000_000L;
      case "s" -> 1_000_000_000L;
      case "m" -> 60_000_000_000L;
      case "h" -> 3_600_000_000_000L;
      default -> 1_000L;
    };
  }

  static String show(Instant instant) {
    return DateTimeFormatter.ISO_INSTANT.format(instant);
  }

  /** Seconds with an s, as protobuf writes durations. */
  static String show(Duration duration) {
    BigDecimal seconds =
        BigDecimal.valueOf(duration.getSeconds()).add(BigDecimal.valueOf(duration.getNano(), 9));
    BigDecimal plain = seconds.stripTrailingZeros();
    return (plain.scale() < 0 ? plain.setScale(0) : plain).toPlainString() + "s";
  }

  /** A part of a timestamp in a time zone; UTC where none is named. */
  static long part(String function, Instant instant, String zone) {
    ZonedDateTime time = instant.atZone(zone(zone));
    return switch (function) {
      case "getFullYear" -> time.getYear();
      case "getMonth" -> time.getMonthValue() - 1;
      case "getDayOfYear" -> time.getDayOfYear() - 1;
      case "getDayOfMonth" -> time.getDayOfMonth() - 1;
      case "getDate" -> time.getDayOfMonth();
      case "getDayOfWeek" -> time.getDayOfWeek().getValue() % 7;
      case "getHours" -> time.getHour();
      case "getMinutes" -> time.getMinute();
      case "getSeconds" -> time.getSecond();
      default -> time.getNano() / 1_000_000;
    };
  }

  private static ZoneId zone(String name) {
    if (name.isEmpty()) {
      return ZoneOffset.UTC;
    }
    try {
      String offset = name.matches("[0-9]{2}:[0-9]{2}") ? "+" + name : name;
      return ZoneId.of(offset);
    } catch (DateTimeException e) {
      throw new CelException("unknown time zone " + name);
    }
  }
}
