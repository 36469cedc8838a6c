package dev.kedge.model;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.Optional;

/**
 * Go's text form of a duration ({@code metav1.Duration}): {@code 1h30m}, {@code 1.5s}, {@code
 * 300ms}.
 */
public final class Durations {
  private static final BigDecimal MAX = BigDecimal.valueOf(Long.MAX_VALUE);
  private static final BigDecimal MIN = BigDecimal.valueOf(Long.MIN_VALUE);

  private Durations() {}

  /** Reads a duration; empty if the text is none or beyond 64 bits of nanoseconds. */
  public static Optional<Duration> find(String text) {
    int at = 0;
    boolean negative = false;
    if (at < text.length() && (text.charAt(at) == '-' || text.charAt(at) == '+')) {
      negative = text.charAt(at++) == '-';
    }
    if (text.substring(at).equals("0")) {
      return Optional.of(Duration.ZERO);
    }
    if (at == text.length()) {
      return Optional.empty();
    }
    BigDecimal nanos = BigDecimal.ZERO;
    while (at < text.length()) {
      int start = at;
      while (at < text.length() && (isDigit(text.charAt(at)) || text.charAt(at) == '.')) {
        at++;
      }
      String number = text.substring(start, at);
      start = at;
      while (at < text.length() && !isDigit(text.charAt(at)) && text.charAt(at) != '.') {
        at++;
      }
      long unit =
          switch (text.substring(start, at)) {
            case "ns" -> 1L;
            case "us", "µs", "μs" -> 1_000L;
            case "ms" -> 1_000_000L;
            case "s" -> 1_000_000_000L;
            case "m" -> 60_000_000_000L;
            case "h" -> 3_600_000_000_000L;
            default -> 0L;
          };
      boolean numeric = number.matches("[0-9]+(\\.[0-9]*)?|\\.[0-9]+") && number.length() < 40;
      if (unit == 0 || !numeric) {
        return Optional.empty();
      }
      nanos = nanos.add(new BigDecimal(number).multiply(BigDecimal.valueOf(unit)));
    }
    BigDecimal signed = negative ? nanos.negate() : nanos;
    if (signed.compareTo(MAX) > 0 || signed.compareTo(MIN) < 0) {
      return Optional.empty();
    }
    return Optional.of(Duration.ofNanos(signed.longValue()));
  }

  /**
   * Reads a duration.
   *
   * @throws IllegalArgumentException in Go's words if the text is none
   */
  public static Duration parse(String text) {
    return find(text)
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "time: invalid duration " + Json.write(new JsonString(text))));
  }

  /** Go's text for a duration: {@code 1h30m0s}, {@code 1.5s}, {@code 300ms}, {@code 0s}. */
  public static String text(Duration duration) {
    if (duration.isZero()) {
      return "0s";
    }
    if (duration.isNegative()) {
      return "-" + text(duration.negated());
    }
    if (duration.getSeconds() == 0) {
      long nanos = duration.toNanos();
      if (nanos < 1_000) {
        return nanos + "ns";
      }
      return nanos < 1_000_000 ? fraction(nanos, 3) + "µs" : fraction(nanos, 6) + "ms";
    }
    StringBuilder out = new StringBuilder();
    if (duration.toHours() > 0) {
      out.append(duration.toHours()).append('h');
    }
    if (duration.toMinutes() > 0) {
      out.append(duration.toMinutesPart()).append('m');
    }
    long nanos = duration.toSecondsPart() * 1_000_000_000L + duration.toNanosPart();
    return out.append(fraction(nanos, 9)).append('s').toString();
  }

  /**
   * The age column of tables and {@code describe}, as apimachinery's {@code HumanDuration}: {@code
   * 12s}, {@code 3m4s}, {@code 5h}, {@code 2d3h}, {@code 1y20d}.
   */
  public static String human(Duration age) {
    // As Go, which knows no longer durations: 292 years at the most.
    long seconds = Math.min(age.toSeconds(), Long.MAX_VALUE / 1_000_000_000);
    if (seconds < -1) {
      return "<invalid>";
    }
    if (seconds < 0) {
      return "0s";
    }
    if (seconds < 120) {
      return seconds + "s";
    }
    long minutes = seconds / 60;
    if (minutes < 10) {
      return two(minutes, "m", seconds % 60, "s");
    }
    if (minutes < 180) {
      return minutes + "m";
    }
    long hours = minutes / 60;
    if (hours < 8) {
      return two(hours, "h", minutes % 60, "m");
    }
    if (hours < 48) {
      return hours + "h";
    }
    long days = hours / 24;
    if (hours < 24 * 8) {
      return two(days, "d", hours % 24, "h");
    }
    if (hours < 24 * 365 * 2) {
      return days + "d";
    }
    if (hours < 24 * 365 * 8) {
      return two(days / 365, "y", days % 365, "d");
    }
    return days / 365 + "y";
  }

  private static String two(long big, String bigUnit, long small, String smallUnit) {
    return small == 0 ? big + bigUnit : big + bigUnit + small + smallUnit;
  }

  private static String fraction(long value, int digits) {
    return BigDecimal.valueOf(value, digits).stripTrailingZeros().toPlainString();
  }

  private static boolean isDigit(char c) {
    return c >= '0' && c <= '9';
  }
}
