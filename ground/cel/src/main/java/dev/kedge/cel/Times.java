package dev.kedge.cel;

import java.math.BigDecimal;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Optional;

/** Timestamps and durations in the forms of Go. Stateless. */
final class Times {
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
