package dev.kedge.node;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonBoolean;
import dev.kedge.model.JsonDecimal;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Yaml;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * K3s's {@code registries.yaml} (mirrors with endpoints, configs with auth and tls) as containerd's
 * {@code certs.d/<host>/hosts.toml}, which containerd reads at every pull: changes need no restart.
 *
 * <p>Not taken over, and refused with a sentence rather than ignored: {@code rewrite}, which
 * Debian's containerd cannot do.
 */
final class RegistryConfiguration {
  private final NodeSettings settings;

  RegistryConfiguration(NodeSettings settings) {
    this.settings = settings;
  }

  static Path directory(NodeSettings settings) {
    return settings.agentDirectory().resolve("etc/containerd/certs.d");
  }

  /** Reads the file and writes the directory anew. */
  void write() throws IOException {
    Path directory = directory(settings);
    Mounts.deleteTree(directory);
    Files.createDirectories(directory);
    Map<?, ?> root = read();
    for (Object key : root.keySet()) {
      if (!Set.of("mirrors", "configs", "auths").contains(key)) {
        throw new IOException(settings.registries() + ": unknown field " + key);
      }
    }
    Map<?, ?> mirrors = map(root.get("mirrors"), "mirrors");
    Map<?, ?> configs = map(root.get("configs"), "configs");
    Set<String> hosts = new LinkedHashSet<>();
    mirrors.keySet().forEach(host -> hosts.add(host.toString()));
    configs.keySet().forEach(host -> hosts.add(host.toString()));
    for (String host : hosts) {
      StringBuilder toml = new StringBuilder("# Written by kedge from registries.yaml.\n");
      if (!host.equals("*")) {
        toml.append("server = \"").append(upstream(host)).append("\"\n");
      }
      Map<?, ?> mirror = map(mirrors.get(host), "mirrors." + host);
      for (Object field : mirror.keySet()) {
        if (!field.equals("endpoint")) {
          throw new IOException(
              settings.registries()
                  + ": mirrors."
                  + host
                  + "."
                  + field
                  + " is not supported by this containerd; remove it or use an endpoint that needs"
                  + " no "
                  + field);
        }
      }
      List<String> endpoints = new ArrayList<>();
      if (mirror.get("endpoint") instanceof List<?> list) {
        list.forEach(endpoint -> endpoints.add(endpoint.toString()));
      }
      if (configs.containsKey(host)) {
        endpoints.add(upstream(host));
      }
      for (String endpoint : endpoints) {
        toml.append(host(endpoint, map(configs.get(authority(endpoint)), "configs")));
      }
      Path file = directory.resolve(host.equals("*") ? "_default" : host).resolve("hosts.toml");
      Files.createDirectories(file.getParent());
      Files.writeString(file, toml);
    }
  }

  private static String upstream(String host) {
    return "https://" + (host.equals("docker.io") ? "registry-1.docker.io" : host);
  }

  private static String authority(String endpoint) {
    return endpoint.replaceFirst("^https?://", "").replaceFirst("/.*$", "");
  }

  private String host(String endpoint, Map<?, ?> config) throws IOException {
    String url = endpoint.contains("://") ? endpoint : "https://" + endpoint;
    boolean path = !url.replaceFirst("^https?://[^/]*", "").replaceFirst("/$", "").isEmpty();
    StringBuilder out = new StringBuilder();
    out.append("\n[host.\"").append(url).append("\"]\n");
    out.append("  capabilities = [\"pull\", \"resolve\"]\n");
    if (path) {
      out.append("  override_path = true\n");
    }
    Map<?, ?> tls = map(config.get("tls"), "tls");
    for (Map.Entry<?, ?> entry : tls.entrySet()) {
      switch (entry.getKey().toString()) {
        case "insecure_skip_verify" ->
            out.append("  skip_verify = ").append(entry.getValue()).append('\n');
        case "ca_file" -> out.append("  ca = \"").append(entry.getValue()).append("\"\n");
        case "cert_file" -> {
          Object key = tls.get("key_file");
          out.append("  client = [[\"")
              .append(entry.getValue())
              .append("\", \"")
              .append(key == null ? "" : key)
              .append("\"]]\n");
        }
        case "key_file" -> {
          // Written with cert_file.
        }
        default ->
            throw new IOException(settings.registries() + ": unknown field tls." + entry.getKey());
      }
    }
    Optional<String> header = authorization(map(config.get("auth"), "auth"));
    if (header.isPresent()) {
      out.append("  [host.\"").append(url).append("\".header]\n");
      out.append("    Authorization = \"").append(header.get()).append("\"\n");
    }
    return out.toString();
  }

  private static Optional<String> authorization(Map<?, ?> auth) {
    if (auth.get("username") != null && auth.get("password") != null) {
      String pair = auth.get("username") + ":" + auth.get("password");
      return Optional.of(
          "Basic " + Base64.getEncoder().encodeToString(pair.getBytes(StandardCharsets.UTF_8)));
    }
    if (auth.get("auth") != null) {
      return Optional.of("Basic " + auth.get("auth"));
    }
    if (auth.get("identity_token") != null) {
      return Optional.of("Bearer " + auth.get("identity_token"));
    }
    return Optional.empty();
  }

  private Map<?, ?> read() throws IOException {
    if (!Files.exists(settings.registries())) {
      return Map.of();
    }
    try {
      return map(plain(Yaml.parse(Files.readString(settings.registries()))), "the document");
    } catch (JsonSyntaxException e) {
      throw new IOException(settings.registries() + " is not YAML: " + e.located(), e);
    }
  }

  private static @org.jspecify.annotations.Nullable Object plain(JsonValue value) {
    return switch (value) {
      case JsonObject object -> {
        Map<String, @org.jspecify.annotations.Nullable Object> map = new LinkedHashMap<>();
        object.forEach((name, item) -> map.put(name, plain(item)));
        yield map;
      }
      case JsonArray array -> {
        List<@org.jspecify.annotations.Nullable Object> list = new ArrayList<>();
        array.items().forEach(item -> list.add(plain(item)));
        yield list;
      }
      case JsonString text -> text.value();
      case JsonBoolean flag -> flag.value();
      case JsonInteger number -> number.value();
      case JsonDecimal number -> number.value();
      case JsonNull _ -> null;
    };
  }

  private Map<?, ?> map(@org.jspecify.annotations.Nullable Object value, String what)
      throws IOException {
    if (value == null) {
      return new LinkedHashMap<>();
    }
    if (value instanceof Map<?, ?> map) {
      return map;
    }
    throw new IOException(settings.registries() + ": " + what + " must be a mapping");
  }
}
