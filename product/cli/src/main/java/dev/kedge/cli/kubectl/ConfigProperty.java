package dev.kedge.cli.kubectl;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/**
 * {@code config set} and {@code config unset}: one property of the kubeconfig by its path, such as
 * {@code clusters.my.cluster.server}. Names may have dots: they end where a known property follows.
 *
 * @param path as it was given
 * @param part {@code clusters}, {@code contexts} or {@code users}; empty for the current context
 * @param name of the entry; empty for all of the part
 * @param field of the entry; empty for the whole entry
 */
record ConfigProperty(String path, String part, String name, String field) {
  private enum Kind {
    TEXT,
    SWITCH,
    BYTES
  }

  private static final String CURRENT = "current-context";

  private static final Map<String, Map<String, Kind>> FIELDS =
      Map.of(
          "clusters",
          Map.of(
              "server", Kind.TEXT,
              "tls-server-name", Kind.TEXT,
              "insecure-skip-tls-verify", Kind.SWITCH,
              "certificate-authority", Kind.TEXT,
              "certificate-authority-data", Kind.BYTES,
              "proxy-url", Kind.TEXT,
              "disable-compression", Kind.SWITCH),
          "contexts",
          Map.of("cluster", Kind.TEXT, "user", Kind.TEXT, "namespace", Kind.TEXT),
          "users",
          Map.of(
              "client-certificate", Kind.TEXT,
              "client-certificate-data", Kind.BYTES,
              "client-key", Kind.TEXT,
              "client-key-data", Kind.BYTES,
              "token", Kind.TEXT,
              "tokenFile", Kind.TEXT,
              "username", Kind.TEXT,
              "password", Kind.TEXT,
              "as", Kind.TEXT,
              "as-uid", Kind.TEXT));

  static Verb setVerb() {
    return Verb.of(
        "set",
        "set PROPERTY VALUE",
        "Set a property in a kubeconfig file, such as clusters.NAME.server",
        List.of(Flag.toggle("set-raw-bytes", "The value of a -data property is not base64 yet")),
        ConfigProperty::set);
  }

  static Verb unsetVerb() {
    return Verb.of(
        "unset",
        "unset PROPERTY",
        "Remove a property from a kubeconfig file",
        List.of(),
        ConfigProperty::unset);
  }

  private static int set(Session session) {
    if (session.words().size() != 2) {
      throw new UsageException("Unexpected args: " + session.words());
    }
    String value = session.words().get(1);
    if (value.isEmpty()) {
      throw new UsageException("you cannot use set to unset a property");
    }
    ConfigProperty property = of(session.words().getFirst());
    JsonValue typed = property.typed(value, session.arguments().on("set-raw-bytes"));
    InfoCommands.change(session, config -> property.set(config, typed));
    session.out().print("Property \"" + property.path + "\" set.\n");
    return 0;
  }

  private static int unset(Session session) {
    if (session.words().size() != 1) {
      throw new UsageException("Unexpected args: " + session.words());
    }
    ConfigProperty property = of(session.words().getFirst());
    InfoCommands.change(session, property::unset);
    session.out().print("Property \"" + property.path + "\" unset.\n");
    return 0;
  }

  private static ConfigProperty of(String path) {
    List<String> steps = List.of(path.split("\\.", -1));
    String part = steps.getFirst();
    if (part.equals(CURRENT) && steps.size() == 1) {
      return new ConfigProperty(path, "", "", CURRENT);
    }
    Map<String, Kind> fields = FIELDS.getOrDefault(part, Map.of());
    int end = 2;
    while (end < steps.size() && !fields.containsKey(steps.get(end))) {
      end++;
    }
    if (path.isEmpty() || fields.isEmpty() || end < steps.size() - 1) {
      throw new UsageException("unable to parse one or more field values of " + path);
    }
    return new ConfigProperty(
        path,
        part,
        String.join(".", steps.subList(1, Math.min(end, steps.size()))),
        end < steps.size() ? steps.get(end) : "");
  }

  private JsonValue typed(String value, boolean raw) {
    if (part.isEmpty()) {
      return JsonValue.of(value);
    }
    if (field.isEmpty()) {
      throw new UsageException("can't set a map to a value: " + path);
    }
    return switch (FIELDS.getOrDefault(part, Map.of()).getOrDefault(field, Kind.TEXT)) {
      case TEXT -> JsonValue.of(value);
      case SWITCH -> {
        if (!value.equals("true") && !value.equals("false")) {
          throw new UsageException("strconv.ParseBool: parsing \"" + value + "\": invalid syntax");
        }
        yield JsonValue.of(value.equals("true"));
      }
      case BYTES -> JsonValue.of(raw ? encoded(value) : checked(value));
    };
  }

  private static String encoded(String value) {
    return Base64.getEncoder().encodeToString(value.getBytes(StandardCharsets.UTF_8));
  }

  private static String checked(String value) {
    try {
      Base64.getDecoder().decode(value);
      return value;
    } catch (IllegalArgumentException e) {
      throw new UsageException("error decoding input value: " + e.getMessage());
    }
  }

  private JsonObject set(JsonObject config, JsonValue value) {
    if (part.isEmpty()) {
      return config.with(field, value);
    }
    List<JsonObject> entries = new ArrayList<>(config.objects(part));
    int at = at(entries);
    JsonObject entry = at < 0 ? JsonObject.of("name", name) : entries.get(at);
    JsonObject changed = entry.withPath(List.of(one(), field), value);
    if (at < 0) {
      entries.add(changed);
    } else {
      entries.set(at, changed);
    }
    return config.with(part, entries);
  }

  private JsonObject unset(JsonObject config) {
    if (part.isEmpty()) {
      return config.without(field);
    }
    if (name.isEmpty()) {
      return config.with(part, JsonArray.EMPTY);
    }
    List<JsonObject> entries = new ArrayList<>(config.objects(part));
    int at = at(entries);
    if (at < 0 && !field.isEmpty()) {
      throw new UsageException("current map key `" + name + "` is invalid");
    }
    if (at >= 0 && field.isEmpty()) {
      entries.remove(at);
    } else if (at >= 0) {
      entries.set(at, entries.get(at).withoutPath(List.of(one(), field)));
    }
    return config.with(part, entries);
  }

  private int at(List<JsonObject> entries) {
    for (int i = 0; i < entries.size(); i++) {
      if (entries.get(i).text("name").equals(name)) {
        return i;
      }
    }
    return -1;
  }

  /** The name of what an entry holds: {@code cluster} for {@code clusters}. */
  private String one() {
    return part.substring(0, part.length() - 1);
  }
}
