package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.model.Durations;
import dev.kedge.model.JsonObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Times;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One run of one command: its arguments, and the server it talks to once it needs it. */
final class Session implements AutoCloseable {
  static final List<Flag> GLOBAL =
      List.of(
          Flag.text("kubeconfig", "Path to the kubeconfig file"),
          Flag.text("context", "The name of the kubeconfig context to use"),
          Flag.text("cluster", "The name of the kubeconfig cluster to use"),
          Flag.text("user", "The name of the kubeconfig user to use"),
          Flag.text("server", 's', "", "The address and port of the Kubernetes API server"),
          Flag.text("token", "Bearer token for authentication to the API server"),
          Flag.text("certificate-authority", "Path to a cert file for the certificate authority"),
          Flag.text("client-certificate", "Path to a client certificate file for TLS"),
          Flag.text("client-key", "Path to a client key file for TLS"),
          Flag.toggle("insecure-skip-tls-verify", "Do not check the server's certificate"),
          Flag.text("as", "Username to impersonate for the operation"),
          Flag.repeated("as-group", '\0', "Group to impersonate for the operation"),
          Flag.text("as-uid", "UID to impersonate for the operation"),
          Flag.text("request-timeout", '\0', "0", "How long to wait for a single server request"),
          Flag.text("cache-dir", "Cache directory (default $HOME/.kube/cache)"),
          Flag.text("namespace", 'n', "", "The namespace scope for this request"),
          Flag.text("v", 'v', "0", "Number for the log level verbosity; 6 shows the requests"),
          Flag.toggle("help", 'h', "Show the flags of a command"));

  private final Verb verb;
  private final Arguments arguments;
  private final Console console;
  private @Nullable KubeConfig config;
  private KubeConfig.@Nullable Target target;
  private @Nullable Transport transport;
  private @Nullable Discovery discovery;

  Session(Verb verb, Arguments arguments, Console console) {
    this.verb = verb;
    this.arguments = arguments;
    this.console = console;
  }

  Verb verb() {
    return verb;
  }

  Arguments arguments() {
    return arguments;
  }

  List<String> words() {
    return arguments.positionals();
  }

  Console console() {
    return console;
  }

  PrintStream out() {
    return console.out();
  }

  PrintStream err() {
    return console.err();
  }

  KubeConfig config() {
    if (config == null) {
      config = KubeConfig.load(arguments.text("kubeconfig"), console);
    }
    return config;
  }

  KubeConfig.Target target() {
    if (target == null) {
      target =
          config()
              .target(
                  arguments.text("context"),
                  arguments.text("cluster"),
                  // "create rolebinding" has a --user of its own.
                  verb.flags().stream().anyMatch(flag -> flag.name().equals("user"))
                      ? ""
                      : arguments.text("user"),
                  arguments.text("server"),
                  arguments.text("certificate-authority"),
                  arguments.on("insecure-skip-tls-verify"),
                  arguments.text("token"),
                  arguments.text("client-certificate"),
                  arguments.text("client-key"));
    }
    return target;
  }

  Transport transport() {
    if (transport == null) {
      List<String> impersonation = new ArrayList<>();
      if (!arguments.text("as").isEmpty()) {
        impersonation.addAll(List.of("Impersonate-User", arguments.text("as")));
      }
      for (String group : arguments.list("as-group")) {
        impersonation.addAll(List.of("Impersonate-Group", group));
      }
      if (!arguments.text("as-uid").isEmpty()) {
        impersonation.addAll(List.of("Impersonate-Uid", arguments.text("as-uid")));
      }
      Duration timeout = arguments.duration("request-timeout");
      transport =
          new Transport(target(), impersonation, console, (int) arguments.number("v"), timeout);
    }
    return transport;
  }

  Discovery discovery() {
    if (discovery == null) {
      String folder = arguments.text("cache-dir");
      if (folder.isEmpty()) {
        folder = console.variable("KUBECACHEDIR");
      }
      discovery =
          new Discovery(
              transport(),
              folder.isEmpty() ? KubeConfig.home(console).resolve(".kube/cache") : Path.of(folder));
    }
    return discovery;
  }

  /** The namespace of {@code -n}, the context, or {@code default}. */
  String namespace() {
    String flag = arguments.text("namespace");
    if (!flag.isEmpty()) {
      return flag;
    }
    String context = target().namespace();
    return context.isEmpty() ? "default" : context;
  }

  /** Whether {@code -A} is given, by commands that know it. */
  boolean allNamespaces() {
    return arguments.given("all-namespaces") && arguments.on("all-namespaces");
  }

  /** Path of a collection. */
  String path(Served served, String namespace) {
    return served.type().path(served.type().namespaced() ? namespace : "");
  }

  /** Path of an object. */
  String path(Served served, String namespace, String name) {
    return path(served, namespace) + "/" + Transport.encode(name);
  }

  JsonObject get(Served served, String namespace, String name) {
    return transport().get(path(served, namespace, name));
  }

  /** The objects of a collection that fulfil selectors; empty texts select all. */
  List<JsonObject> list(Served served, String namespace, String labels, String fields) {
    List<JsonObject> items = new ArrayList<>();
    String next = "";
    do {
      JsonObject page =
          transport()
              .get(
                  path(served, namespace)
                      + query(
                          "labelSelector",
                          labels,
                          "fieldSelector",
                          fields,
                          "limit",
                          "500",
                          "continue",
                          next));
      for (JsonObject item : page.objects("items")) {
        items.add(typed(item, served.type()));
      }
      next = page.text("metadata", "continue");
    } while (!next.isEmpty());
    return items;
  }

  /** Items of lists carry no kind. */
  static JsonObject typed(JsonObject item, ResourceType type) {
    return item.has("kind")
        ? item
        : JsonObject.builder()
            .put("apiVersion", type.apiVersion())
            .put("kind", type.kind())
            .putAll(item)
            .build();
  }

  /** A query of alternating names and values; empty values are left out. */
  static String query(String... namesAndValues) {
    StringBuilder query = new StringBuilder();
    for (int i = 0; i < namesAndValues.length; i += 2) {
      if (!namesAndValues[i + 1].isEmpty()) {
        query
            .append(query.isEmpty() ? '?' : '&')
            .append(namesAndValues[i])
            .append('=')
            .append(Transport.encode(namesAndValues[i + 1]));
      }
    }
    return query.toString();
  }

  /** Age of an object as tables show it. */
  static String age(String time) {
    return Times.instant(time)
        .map(from -> Durations.human(Duration.between(from, Instant.now())))
        .orElse(time.isEmpty() ? "<unknown>" : "<invalid>");
  }

  @Override
  public void close() {
    if (transport != null) {
      transport.close();
    }
  }
}
