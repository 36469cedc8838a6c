package dev.kedge.model;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.Optional;

/**
 * An amount of a resource such as {@code 500m}, {@code 1.5Gi} or {@code 3e2}, as in apimachinery's
 * {@code resource.Quantity}: exact down to one billionth, finer parts are rounded up.
 *
 * @param value the amount in whole units (bytes, cores, pieces)
 * @param format how it was written, which its canonical form keeps
 */
public record Quantity(BigDecimal value, Format format) implements Comparable<Quantity> {
  /** Nothing. */
  public static final Quantity ZERO = new Quantity(BigDecimal.ZERO, Format.DECIMAL_SI);

  private static final String DECIMAL_SUFFIXES = "numkMGTPE";
  private static final String BINARY_SUFFIXES = "KMGTPE";
  private static final BigDecimal KIBI = BigDecimal.valueOf(1024);

  /** The families of suffixes. */
  public enum Format {
    /** n, u, m, none, k, M, G, T, P, E. */
    DECIMAL_SI,
    /** Ki, Mi, Gi, Ti, Pi, Ei. */
    BINARY_SI,
    /** e3, E6 … */
    DECIMAL_EXPONENT
  }

  public Quantity {
    if (value.scale() > 9) {
      value = value.setScale(9, RoundingMode.UP);
    }
  }

  /** A whole number of units. */
  public static Quantity of(long units) {
    return new Quantity(BigDecimal.valueOf(units), Format.DECIMAL_SI);
  }

  /** Thousandths of a unit. */
  public static Quantity ofMilli(long milli) {
    return new Quantity(BigDecimal.valueOf(milli, 3), Format.DECIMAL_SI);
  }

  /** Reads a quantity; empty where the text is none. */
  public static Optional<Quantity> find(String text) {
    int end = 0;
    boolean digits = false;
    while (end < text.length()) {
      char c = text.charAt(end);
      if (c >= '0' && c <= '9') {
        digits = true;
      } else if (!(c == '.' || end == 0 && (c == '+' || c == '-'))) {
        break;
      }
      end++;
    }
    if (!digits) {
      return Optional.empty();
    }
    String suffix = text.substring(end);
    try {
      BigDecimal number = new BigDecimal(text.substring(0, end));
      if (suffix.isEmpty()) {
        return Optional.of(new Quantity(number, Format.DECIMAL_SI));
      }
      if (suffix.length() == 2 && suffix.charAt(1) == 'i') {
        int power = BINARY_SUFFIXES.indexOf(suffix.charAt(0)) + 1;
        return power == 0
            ? Optional.empty()
            : Optional.of(new Quantity(number.multiply(KIBI.pow(power)), Format.BINARY_SI));
      }
      if (suffix.length() == 1 && DECIMAL_SUFFIXES.indexOf(suffix.charAt(0)) >= 0) {
        return Optional.of(
            new Quantity(
                number.scaleByPowerOfTen(decimalExponent(suffix.charAt(0))), Format.DECIMAL_SI));
      }
      if (suffix.length() > 1 && (suffix.charAt(0) == 'e' || suffix.charAt(0) == 'E')) {
        int exponent = Integer.parseInt(suffix.substring(1));
        return Math.abs(exponent) > 100
            ? Optional.empty()
            : Optional.of(
                new Quantity(number.scaleByPowerOfTen(exponent), Format.DECIMAL_EXPONENT));
      }
      return Optional.empty();
    } catch (NumberFormatException _) {
      return Optional.empty();
    }
  }

  /**
   * Reads a quantity.
   *
   * @throws IllegalArgumentException with Kubernetes' message if the text is none
   */
  public static Quantity parse(String text) {
    return find(text)
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "quantities must match the regular expression"
                        + " '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"));
  }

  /** Reads a JSON string or number; anything else, or text that is no quantity, is zero. */
  public static Quantity of(JsonValue json) {
    return switch (json) {
      case JsonString text -> find(text.value()).orElse(ZERO);
      case JsonInteger number -> of(number.value());
      case JsonDecimal number ->
          new Quantity(BigDecimal.valueOf(number.value()), Format.DECIMAL_SI);
      case JsonObject _, JsonArray _, JsonBoolean _, JsonNull _ -> ZERO;
    };
  }

  private static int decimalExponent(char suffix) {
    return switch (suffix) {
      case 'n' -> -9;
      case 'u' -> -6;
      case 'm' -> -3;
      default -> 3 * (DECIMAL_SUFFIXES.indexOf(suffix) - 2);
    };
  }

  /** The amount in whole units, rounded up; saturates at the ends of a long. */
  public long units() {
    return saturated(value.setScale(0, RoundingMode.UP).toBigInteger());
  }

  /** The amount in thousandths, rounded up; saturates at the ends of a long. */
  public long milli() {
    return saturated(value.movePointRight(3).setScale(0, RoundingMode.UP).toBigInteger());
  }

  private static long saturated(BigInteger number) {
    return number.bitLength() > 63
        ? (number.signum() < 0 ? Long.MIN_VALUE : Long.MAX_VALUE)
        : number.longValue();
  }

  /** The sum, in the format of this quantity (of the other one if this is zero). */
  public Quantity plus(Quantity other) {
    return new Quantity(value.add(other.value), value.signum() == 0 ? other.format : format);
  }

  /** The difference, in the format of this quantity. */
  public Quantity minus(Quantity other) {
    return new Quantity(value.subtract(other.value), value.signum() == 0 ? other.format : format);
  }

  /** Whether the amount is zero. */
  public boolean isZero() {
    return value.signum() == 0;
  }

  @Override
  public int compareTo(Quantity other) {
    return value.compareTo(other.value);
  }

  /** The canonical form: the largest suffix that needs no fraction. */
  @Override
  public String toString() {
    if (value.signum() == 0) {
      return "0";
    }
    boolean whole = value.stripTrailingZeros().scale() <= 0;
    if (format == Format.BINARY_SI && whole && value.abs().compareTo(KIBI) >= 0) {
      BigInteger number = value.toBigIntegerExact();
      int power = Math.min(number.getLowestSetBit() / 10, BINARY_SUFFIXES.length());
      return power == 0
          ? number.toString()
          : number.shiftRight(10 * power) + BINARY_SUFFIXES.substring(power - 1, power) + "i";
    }
    BigDecimal plain = value.stripTrailingZeros();
    // The exponent is the largest multiple of three that leaves an integer, within n … E.
    int exponent = Math.floorDiv(-plain.scale(), 3) * 3;
    exponent = Math.max(-9, Math.min(18, exponent));
    String mantissa = plain.movePointLeft(exponent).toBigInteger().toString();
    if (exponent == 0) {
      return mantissa;
    }
    if (format == Format.DECIMAL_EXPONENT) {
      return mantissa + "e" + exponent;
    }
    return mantissa
        + switch (exponent) {
          case -9 -> "n";
          case -6 -> "u";
          case -3 -> "m";
          default -> String.valueOf(DECIMAL_SUFFIXES.charAt(exponent / 3 + 2));
        };
  }
}
