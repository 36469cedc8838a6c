package dev.kedge.cel;

import dev.kedge.cel.Formats.Format;
import dev.kedge.cel.Network.Cidr;

/** What calls cost, by the rules of cel-go and of Kubernetes' libraries. Stateless. */
final class RuntimeCosts {
  private RuntimeCosts() {}

  private static long traversal(double size) {
    return (long) Math.ceil(size * Estimator.TRAVERSAL);
  }

  private static long regex(long text, long regex) {
    return traversal(1.0 + text) * (long) Math.ceil(regex * Estimator.REGEX);
  }

  /** What is known before the call. */
  static long before(String function, Object[] a) {
    long first = a.length > 0 ? Values.size(a[0]) : 0;
    long second = a.length > 1 ? Values.size(a[1]) : 0;
    switch (function) {
      case "check" -> {
        return 350_000;
      }
      case "fieldSelector", "labelSelector" -> {
        return 10 + traversal(second) + (long) Math.ceil(Math.ceil(second * 0.5) * 50);
      }
      case "isSorted", "sum", "max", "min", "indexOf", "lastIndexOf" -> {
        return Values.traversal(a[0]);
      }
      case "url",
          "lowerAscii",
          "upperAscii",
          "substring",
          "trim",
          "jsonpatch.escapeKey",
          "cidr",
          "isIP",
          "isCIDR",
          "quantity",
          "isQuantity",
          "semver",
          "isSemver",
          "strings.quote",
          "format" -> {
        return traversal(first);
      }
      case "replace", "split", "ip.isCanonical" -> {
        return traversal(2.0 * first);
      }
      case "join" -> {
        return 0;
      }
      case "find", "findAll", "matches" -> {
        return regex(first, second);
      }
      case "ip" -> {
        return a[0] instanceof Cidr ? 1 : traversal(first);
      }
      case "containsIP" -> {
        return traversal(2.0 * first) + (a[1] instanceof String ? traversal(second) : 0);
      }
      case "containsCIDR" -> {
        return traversal(2.0 * first)
            + traversal(first)
            + 1
            + (a[1] instanceof String ? traversal(second) : 0);
      }
      case "validate" -> {
        return a[0] instanceof Format format ? regex(second, format.regexSize()) : 1;
      }
      case "startsWith", "endsWith" -> {
        return traversal(first);
      }
      case "bytes", "string" -> {
        return a[0] instanceof String && function.equals("bytes") || a[0] instanceof Octets
            ? traversal(first)
            : 1;
      }
      case "contains" -> {
        return traversal(first) * traversal(second);
      }
      case "@in" -> {
        return a[1] instanceof java.util.List<?> ? second : 1;
      }
      case "_==_", "_!=_" -> {
        return opaque(a[0]) ? 1 : traversal(Math.min(first, second));
      }
      case "_<_", "_<=_", "_>_", "_>=_" -> {
        return a[0] instanceof String || a[0] instanceof Octets
            ? traversal(Math.min(first, second))
            : 1;
      }
      case "_+_" -> {
        return a[0] instanceof String || a[0] instanceof Octets ? traversal(first + second) : 1;
      }
      default -> {
        return 1;
      }
    }
  }

  private static boolean opaque(Object value) {
    return value instanceof Network.Ip
        || value instanceof Cidr
        || value instanceof dev.kedge.model.Quantity
        || value instanceof Version
        || value instanceof java.net.URI
        || value instanceof Format;
  }

  /** What only the result tells. */
  static long after(String function, Object result) {
    return function.equals("join") ? traversal(2.0 * Values.size(result)) : 0;
  }
}
