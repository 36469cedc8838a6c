package dev.kedge.cel;

import dev.kedge.cel.Access.Authorizer;
import dev.kedge.cel.Access.GroupCheck;
import dev.kedge.cel.Access.PathCheck;
import dev.kedge.cel.Access.Question;
import dev.kedge.cel.Access.ResourceCheck;
import dev.kedge.cel.Formats.Format;
import dev.kedge.cel.Network.Cidr;
import dev.kedge.cel.Network.Ip;
import dev.kedge.cel.Values.Filling;
import dev.kedge.cel.Values.FillingMap;
import dev.kedge.model.Durations;
import dev.kedge.model.Quantity;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BinaryOperator;
import java.util.regex.Matcher;

/** What the functions do. Stateless. */
final class Functions {
  private Functions() {}

  /** Thrown inside when no form of a function takes these values. */
  private static CelException none() {
    return CelException.noOverload();
  }

  /**
   * Calls a function.
   *
   * @param a its arguments, the one it is called on first
   */
  static Object call(String function, Object[] a) {
    try {
      return switch (function) {
        case "!_" -> !flag(a[0]);
        case "-_" -> negate(a[0]);
        case "@not_strictly_false" -> !(a[0] instanceof Boolean flag) || flag;
        case "_==_" -> Values.equal(a[0], a[1]);
        case "_!=_" -> !Values.equal(a[0], a[1]);
        case "_+_" -> add(a[0], a[1]);
        case "_-_" -> subtract(a[0], a[1]);
        case "_*_" -> multiply(a[0], a[1]);
        case "_/_" -> divide(a[0], a[1]);
        case "_%_" -> modulo(a[0], a[1]);
        case "_<_" -> compare(a[0], a[1]) == -1;
        case "_<=_" -> compare(a[0], a[1]) <= 0;
        case "_>_" -> compare(a[0], a[1]) == 1;
        case "_>=_" -> {
          int order = compare(a[0], a[1]);
          yield order == 0 || order == 1;
        }
        case "_[_]" -> index(a[0], a[1]);
        case "_[?_]" -> optionalIndex(a[0], a[1]);
        case "_?._" -> optionalField(a[0], text(a[1]));
        case "@in" -> in(a[0], a[1]);
        case "size" -> size(a[0]);
        case "type" -> Values.typeOf(a[0]);
        case "dyn" -> a[0];
        case "bool" -> toBool(a[0]);
        case "bytes" ->
            a[0] instanceof String text
                ? new Octets(text.getBytes(StandardCharsets.UTF_8))
                : octets(a[0]);
        case "double" -> toDouble(a[0]);
        case "int" -> toInt(a[0]);
        case "uint" -> toUint(a[0]);
        case "string" -> toText(a[0]);
        case "duration" -> toDuration(a[0]);
        case "timestamp" -> toTimestamp(a[0]);
        case "contains" -> text(a[0]).contains(text(a[1]));
        case "endsWith" -> text(a[0]).endsWith(text(a[1]));
        case "startsWith" -> text(a[0]).startsWith(text(a[1]));
        case "matches" -> Texts.found(text(a[1]), text(a[0]));
        case "getFullYear",
            "getMonth",
            "getDayOfYear",
            "getDayOfMonth",
            "getDate",
            "getDayOfWeek",
            "getHours",
            "getMinutes",
            "getSeconds",
            "getMilliseconds" ->
            timePart(function, a);
        case "optional.of" -> Optional.of(a[0]);
        case "optional.ofNonZeroValue" -> isZero(a[0]) ? Optional.empty() : Optional.of(a[0]);
        case "optional.none" -> Optional.empty();
        case "optional.unwrap", "unwrapOpt" ->
            list(a[0]).stream()
                .filter(one -> one instanceof Optional<?> optional && optional.isPresent())
                .map(one -> (Object) ((Optional<?>) one).get())
                .toList();
        case "value" ->
            optional(a[0])
                .map(Object.class::cast)
                .orElseThrow(() -> new CelException("optional.none() dereference"));
        case "hasValue" -> optional(a[0]).isPresent();
        case "first" ->
            list(a[0]).isEmpty() ? Optional.empty() : Optional.of(list(a[0]).getFirst());
        case "last" -> list(a[0]).isEmpty() ? Optional.empty() : Optional.of(list(a[0]).getLast());
        case "cel.@mapInsert" -> insert(a);
        case "charAt" -> Texts.charAt(text(a[0]), number(a[1]));
        case "indexOf" -> indexOf(a, false);
        case "lastIndexOf" -> indexOf(a, true);
        case "lowerAscii" -> Texts.lowerAscii(text(a[0]));
        case "upperAscii" -> Texts.upperAscii(text(a[0]));
        case "replace" ->
            Texts.replace(text(a[0]), text(a[1]), text(a[2]), a.length > 3 ? number(a[3]) : -1);
        case "split" -> Texts.split(text(a[0]), text(a[1]), a.length > 2 ? number(a[2]) : -1);
        case "substring" -> {
          String text = text(a[0]);
          yield Texts.substring(
              text, number(a[1]), a.length > 2 ? number(a[2]) : Texts.length(text));
        }
        case "trim" -> Texts.trim(text(a[0]));
        case "join" -> {
          List<String> parts = new ArrayList<>();
          list(a[0]).forEach(part -> parts.add(text(part)));
          yield Texts.join(parts, a.length > 1 ? text(a[1]) : "");
        }
        case "format" -> Texts.format(text(a[0]), list(a[1]));
        case "strings.quote" -> Texts.quote(text(a[0]));
        case "jsonpatch.escapeKey" -> text(a[0]).replace("~", "~0").replace("/", "~1");
        case "sets.contains" -> list(a[1]).stream().allMatch(one -> holds(list(a[0]), one));
        case "sets.equivalent" ->
            list(a[1]).stream().allMatch(one -> holds(list(a[0]), one))
                && list(a[0]).stream().allMatch(one -> holds(list(a[1]), one));
        case "sets.intersects" -> list(a[1]).stream().anyMatch(one -> holds(list(a[0]), one));
        case "isSorted" -> {
          List<?> list = list(a[0]);
          boolean sorted = true;
          for (int i = 1; i < list.size(); i++) {
            sorted &= compare(list.get(i - 1), list.get(i)) <= 0;
          }
          yield sorted;
        }
        case "sum" -> sum(list(a[0]));
        case "max" -> extreme(list(a[0]), "max", (x, y) -> compare(x, y) >= 0 ? x : y);
        case "min" -> extreme(list(a[0]), "min", (x, y) -> compare(x, y) <= 0 ? x : y);
        case "slice" -> slice(list(a[0]), number(a[1]), number(a[2]));
        case "flatten" -> flatten(list(a[0]), a.length > 1 ? number(a[1]) : 1);
        case "lists.range" -> range(number(a[0]));
        case "distinct" -> {
          List<Object> distinct = new ArrayList<>();
          list(a[0]).stream().filter(one -> !holds(distinct, one)).forEach(distinct::add);
          yield distinct;
        }
        case "reverse" -> {
          List<Object> reversed = new ArrayList<>(list(a[0]));
          Collections.reverse(reversed);
          yield reversed;
        }
        case "sort" -> {
          List<Object> sorted = new ArrayList<>(list(a[0]));
          sorted.sort(Functions::compare);
          yield sorted;
        }
        case "@sortByAssociatedKeys" -> sortBy(list(a[0]), list(a[1]));
        case "find" -> {
          Matcher matcher = Texts.matcher(text(a[1]), text(a[0]));
          yield Texts.find(matcher) ? matcher.group() : "";
        }
        case "findAll" -> findAll(a);
        default -> library(function, a);
      };
    } catch (ArithmeticException e) {
      throw new CelException("return error for overflow");
    } catch (DateTimeException e) {
      throw new CelException("timestamp overflow");
    }
  }

  private static Object library(String function, Object[] a) {
    return switch (function) {
      case "url" ->
          url(text(a[0]))
              .orElseThrow(
                  () ->
                      new CelException(
                          "URL parse error during conversion from string: parse "
                              + Texts.quote(text(a[0]))
                              + ": invalid URI for request"));
      case "isURL" -> url(text(a[0])).isPresent();
      case "getScheme" -> orEmpty(uri(a[0]).getScheme());
      case "getHost" -> orEmpty(uri(a[0]).getRawAuthority()).replaceFirst("^[^@]*@", "");
      case "getHostname" -> orEmpty(uri(a[0]).getHost()).replaceAll("[\\[\\]]", "");
      case "getPort" -> uri(a[0]).getPort() < 0 ? "" : Integer.toString(uri(a[0]).getPort());
      case "getEscapedPath" -> orEmpty(uri(a[0]).getRawPath());
      case "getQuery" -> query(orEmpty(uri(a[0]).getRawQuery()));
      case "quantity" -> quantity(text(a[0]));
      case "isQuantity" -> Quantity.find(text(a[0])).isPresent();
      case "sign" -> (long) quantity(a[0]).value().signum();
      case "isGreaterThan" -> order(a) > 0;
      case "isLessThan" -> order(a) < 0;
      case "compareTo" -> (long) Integer.signum(order(a));
      case "asApproximateFloat" -> quantity(a[0]).value().doubleValue();
      case "asInteger" -> {
        BigDecimal value = quantity(a[0]).value();
        if (!isWhole(value)) {
          throw new CelException("cannot convert value to integer");
        }
        yield value.longValueExact();
      }
      case "isInteger" -> isWhole(quantity(a[0]).value());
      case "add" -> quantity(a[0]).plus(amount(a[1]));
      case "sub" -> quantity(a[0]).minus(amount(a[1]));
      case "ip" -> a[0] instanceof Cidr cidr ? cidr.ip() : Network.ip(text(a[0]));
      case "isIP" -> Network.parse(text(a[0])).isPresent();
      case "ip.isCanonical" -> Network.ip(text(a[0])).toString().equals(text(a[0]));
      case "family" -> ip(a[0]).isV4() ? 4L : 6L;
      case "isUnspecified" -> ip(a[0]).address().isAnyLocalAddress();
      case "isLoopback" -> ip(a[0]).address().isLoopbackAddress();
      case "isLinkLocalMulticast" -> ip(a[0]).address().isMCLinkLocal();
      case "isLinkLocalUnicast" -> ip(a[0]).address().isLinkLocalAddress();
      case "isGlobalUnicast" -> {
        var address = ip(a[0]).address();
        boolean broadcast = ip(a[0]).toString().equals("255.255.255.255");
        yield !address.isAnyLocalAddress()
            && !address.isLoopbackAddress()
            && !address.isMulticastAddress()
            && !address.isLinkLocalAddress()
            && !broadcast;
      }
      case "cidr" -> Network.cidr(text(a[0]));
      case "isCIDR" -> Network.parseCidr(text(a[0])).isPresent();
      case "containsIP" ->
          cidr(a[0]).contains(a[1] instanceof String text ? Network.ip(text) : ip(a[1]));
      case "containsCIDR" ->
          cidr(a[0]).contains(a[1] instanceof String text ? Network.cidr(text) : cidr(a[1]));
      case "masked" -> cidr(a[0]).masked();
      case "prefixLength" -> (long) cidr(a[0]).prefix();
      case "format.named" -> Formats.of(text(a[0]));
      case "validate" -> {
        if (!(a[0] instanceof Format format)) {
          throw none();
        }
        List<String> faults = format.faults().apply(text(a[1]));
        yield faults.isEmpty() ? Optional.empty() : Optional.of(List.copyOf(faults));
      }
      case "semver" ->
          Version.parse(version(a))
              .orElseThrow(
                  () ->
                      new CelException(
                          "Semver parse error during conversion from string: \""
                              + text(a[0])
                              + "\""));
      case "isSemver" -> Version.parse(version(a)).isPresent();
      case "major" -> semver(a[0]).major();
      case "minor" -> semver(a[0]).minor();
      case "patch" -> semver(a[0]).patch();
      default -> {
        if (function.startsWith("format.")) {
          yield Formats.of(function.substring(7)).orElseThrow(Functions::none);
        }
        yield access(function, a);
      }
    };
  }

  private static Object access(String function, Object[] a) {
    return switch (a[0]) {
      case Authorizer(Access access, Question q, Question request) ->
          switch (function) {
            case "path" ->
                new PathCheck(
                    access, new Question(q.account(), text(a[1]), "", "", "", "", "", ""));
            case "group" ->
                new GroupCheck(
                    access, new Question(q.account(), "", text(a[1]), "", "", "", "", ""));
            case "serviceAccount" ->
                new Authorizer(
                    access,
                    new Question(text(a[1]) + ":" + text(a[2]), "", "", "", "", "", "", ""),
                    request);
            default -> throw none();
          };
      case PathCheck(Access access, Question q) when function.equals("check") ->
          access.check(new Question(q.account(), q.path(), "", "", "", "", "", text(a[1])));
      case GroupCheck(Access access, Question q) when function.equals("resource") ->
          new ResourceCheck(
              access, new Question(q.account(), "", q.group(), text(a[1]), "", "", "", ""));
      case ResourceCheck(Access access, Question q) ->
          switch (function) {
            case "subresource" -> check(access, q, text(a[1]), q.namespace(), q.name());
            case "namespace" -> check(access, q, q.subresource(), text(a[1]), q.name());
            case "name" -> check(access, q, q.subresource(), q.namespace(), text(a[1]));
            case "fieldSelector", "labelSelector" -> a[0];
            case "check" ->
                access.check(
                    new Question(
                        q.account(),
                        "",
                        q.group(),
                        q.resource(),
                        q.subresource(),
                        q.namespace(),
                        q.name(),
                        text(a[1])));
            default -> throw none();
          };
      case Access.Decision decision ->
          switch (function) {
            case "allowed" -> decision.allowed();
            case "errored" -> !decision.error().isEmpty();
            case "error" -> decision.error();
            case "reason" -> decision.reason();
            default -> throw none();
          };
      default -> throw none();
    };
  }

  private static ResourceCheck check(
      Access access, Question q, String subresource, String namespace, String name) {
    return new ResourceCheck(
        access,
        new Question(q.account(), "", q.group(), q.resource(), subresource, namespace, name, ""));
  }

  // Values as what a function needs.

  private static String text(Object value) {
    if (value instanceof String text) {
      return text;
    }
    throw none();
  }

  private static long number(Object value) {
    if (value instanceof Long number) {
      return number;
    }
    throw none();
  }

  private static boolean flag(Object value) {
    if (value instanceof Boolean flag) {
      return flag;
    }
    throw none();
  }

  private static Octets octets(Object value) {
    if (value instanceof Octets octets) {
      return octets;
    }
    throw none();
  }

  private static List<?> list(Object value) {
    if (value instanceof List<?> list) {
      return list;
    }
    throw none();
  }

  private static Optional<?> optional(Object value) {
    if (value instanceof Optional<?> optional) {
      return optional;
    }
    throw none();
  }

  private static Ip ip(Object value) {
    if (value instanceof Ip ip) {
      return ip;
    }
    throw none();
  }

  private static Cidr cidr(Object value) {
    if (value instanceof Cidr cidr) {
      return cidr;
    }
    throw none();
  }

  private static URI uri(Object value) {
    if (value instanceof URI uri) {
      return uri;
    }
    throw none();
  }

  private static Version semver(Object value) {
    if (value instanceof Version version) {
      return version;
    }
    throw none();
  }

  private static Quantity quantity(Object value) {
    return switch (value) {
      case Quantity quantity -> quantity;
      case String text -> {
        try {
          yield Quantity.parse(text);
        } catch (IllegalArgumentException e) {
          throw new CelException(String.valueOf(e.getMessage()));
        }
      }
      default -> throw none();
    };
  }

  private static Quantity amount(Object value) {
    return value instanceof Long number ? Quantity.of(number) : quantity(value);
  }

  private static boolean isWhole(BigDecimal value) {
    return value.stripTrailingZeros().scale() <= 0 && value.toBigInteger().bitLength() <= 63;
  }

  private static String version(Object[] a) {
    return a.length > 1 && flag(a[1]) ? Version.normalized(text(a[0])) : text(a[0]);
  }

  private static int order(Object[] a) {
    return a[0] instanceof Version version
        ? version.compareTo(semver(a[1]))
        : quantity(a[0]).compareTo(quantity(a[1]));
  }

  private static String orEmpty(@org.jspecify.annotations.Nullable String text) {
    return text == null ? "" : text;
  }

  private static Optional<URI> url(String text) {
    try {
      URI uri = new URI(text);
      return uri.isAbsolute() && !uri.isOpaque() || text.startsWith("/")
          ? Optional.of(uri)
          : Optional.empty();
    } catch (URISyntaxException _) {
      return Optional.empty();
    }
  }

  private static Map<Object, Object> query(String query) {
    Map<Object, Object> parameters = new LinkedHashMap<>();
    for (String pair : query.isEmpty() ? new String[0] : query.split("&")) {
      int equals = pair.indexOf('=');
      String name = equals < 0 ? pair : pair.substring(0, equals);
      String value = equals < 0 ? "" : pair.substring(equals + 1);
      @SuppressWarnings("unchecked")
      List<Object> values =
          (List<Object>)
              parameters.computeIfAbsent(
                  URLDecoder.decode(name, StandardCharsets.UTF_8), _ -> new ArrayList<>());
      values.add(URLDecoder.decode(value, StandardCharsets.UTF_8));
    }
    return parameters;
  }

  // Arithmetic.

  private static Object negate(Object value) {
    return switch (value) {
      case Long number -> Math.negateExact(number);
      case Double number -> -number;
      default -> throw none();
    };
  }

  private static Object add(Object left, Object right) {
    return switch (left) {
      case Long one when right instanceof Long other -> Math.addExact(one, other);
      case Double one when right instanceof Double other -> one + other;
      case UnsignedInt one when right instanceof UnsignedInt other ->
          unsigned(one, other, BigInteger::add);
      case String one when right instanceof String other -> one.concat(other);
      case Octets one when right instanceof Octets other -> {
        byte[] bytes =
            java.util.Arrays.copyOf(one.bytes(), one.bytes().length + other.bytes().length);
        System.arraycopy(other.bytes(), 0, bytes, one.bytes().length, other.bytes().length);
        yield new Octets(bytes);
      }
      case Filling filling when right instanceof List<?> other -> {
        filling.addAll(other);
        yield filling;
      }
      case List<?> one when right instanceof List<?> other -> Values.sum(one, other);
      case Duration one when right instanceof Duration other -> bounded(one.plus(other));
      case Duration one when right instanceof Instant other -> bounded(other.plus(one));
      case Instant one when right instanceof Duration other -> bounded(one.plus(other));
      default -> throw none();
    };
  }

  private static Object subtract(Object left, Object right) {
    return switch (left) {
      case Long one when right instanceof Long other -> Math.subtractExact(one, other);
      case Double one when right instanceof Double other -> one - other;
      case UnsignedInt one when right instanceof UnsignedInt other ->
          unsigned(one, other, BigInteger::subtract);
      case Duration one when right instanceof Duration other -> bounded(one.minus(other));
      case Instant one when right instanceof Instant other -> bounded(Duration.between(other, one));
      case Instant one when right instanceof Duration other -> bounded(one.minus(other));
      default -> throw none();
    };
  }

  private static Object multiply(Object left, Object right) {
    return switch (left) {
      case Long one when right instanceof Long other -> Math.multiplyExact(one, other);
      case Double one when right instanceof Double other -> one * other;
      case UnsignedInt one when right instanceof UnsignedInt other ->
          unsigned(one, other, BigInteger::multiply);
      default -> throw none();
    };
  }

  private static Object divide(Object left, Object right) {
    return switch (left) {
      case Long one when right instanceof Long other -> {
        if (other == 0) {
          throw new CelException("division by zero");
        }
        yield Math.divideExact(one, other);
      }
      case Double one when right instanceof Double other -> one / other;
      case UnsignedInt one when right instanceof UnsignedInt other -> {
        if (other.bits() == 0) {
          throw new CelException("division by zero");
        }
        yield new UnsignedInt(Long.divideUnsigned(one.bits(), other.bits()));
      }
      default -> throw none();
    };
  }

  private static Object modulo(Object left, Object right) {
    return switch (left) {
      case Long one when right instanceof Long other -> {
        if (other == 0) {
          throw new CelException("modulus by zero");
        }
        yield one % other;
      }
      case UnsignedInt one when right instanceof UnsignedInt other -> {
        if (other.bits() == 0) {
          throw new CelException("modulus by zero");
        }
        yield new UnsignedInt(Long.remainderUnsigned(one.bits(), other.bits()));
      }
      default -> throw none();
    };
  }

  private static UnsignedInt unsigned(
      UnsignedInt left, UnsignedInt right, BinaryOperator<BigInteger> operation) {
    BigInteger result =
        operation.apply(new BigInteger(left.toString()), new BigInteger(right.toString()));
    if (result.signum() < 0 || result.bitLength() > 64) {
      throw new ArithmeticException("uint overflow");
    }
    return new UnsignedInt(result.longValue());
  }

  private static Duration bounded(Duration duration) {
    // Throws ArithmeticException beyond what nanoseconds in a long can tell, as Go's durations.
    return Duration.ofNanos(duration.toNanos());
  }

  private static final Instant FIRST = Instant.parse("0001-01-01T00:00:00Z");
  private static final Instant LAST = Instant.parse("9999-12-31T23:59:59.999999999Z");

  private static Instant bounded(Instant instant) {
    if (instant.isBefore(FIRST) || instant.isAfter(LAST)) {
      throw new CelException("timestamp overflow");
    }
    return instant;
  }

  /** -1, 0 or 1; 2 where the values have no order (NaN). */
  static int compare(Object left, Object right) {
    if (Values.isNumber(left) && Values.isNumber(right)) {
      boolean unordered =
          left instanceof Double one && one.isNaN()
              || right instanceof Double other && other.isNaN();
      return unordered ? 2 : Integer.signum(Values.compareNumbers(left, right));
    }
    return Integer.signum(
        switch (left) {
          case Boolean one when right instanceof Boolean other -> one.compareTo(other);
          case String one when right instanceof String other -> compareTexts(one, other);
          case Octets one when right instanceof Octets other -> one.compareTo(other);
          case Instant one when right instanceof Instant other -> one.compareTo(other);
          case Duration one when right instanceof Duration other -> one.compareTo(other);
          default -> throw none();
        });
  }

  /** By code points, which is the order of UTF-8 too. */
  private static int compareTexts(String left, String right) {
    int length = Math.min(left.length(), right.length());
    for (int i = 0; i < length; i++) {
      if (left.charAt(i) != right.charAt(i)) {
        int start = i > 0 && Character.isHighSurrogate(left.charAt(i - 1)) ? i - 1 : i;
        return Integer.compare(left.codePointAt(start), right.codePointAt(start));
      }
    }
    return Integer.compare(left.length(), right.length());
  }

  // Containers.

  static Object index(Object container, Object key) {
    return switch (container) {
      case List<?> list -> {
        long place = place(key);
        if (place < 0 || place >= list.size()) {
          throw new CelException("index out of bounds: " + place);
        }
        yield list.get((int) place);
      }
      case Map<?, ?> map -> {
        Object value = Values.lookUp(map, key);
        if (value == null) {
          throw new CelException("no such key: " + show(key));
        }
        yield value;
      }
      case Values.Struct struct when key instanceof String name ->
          struct.field(name).orElseThrow(() -> new CelException("no such key: " + name));
      case Optional<?> optional ->
          optional.isPresent() ? optionalIndex(optional.get(), key) : Optional.empty();
      default -> throw none();
    };
  }

  private static String show(Object key) {
    return key instanceof Double number ? Texts.number(number) : String.valueOf(key);
  }

  private static long place(Object key) {
    return switch (key) {
      case Long number -> number;
      case UnsignedInt number -> number.bits();
      case Double number when number == Math.rint(number) -> number.longValue();
      default -> throw none();
    };
  }

  private static Object optionalIndex(Object container, Object key) {
    return switch (container) {
      case Optional<?> optional ->
          optional.isPresent() ? optionalIndex(optional.get(), key) : Optional.empty();
      case List<?> list -> {
        long place = place(key);
        yield place < 0 || place >= list.size()
            ? Optional.empty()
            : Optional.of((Object) list.get((int) place));
      }
      case Map<?, ?> map -> Optional.ofNullable(Values.lookUp(map, key));
      case Values.Struct struct when key instanceof String name -> struct.field(name);
      default -> throw none();
    };
  }

  /** The field of an optional selection. */
  static Object optionalField(Object container, String field) {
    return switch (container) {
      case Optional<?> optional ->
          optional.isPresent() ? optionalField(optional.get(), field) : Optional.empty();
      case Map<?, ?> map -> Optional.ofNullable(Values.lookUp(map, field));
      case Values.Struct struct -> struct.field(field);
      default -> throw none();
    };
  }

  private static boolean in(Object value, Object container) {
    return switch (container) {
      case List<?> list -> holds(list, value);
      case Map<?, ?> map -> Values.lookUp(map, value) != null;
      default -> throw none();
    };
  }

  private static boolean holds(List<?> list, Object value) {
    for (Object one : list) {
      if (Values.equal(one, value)) {
        return true;
      }
    }
    return false;
  }

  private static long size(Object value) {
    return switch (value) {
      case String _, Octets _, List<?> _, Map<?, ?> _ -> Values.size(value);
      default -> throw none();
    };
  }

  private static boolean isZero(Object value) {
    return switch (value) {
      case Boolean flag -> !flag;
      case Long number -> number == 0;
      case UnsignedInt number -> number.bits() == 0;
      case Double number -> number == 0;
      case Duration duration -> duration.isZero();
      case String _, Octets _, List<?> _, Map<?, ?> _, Values.Struct _ -> Values.size(value) == 0;
      case dev.kedge.model.JsonNull _ -> true;
      case Optional<?> optional -> optional.isEmpty();
      default -> false;
    };
  }

  private static Object insert(Object[] a) {
    if (!(a[0] instanceof Map<?, ?> map)) {
      throw none();
    }
    Map<Object, Object> into = a[0] instanceof FillingMap filling ? filling : new FillingMap();
    if (into != a[0]) {
      into.putAll(map);
    }
    Map<?, ?> added =
        a.length > 2 ? Map.of(a[1], a[2]) : a[1] instanceof Map<?, ?> more ? more : Map.of();
    added.forEach(
        (key, value) -> {
          if (into.containsKey(key)) {
            throw new CelException("insert failed: key " + show(key) + " already exists");
          }
          into.put(key, value);
        });
    return into;
  }

  private static Object indexOf(Object[] a, boolean last) {
    if (a[0] instanceof String text) {
      return last
          ? Texts.lastIndexOf(text, text(a[1]), a.length > 2 ? number(a[2]) : Texts.length(text))
          : Texts.indexOf(text, text(a[1]), a.length > 2 ? number(a[2]) : 0);
    }
    List<?> list = list(a[0]);
    long found = -1;
    for (int i = 0; i < list.size() && (last || found < 0); i++) {
      if (Values.equal(list.get(i), a[1])) {
        found = i;
      }
    }
    return found;
  }

  private static Object sum(List<?> list) {
    Object sum = null;
    for (Object one : list) {
      sum = sum == null ? one : add(sum, one);
    }
    return sum == null ? 0L : sum;
  }

  private static Object extreme(List<?> list, String name, BinaryOperator<Object> better) {
    Object best = null;
    for (Object one : list) {
      best = best == null ? one : better.apply(best, one);
    }
    if (best == null) {
      throw new CelException(name + " called on empty list");
    }
    return best;
  }

  private static List<Object> slice(List<?> list, long from, long to) {
    if (from < 0 || to < 0) {
      throw new CelException(
          "cannot slice(" + from + ", " + to + "), negative indexes not supported");
    }
    if (from > to) {
      throw new CelException(
          "cannot slice("
              + from
              + ", "
              + to
              + "), start index must be less than or equal to end index");
    }
    if (to > list.size()) {
      throw new CelException(
          "cannot slice(" + from + ", " + to + "), list is length " + list.size());
    }
    return new ArrayList<>(list.subList((int) from, (int) to));
  }

  private static List<Object> flatten(List<?> list, long depth) {
    if (depth < 0) {
      throw new CelException("level must be non-negative");
    }
    List<Object> flat = new ArrayList<>();
    for (Object one : list) {
      if (depth > 0 && one instanceof List<?> inner) {
        flat.addAll(flatten(inner, depth - 1));
      } else {
        flat.add(one);
      }
    }
    return flat;
  }

  private static List<Object> range(long count) {
    if (count > 1_000_000) {
      throw new CelException(CelException.TOO_EXPENSIVE);
    }
    List<Object> numbers = new ArrayList<>();
    for (long i = 0; i < count; i++) {
      numbers.add(i);
    }
    return numbers;
  }

  private static List<Object> sortBy(List<?> list, List<?> keys) {
    if (list.size() != keys.size()) {
      throw new CelException("@sortByAssociatedKeys() expected a list of the same size");
    }
    List<Integer> places = new ArrayList<>();
    for (int i = 0; i < list.size(); i++) {
      places.add(i);
    }
    places.sort(Comparator.comparing(keys::get, Functions::compare));
    List<Object> sorted = new ArrayList<>();
    places.forEach(place -> sorted.add(list.get(place)));
    return sorted;
  }

  private static List<Object> findAll(Object[] a) {
    long most = a.length > 2 ? number(a[2]) : -1;
    Matcher matcher = Texts.matcher(text(a[1]), text(a[0]));
    List<Object> found = new ArrayList<>();
    while ((most < 0 || found.size() < most) && Texts.find(matcher)) {
      found.add(matcher.group());
    }
    return found;
  }

  // Conversions.

  private static Object toBool(Object value) {
    return switch (value) {
      case Boolean flag -> flag;
      case String text ->
          switch (text) {
            case "1", "t", "T", "true", "TRUE", "True" -> true;
            case "0", "f", "F", "false", "FALSE", "False" -> false;
            default -> throw new CelException("type conversion error from 'string' to 'bool'");
          };
      default -> throw none();
    };
  }

  private static Object toDouble(Object value) {
    return switch (value) {
      case Double number -> number;
      case Long number -> (double) number;
      case UnsignedInt number -> new BigDecimal(number.toString()).doubleValue();
      case String text -> {
        try {
          yield Double.parseDouble(text);
        } catch (NumberFormatException _) {
          throw new CelException("type conversion error from 'string' to 'double'");
        }
      }
      default -> throw none();
    };
  }

  private static Object toInt(Object value) {
    return switch (value) {
      case Long number -> number;
      case Double number -> {
        if (number.isNaN() || number <= -0x1p63 || number >= 0x1p63) {
          throw new CelException("integer overflow");
        }
        yield number.longValue();
      }
      case UnsignedInt number -> {
        if (number.bits() < 0) {
          throw new CelException("integer overflow");
        }
        yield number.bits();
      }
      case String text -> {
        try {
          yield Long.parseLong(text);
        } catch (NumberFormatException _) {
          throw new CelException("type conversion error from 'string' to 'int'");
        }
      }
      case Instant instant -> instant.getEpochSecond();
      case Duration duration -> duration.toNanos();
      default -> throw none();
    };
  }

  private static Object toUint(Object value) {
    return switch (value) {
      case UnsignedInt number -> number;
      case Long number -> {
        if (number < 0) {
          throw new CelException("unsigned integer overflow");
        }
        yield new UnsignedInt(number);
      }
      case Double number -> {
        if (number.isNaN() || number < 0 || number >= 0x1p64) {
          throw new CelException("unsigned integer overflow");
        }
        yield new UnsignedInt(new BigDecimal(number).toBigInteger().longValue());
      }
      case String text -> {
        try {
          yield new UnsignedInt(Long.parseUnsignedLong(text));
        } catch (NumberFormatException _) {
          throw new CelException("type conversion error from 'string' to 'uint'");
        }
      }
      default -> throw none();
    };
  }

  private static Object toText(Object value) {
    return switch (value) {
      case String text -> text;
      case Boolean _, Long _, UnsignedInt _, Ip _, Cidr _ -> value.toString();
      case Double number -> Texts.number(number);
      case Octets octets -> {
        try {
          yield StandardCharsets.UTF_8
              .newDecoder()
              .decode(ByteBuffer.wrap(octets.bytes()))
              .toString();
        } catch (CharacterCodingException _) {
          throw new CelException("invalid UTF-8 in bytes, cannot convert to string");
        }
      }
      case Instant instant -> Times.show(instant);
      case Duration duration -> Times.show(duration);
      default -> throw none();
    };
  }

  private static Object toDuration(Object value) {
    return switch (value) {
      case Duration duration -> duration;
      case Long nanos -> Duration.ofNanos(nanos);
      case String text ->
          Durations.find(text)
              .orElseThrow(
                  () -> new CelException("type conversion error from 'string' to 'duration'"));
      default -> throw none();
    };
  }

  private static Object toTimestamp(Object value) {
    return switch (value) {
      case Instant instant -> instant;
      case Long seconds -> bounded(Instant.ofEpochSecond(seconds));
      case String text ->
          Times.timestamp(text)
              .map(Functions::bounded)
              .orElseThrow(
                  () -> new CelException("type conversion error from 'string' to 'timestamp'"));
      default -> throw none();
    };
  }

  private static Object timePart(String function, Object[] a) {
    return switch (a[0]) {
      case Instant instant -> Times.part(function, instant, a.length > 1 ? text(a[1]) : "");
      case Duration duration ->
          switch (function) {
            case "getHours" -> duration.toHours();
            case "getMinutes" -> duration.toMinutes();
            case "getSeconds" -> duration.toSeconds();
            case "getMilliseconds" -> duration.toMillis();
            default -> throw none();
          };
      default -> throw none();
    };
  }
}
