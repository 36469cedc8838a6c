package dev.kedge.cli.kubectl;

import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.Yaml;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Optional;

/**
 * The kubeconfig files in force, merged as kubectl merges them: of names that stand in several
 * files the first one counts.
 */
final class KubeConfig {
  /** Where {@code kedge server} writes the administrator's kubeconfig. */
  static final Path KEDGE = Path.of("/etc/kedge/kedge.yaml");

  /** The extension of a user that names the server's socket. */
  private static final String SOCKET = "kedge.dev/socket";

  private record Source(Path path, JsonObject json) {}

  private final List<Path> paths;
  private final List<Source> sources;

  private KubeConfig(List<Path> paths, List<Source> sources) {
    this.paths = paths;
    this.sources = sources;
  }

  /**
   * Reads {@code --kubeconfig}, else {@code $KUBECONFIG}, else the file that {@code kedge server}
   * wrote on this machine, as K3s does, else {@code ~/.kube/config}.
   *
   * @throws UsageException if a file cannot be read or is no kubeconfig
   */
  static KubeConfig load(String flag, Console console) {
    if (!flag.isEmpty()) {
      Path path = Path.of(flag);
      if (!Files.exists(path)) {
        throw new UsageException("stat " + flag + ": no such file or directory");
      }
      return read(List.of(path));
    }
    String variable = console.variable("KUBECONFIG");
    if (!variable.isEmpty()) {
      return read(
          List.of(variable.split(":")).stream()
              .filter(part -> !part.isEmpty())
              .map(Path::of)
              .toList());
    }
    Path home = home(console).resolve(".kube/config");
    Path given = Path.of(System.getProperty("kedge.kubeconfig", KEDGE.toString()));
    return read(List.of(Files.isReadable(given) || !Files.exists(home) ? given : home));
  }

  static Path home(Console console) {
    String home = console.variable("HOME");
    return Path.of(home.isEmpty() ? System.getProperty("user.home", "/root") : home);
  }

  private static KubeConfig read(List<Path> paths) {
    List<Source> sources = new ArrayList<>();
    for (Path path : paths) {
      if (!Files.exists(path)) {
        continue;
      }
      try {
        if (Yaml.parse(Files.readAllBytes(path)) instanceof JsonObject json) {
          sources.add(new Source(path, json));
        }
      } catch (JsonSyntaxException e) {
        throw new UsageException("error loading config file \"" + path + "\": " + e.located());
      } catch (java.nio.file.AccessDeniedException e) {
        throw new UsageException(
            "error loading config file \"" + path + "\": open " + path + ": permission denied");
      } catch (IOException e) {
        throw new UsageException("error loading config file \"" + path + "\": " + e.getMessage());
      }
    }
    return new KubeConfig(paths, sources);
  }

  /** The file that changes are written to. */
  Path target() {
    return sources.isEmpty() ? paths.getFirst() : sources.getFirst().path();
  }

  /** The merged configuration. */
  JsonObject json() {
    JsonObject.Builder merged =
        JsonObject.builder()
            .put("apiVersion", "v1")
            .put("kind", "Config")
            .put("preferences", JsonObject.EMPTY);
    merged.put("current-context", currentContext());
    for (String part : List.of("clusters", "contexts", "users")) {
      List<JsonObject> all = new ArrayList<>();
      for (Source source : sources) {
        for (JsonObject item : source.json().objects(part)) {
          if (all.stream().noneMatch(seen -> seen.text("name").equals(item.text("name")))) {
            all.add(item);
          }
        }
      }
      merged.put(part, all);
    }
    return merged.build();
  }

  String currentContext() {
    return sources.stream()
        .map(source -> source.json().text("current-context"))
        .filter(name -> !name.isEmpty())
        .findFirst()
        .orElse("");
  }

  private record Found(JsonObject json, Path file) {}

  private Optional<Found> item(String part, String one, String name) {
    for (Source source : sources) {
      for (JsonObject item : source.json().objects(part)) {
        if (item.text("name").equals(name)) {
          return Optional.of(new Found(item.object(one), source.path()));
        }
      }
    }
    return Optional.empty();
  }

  /**
   * Where and as whom to talk.
   *
   * @param certificateAuthority PEM, empty: the system's
   * @param clientCertificate PEM, empty for none
   * @param clientKey PEM
   * @param basic {@code user:password}, empty for none
   * @param socket of the server on this machine, where the user may go in without TLS; empty for
   *     none
   */
  record Target(
      String server,
      String serverName,
      String certificateAuthority,
      boolean insecure,
      String clientCertificate,
      String clientKey,
      String token,
      String basic,
      String socket,
      String namespace) {}

  /**
   * Resolves a context with the flags that override its parts; empty texts override nothing. A
   * token given by flag goes before the context's certificate, which the server would look at
   * first.
   */
  Target target(
      String context,
      String cluster,
      String user,
      String server,
      String authorityFile,
      boolean insecure,
      String token,
      String clientCertificateFile,
      String clientKeyFile) {
    String contextName = context.isEmpty() ? currentContext() : context;
    Optional<Found> contextItem = item("contexts", "context", contextName);
    if (contextItem.isEmpty() && !context.isEmpty()) {
      throw new UsageException("context \"" + context + "\" does not exist");
    }
    JsonObject inContext = contextItem.map(Found::json).orElse(JsonObject.EMPTY);
    String clusterName = cluster.isEmpty() ? inContext.text("cluster") : cluster;
    String userName = user.isEmpty() ? inContext.text("user") : user;
    Optional<Found> clusterItem = item("clusters", "cluster", clusterName);
    if (clusterItem.isEmpty() && !cluster.isEmpty()) {
      throw new UsageException("cluster \"" + cluster + "\" does not exist");
    }
    Optional<Found> userItem = item("users", "user", userName);
    if (userItem.isEmpty() && !user.isEmpty()) {
      throw new UsageException("auth info \"" + user + "\" does not exist");
    }
    Found clusterFound = clusterItem.orElse(new Found(JsonObject.EMPTY, Path.of(".")));
    Found userFound = userItem.orElse(new Found(JsonObject.EMPTY, Path.of(".")));
    for (String plugin : List.of("exec", "auth-provider")) {
      if (token.isEmpty() && userFound.json().has(plugin)) {
        throw new UsageException(
            "user \""
                + userName
                + "\" logs in by \""
                + plugin
                + "\", which kedge kubectl does not support yet; give --token or a client"
                + " certificate, or use upstream's kubectl");
      }
    }
    String address = server.isEmpty() ? clusterFound.json().text("server") : server;
    if (address.isEmpty()) {
      address = "http://localhost:8080";
    }
    if (!address.contains("://")) {
      address = "https://" + address;
    }
    String tokenFile = userFound.json().text("tokenFile");
    String bearer = token;
    if (bearer.isEmpty()) {
      bearer =
          tokenFile.isEmpty()
              ? userFound.json().text("token")
              : file(userFound.file(), tokenFile).strip();
    }
    String name = userFound.json().text("username");
    String bare = address.endsWith("/") ? address.substring(0, address.length() - 1) : address;
    // The socket is for the user that the server wrote down, not for what flags make of it.
    boolean asWritten = server.isEmpty() && token.isEmpty() && clientCertificateFile.isEmpty();
    String socket =
        userFound.json().objects("extensions").stream()
            .filter(extension -> asWritten && extension.text("name").equals(SOCKET))
            .map(extension -> extension.object("extension"))
            .filter(extension -> extension.text("server").equals(bare))
            .map(extension -> extension.text("path"))
            .findFirst()
            .orElse("");
    return new Target(
        bare,
        clusterFound.json().text("tls-server-name"),
        authorityFile.isEmpty()
            ? data(clusterFound, "certificate-authority")
            : file(Path.of("."), authorityFile),
        insecure || clusterFound.json().flag("insecure-skip-tls-verify"),
        clientCertificateFile.isEmpty()
            ? token.isEmpty() ? data(userFound, "client-certificate") : ""
            : file(Path.of("."), clientCertificateFile),
        clientKeyFile.isEmpty()
            ? token.isEmpty() ? data(userFound, "client-key") : ""
            : file(Path.of("."), clientKeyFile),
        bearer,
        name.isEmpty() ? "" : name + ":" + userFound.json().text("password"),
        socket,
        inContext.text("namespace"));
  }

  private static String data(Found found, String field) {
    String inline = found.json().text(field + "-data");
    if (!inline.isEmpty()) {
      try {
        return new String(Base64.getMimeDecoder().decode(inline), StandardCharsets.UTF_8);
      } catch (IllegalArgumentException e) {
        throw new UsageException(
            "error loading config file \"" + found.file() + "\": " + field + "-data is no base64");
      }
    }
    String path = found.json().text(field);
    return path.isEmpty() ? "" : file(found.file(), path);
  }

  /** Reads a file whose path is relative to the kubeconfig that names it. */
  private static String file(Path config, String name) {
    Path path = config.toAbsolutePath().resolveSibling(name);
    try {
      return Files.readString(path);
    } catch (IOException e) {
      throw new UsageException("unable to read " + path + ": " + e.getMessage());
    }
  }
}
