package dev.kedge.apiserver;

import dev.kedge.http.Query;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * What a URL and method ask for, by the rules of upstream's {@code requestinfo.go}.
 *
 * @param resourceRequest whether it is about a resource; else only path and verb count
 * @param path decoded
 * @param verb get, list, watch, create, update, patch, delete, deletecollection, proxy; for other
 *     requests the method in small letters
 * @param forcedWatch whether the URL has the old {@code /watch/} in it
 * @param name of the object; for lists and watches the name their field selector asks for, which
 *     authorisation looks at
 * @param rest the segments behind the subresource
 */
record RequestInfo(
    boolean resourceRequest,
    String path,
    String verb,
    boolean forcedWatch,
    String group,
    String version,
    String namespace,
    String resource,
    String subresource,
    String name,
    List<String> rest) {
  static final RequestInfo NONE = other("", "");

  private static final Set<String> NAMESPACE_SUBRESOURCES = Set.of("status", "finalize");

  private static RequestInfo other(String path, String verb) {
    return new RequestInfo(false, path, verb, false, "", "", "", "", "", "", List.of());
  }

  /** Reads a request; the path is percent-encoded as sent. */
  static RequestInfo of(String method, String encodedPath, Query query) {
    String path = decode(encodedPath);
    RequestInfo other = other(path, method.toLowerCase(Locale.ROOT));
    List<String> parts = split(path);
    if (parts.size() < 3) {
      return other;
    }
    boolean core = parts.getFirst().equals("api");
    if (!core && (!parts.getFirst().equals("apis") || parts.size() < 4)) {
      return other;
    }
    String group = core ? "" : parts.get(1);
    String version = parts.get(core ? 1 : 2);
    parts = parts.subList(core ? 2 : 3, parts.size());
    String verb =
        switch (method) {
          case "POST" -> "create";
          case "GET", "HEAD" -> "get";
          case "PUT" -> "update";
          case "PATCH" -> "patch";
          case "DELETE" -> "delete";
          default -> "";
        };
    boolean watch = parts.getFirst().equals("watch");
    boolean proxy = parts.getFirst().equals("proxy");
    if (watch || proxy) {
      if (parts.size() < 2) {
        return other;
      }
      verb = parts.getFirst();
      parts = parts.subList(1, parts.size());
    }
    String namespace = "";
    if (parts.getFirst().equals("namespaces") && parts.size() > 1) {
      namespace = parts.get(1);
      if (parts.size() > 2 && !NAMESPACE_SUBRESOURCES.contains(parts.get(2))) {
        parts = parts.subList(2, parts.size());
      }
    }
    String resource = parts.getFirst();
    String name = parts.size() > 1 ? parts.get(1) : "";
    String subresource = parts.size() > 2 && !proxy ? parts.get(2) : "";
    List<String> rest = parts.size() > 3 ? parts.subList(3, parts.size()) : List.of();
    if (name.isEmpty() && verb.equals("get")) {
      verb = Options.flag(query, "watch") ? "watch" : "list";
    }
    if (name.isEmpty() && verb.equals("delete")) {
      verb = "deletecollection";
    }
    if (name.isEmpty() && Set.of("list", "watch", "deletecollection").contains(verb)) {
      name = selectedName(query.text("fieldSelector"));
    }
    return new RequestInfo(
        true, path, verb, watch, group, version, namespace, resource, subresource, name, rest);
  }

  /** Whether the answer may take as long as the client stays. */
  boolean longRunning() {
    return verb.equals("watch")
        || verb.equals("proxy")
        || (resourceRequest
            && Set.of("log", "exec", "attach", "portforward", "proxy").contains(subresource));
  }

  /** Whether a request only reads. */
  boolean readOnly() {
    return Set.of("get", "list", "watch", "head").contains(verb);
  }

  private static String selectedName(String fieldSelector) {
    for (String term : fieldSelector.split(",")) {
      int equals = term.indexOf('=');
      if (equals > 0
          && term.substring(0, equals).equals("metadata.name")
          && !term.startsWith("metadata.name!=")) {
        String value = term.substring(term.startsWith("==", equals) ? equals + 2 : equals + 1);
        return value.contains("/") || value.contains("%") ? "" : value;
      }
    }
    return "";
  }

  private static List<String> split(String path) {
    int from = 0;
    int to = path.length();
    while (from < to && path.charAt(from) == '/') {
      from++;
    }
    while (to > from && path.charAt(to - 1) == '/') {
      to--;
    }
    return from == to ? List.of() : List.of(path.substring(from, to).split("/", -1));
  }

  /** Percent-decodes a path; a plus sign stays what it is. */
  static String decode(String path) {
    if (path.indexOf('%') < 0) {
      return path;
    }
    try {
      return URLDecoder.decode(path.replace("+", "%2B"), StandardCharsets.UTF_8);
    } catch (IllegalArgumentException _) {
      return path;
    }
  }
}
