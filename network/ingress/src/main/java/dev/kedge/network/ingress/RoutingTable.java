package dev.kedge.network.ingress;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * The rules of all Ingresses, compiled. Immutable; any thread.
 *
 * <p>Order of matching: an exact host before a wildcard before rules without host; within a host an
 * exact path before the longest prefix; then the default backend of an Ingress that has a rule for
 * the host, then the oldest default backend of all. Of two equal rules the one of the older Ingress
 * holds. As the Ingress documentation of Kubernetes has it; what it leaves to implementations
 * ({@code ImplementationSpecific}) is a prefix here.
 */
final class RoutingTable {
  /** Oldest first; the same second is decided by name so that restarts change nothing. */
  private static final Comparator<KubeObject> AGE =
      Comparator.<KubeObject, String>comparing(i -> i.json().text("metadata", "creationTimestamp"))
          .thenComparing(KubeObject::namespace)
          .thenComparing(KubeObject::name);

  static final RoutingTable EMPTY = new RoutingTable(List.of());

  private record Path(boolean exact, List<String> elements, String text, Route route) {
    boolean matches(String path, List<String> pathElements) {
      return exact
          ? path.equals(text)
          : elements.size() <= pathElements.size()
              && pathElements.subList(0, elements.size()).equals(elements);
    }
  }

  /** What is known of one host. */
  private static final class Host {
    final List<Path> paths = new ArrayList<>();
    final List<Route> defaults = new ArrayList<>();
  }

  private final Map<String, Host> exactHosts = new HashMap<>();
  private final Map<String, Host> wildcardHosts = new HashMap<>();
  private final Host anyHost = new Host();
  private final List<Route> defaults = new ArrayList<>();

  RoutingTable(Collection<KubeObject> ingresses) {
    for (KubeObject ingress : ingresses.stream().sorted(AGE).toList()) {
      add(ingress);
    }
    // Stable: equal rules stay in order of age.
    Comparator<Path> order =
        Comparator.comparing(Path::exact)
            .thenComparing(path -> path.elements().size())
            .thenComparing(path -> path.text().length())
            .reversed();
    exactHosts.values().forEach(host -> host.paths.sort(order));
    wildcardHosts.values().forEach(host -> host.paths.sort(order));
    anyHost.paths.sort(order);
  }

  private void add(KubeObject ingress) {
    Optional<Route> fallback = route(ingress.namespace(), ingress.spec().object("defaultBackend"));
    for (JsonObject rule : ingress.spec().objects("rules")) {
      Host host = host(rule.text("host").toLowerCase(Locale.ROOT));
      for (JsonObject path : rule.objects("http", "paths")) {
        Optional<Route> route = route(ingress.namespace(), path.object("backend"));
        if (route.isPresent()) {
          String text = path.text("path").isEmpty() ? "/" : path.text("path");
          boolean exact = path.text("pathType").equals("Exact");
          host.paths.add(new Path(exact, exact ? List.of() : elements(text), text, route.get()));
        }
      }
      fallback.ifPresent(host.defaults::add);
    }
    fallback.ifPresent(defaults::add);
  }

  private Host host(String name) {
    if (name.isEmpty() || name.equals("*")) {
      return anyHost;
    }
    return name.startsWith("*.")
        ? wildcardHosts.computeIfAbsent(name.substring(1), n -> new Host())
        : exactHosts.computeIfAbsent(name, n -> new Host());
  }

  private static Optional<Route> route(String namespace, JsonObject backend) {
    String service = backend.text("service", "name");
    if (service.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        new Route(
            namespace,
            service,
            backend.text("service", "port", "name"),
            (int) backend.integer("service", "port", "number")));
  }

  /**
   * Finds where a request goes.
   *
   * @param authority host with or without port, as the client sent it
   * @param rawPath percent-encoded
   */
  Optional<Route> find(String authority, String rawPath) {
    String path = normalized(rawPath);
    List<String> elements = elements(path);
    List<Host> candidates = candidates(hostName(authority));
    for (Host host : candidates) {
      for (Path each : host.paths) {
        if (each.matches(path, elements)) {
          return Optional.of(each.route());
        }
      }
    }
    for (Host host : candidates) {
      if (!host.defaults.isEmpty()) {
        return Optional.of(host.defaults.getFirst());
      }
    }
    return defaults.stream().findFirst();
  }

  private List<Host> candidates(String host) {
    List<Host> all = new ArrayList<>(3);
    Host exact = exactHosts.get(host);
    if (exact != null) {
      all.add(exact);
    }
    int dot = host.indexOf('.');
    // One label in place of the star, no more.
    Host wildcard = dot > 0 ? wildcardHosts.get(host.substring(dot)) : null;
    if (wildcard != null) {
      all.add(wildcard);
    }
    all.add(anyHost);
    return all;
  }

  /** The name in an authority, in small letters, without port and final dot. */
  static String hostName(String authority) {
    String name = authority.toLowerCase(Locale.ROOT);
    int colon = name.lastIndexOf(':');
    if (colon > name.lastIndexOf(']')) {
      name = name.substring(0, colon);
    }
    return name.endsWith(".") ? name.substring(0, name.length() - 1) : name;
  }

  private static List<String> elements(String path) {
    List<String> elements = new ArrayList<>();
    for (String element : path.split("/")) {
      if (!element.isEmpty()) {
        elements.add(element);
      }
    }
    return elements;
  }

  /**
   * Decoded and without dot segments, as the backend will understand it: a request must not pass by
   * one rule and be served as if by another.
   */
  static String normalized(String rawPath) {
    String path = decode(rawPath);
    if (!path.contains("/.") && !path.contains("//")) {
      return path;
    }
    Deque<String> kept = new ArrayDeque<>();
    String[] elements = path.split("/", -1);
    for (int i = 0; i < elements.length; i++) {
      String element = elements[i];
      boolean last = i == elements.length - 1;
      switch (element) {
        case "." -> {
          if (last) {
            kept.addLast("");
          }
        }
        case ".." -> {
          kept.pollLast();
          if (last) {
            kept.addLast("");
          }
        }
        case "" -> {
          if (last) {
            kept.addLast("");
          }
        }
        default -> kept.addLast(element);
      }
    }
    return "/" + String.join("/", kept);
  }

  private static String decode(String path) {
    if (path.indexOf('%') < 0) {
      return path;
    }
    try {
      return java.net.URLDecoder.decode(
          path.replace("+", "%2B"), java.nio.charset.StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) {
      // Not an encoding: the bytes as they stand, which the backend will judge.
      return path;
    }
  }
}
