package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Yaml;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;

/** Commands that tell about the server and the configuration. */
final class InfoCommands {
  private InfoCommands() {}

  static List<Verb> verbs() {
    Flag output = Output.FLAG;
    return List.of(
        Verb.of(
            "api-resources",
            "api-resources",
            "Print the supported API resources",
            List.of(
                output,
                Flag.text("api-group", "Limit to this group"),
                Flag.text("namespaced", "true or false: only those"),
                Flag.list("verbs", '\0', "Limit to resources with these verbs"),
                Flag.list("categories", '\0', "Limit to these categories"),
                Flag.toggle("no-headers", "Do not print headers"),
                Flag.toggle("cached", "Use the cache"),
                Flag.text("sort-by", "name or kind")),
            InfoCommands::resources),
        Verb.of(
            "api-versions",
            "api-versions",
            "Print the supported API versions",
            List.of(),
            InfoCommands::versions),
        Verb.of(
            "explain",
            "explain TYPE[.FIELD...]",
            "Get documentation for a resource",
            List.of(
                Flag.toggle("recursive", "Print the names of all fields below"),
                Flag.text("api-version", "Use this version of the API")),
            ExplainCommand::run),
        Verb.of(
            "version",
            "version",
            "Print the client and server version",
            List.of(output, Flag.toggle("client", "Client version only")),
            InfoCommands::version),
        Verb.of(
            "cluster-info",
            "cluster-info [dump]",
            "Display addresses of the control plane, or dump what helps to debug the cluster",
            DumpCommand.FLAGS,
            InfoCommands::clusterInfo),
        Verb.group(
            "config",
            "Show and change the kubeconfig",
            List.of(
                ConfigProperty.setVerb(),
                ConfigProperty.unsetVerb(),
                Verb.of(
                    "view",
                    "view",
                    "Display the merged kubeconfig",
                    List.of(
                        output,
                        Flag.toggle("raw", "Show secrets"),
                        Flag.toggle("minify", "Only what the current context uses"),
                        Flag.toggle("flatten", "Put files' contents into the output")),
                    InfoCommands::view),
                Verb.of(
                    "current-context",
                    "current-context",
                    "Display the current context",
                    List.of(),
                    InfoCommands::currentContext),
                Verb.of(
                        "use-context",
                        "use-context NAME",
                        "Set the current context",
                        List.of(),
                        InfoCommands::useContext)
                    .alias("use"),
                Verb.of(
                    "get-contexts",
                    "get-contexts",
                    "List contexts",
                    List.of(output, Flag.toggle("no-headers", "Do not print headers")),
                    InfoCommands::contexts),
                Verb.of(
                    "set-context",
                    "set-context NAME|--current",
                    "Change a context",
                    List.of(Flag.toggle("current", "Change the current context")),
                    InfoCommands::setContext),
                Verb.of(
                    "get-clusters",
                    "get-clusters",
                    "List clusters",
                    List.of(),
                    session -> names(session, "clusters")),
                Verb.of(
                    "get-users",
                    "get-users",
                    "List users",
                    List.of(),
                    session -> names(session, "users")),
                Verb.of(
                    "delete-context",
                    "delete-context NAME",
                    "Delete a context",
                    List.of(),
                    session -> remove(session, "contexts", "context")),
                Verb.of(
                    "delete-cluster",
                    "delete-cluster NAME",
                    "Delete a cluster",
                    List.of(),
                    session -> remove(session, "clusters", "cluster")),
                Verb.of(
                    "delete-user",
                    "delete-user NAME",
                    "Delete a user",
                    List.of(),
                    session -> remove(session, "users", "user")),
                Verb.of(
                    "rename-context",
                    "rename-context OLD NEW",
                    "Rename a context",
                    List.of(),
                    InfoCommands::renameContext),
                Verb.of(
                    "set-cluster",
                    "set-cluster NAME [--server=URL]",
                    "Set a cluster entry",
                    List.of(
                        Flag.text("tls-server-name", "Name in the server's certificate"),
                        Flag.text("proxy-url", "Proxy for requests to this cluster"),
                        Flag.toggle("embed-certs", "Put the certificate into the kubeconfig")),
                    InfoCommands::setCluster),
                Verb.of(
                    "set-credentials",
                    "set-credentials NAME [--token=TOKEN]",
                    "Set a user entry",
                    List.of(
                        Flag.text("username", "For basic authentication"),
                        Flag.text("password", "For basic authentication"),
                        Flag.toggle("embed-certs", "Put certificate and key into the kubeconfig")),
                    InfoCommands::setCredentials))),
        Verb.group(
            "auth",
            "Inspect authorization",
            List.of(
                Verb.of(
                    "can-i",
                    "can-i VERB TYPE[/NAME]",
                    "Check whether an action is allowed",
                    List.of(
                        Flag.toggle("all-namespaces", 'A', "In all namespaces"),
                        Flag.toggle("quiet", 'q', "Only the exit code"),
                        Flag.text("subresource", "Of the resource"),
                        Flag.toggle("list", "List what is allowed"),
                        Flag.toggle("no-headers", "Do not print headers")),
                    InfoCommands::canI),
                Verb.of(
                    "whoami",
                    "whoami",
                    "Show who the server takes you for",
                    List.of(output),
                    InfoCommands::whoAmI),
                ReconcileCommand.verb())));
  }

  // ---- discovery

  private static int resources(Session session) {
    Arguments a = session.arguments();
    List<Served> all =
        new ArrayList<>(
            a.on("cached") ? session.discovery().all() : session.discovery().refreshed());
    List<Served> shown = new ArrayList<>();
    for (Served served : all) {
      boolean first =
          shown.stream()
              .noneMatch(s -> s.type().groupResource().equals(served.type().groupResource()));
      if (first
          && (!a.given("api-group") || served.type().group().equals(a.text("api-group")))
          && (!a.given("namespaced")
              || Boolean.toString(served.type().namespaced()).equals(a.text("namespaced")))
          && served.verbs().containsAll(a.list("verbs"))
          && served.categories().containsAll(a.list("categories"))
          && !served.verbs().isEmpty()) {
        shown.add(served);
      }
    }
    Comparator<Served> order =
        switch (a.text("sort-by")) {
          case "" ->
              Comparator.<Served, String>comparing(s -> s.type().group())
                  .thenComparing(s -> s.type().plural());
          case "name" -> Comparator.comparing(s -> s.type().plural());
          case "kind" -> Comparator.comparing(s -> s.type().kind());
          default -> throw new UsageException("--sort-by accepts only name or kind");
        };
    shown.sort(order);
    String format = a.text("output");
    if (format.equals("name")) {
      shown.forEach(s -> session.out().print(s.type().groupResource() + "\n"));
      return 0;
    }
    if (!format.isEmpty() && !format.equals("wide")) {
      throw new UsageException(
          "--output " + format + " is not available in kubectl api-resources; use wide or name");
    }
    boolean wide = format.equals("wide");
    TabWriter table = TabWriter.table();
    if (!a.on("no-headers")) {
      table.append(
          "NAME\tSHORTNAMES\tAPIVERSION\tNAMESPACED\tKIND"
              + (wide ? "\tVERBS\tCATEGORIES" : "")
              + "\n");
    }
    for (Served s : shown) {
      table.append(
          String.join(
                  "\t",
                  s.type().plural(),
                  String.join(",", s.shortNames()),
                  s.type().apiVersion(),
                  Boolean.toString(s.type().namespaced()),
                  s.type().kind())
              + (wide
                  ? "\t" + String.join(",", s.verbs()) + "\t" + String.join(",", s.categories())
                  : "")
              + "\n");
    }
    session.out().print(table);
    return 0;
  }

  private static int versions(Session session) {
    TreeSet<String> versions = new TreeSet<>();
    session.discovery().refreshed().forEach(served -> versions.add(served.type().apiVersion()));
    versions.forEach(version -> session.out().print(version + "\n"));
    return 0;
  }

  // ---- versions and addresses

  private static int version(Session session) {
    Arguments a = session.arguments();
    JsonObject client =
        JsonObject.of(
            "gitVersion",
            "v1.36.0",
            "major",
            "1",
            "minor",
            "36",
            "platform",
            "linux/" + System.getProperty("os.arch"));
    JsonObject.Builder all = JsonObject.builder().put("clientVersion", client);
    if (!a.on("client")) {
      try {
        all.put("serverVersion", session.transport().get("/version"));
      } catch (java.io.UncheckedIOException e) {
        printVersion(session, all.build());
        throw e;
      }
    }
    printVersion(session, all.build());
    return 0;
  }

  private static void printVersion(Session session, JsonObject versions) {
    Output output = Output.of(session);
    if (!output.table()) {
      output.print(versions);
      return;
    }
    session.out().print("Client Version: " + versions.text("clientVersion", "gitVersion") + "\n");
    if (versions.has("serverVersion")) {
      session.out().print("Server Version: " + versions.text("serverVersion", "gitVersion") + "\n");
    }
    session.out().flush();
  }

  private static int clusterInfo(Session session) throws IOException {
    if (session.words().contains("dump")) {
      return DumpCommand.run(session);
    }
    session
        .out()
        .print("Kubernetes control plane is running at " + session.target().server() + "\n");
    for (JsonObject service :
        session.list(
            session.discovery().find("services"),
            "kube-system",
            "kubernetes.io/cluster-service=true",
            "")) {
      String name = service.text("metadata", "name");
      String shown = service.text("metadata", "labels", "kubernetes.io/name");
      String port =
          service.objects("spec", "ports").stream().findFirst().map(p -> p.text("name")).orElse("");
      session
          .out()
          .print(
              (shown.isEmpty() ? name : shown)
                  + " is running at "
                  + session.target().server()
                  + "/api/v1/namespaces/kube-system/services/"
                  + name
                  + (port.isEmpty() ? "" : ":" + port)
                  + "/proxy\n");
    }
    session
        .out()
        .print(
            "\n"
                + "To further debug and diagnose cluster problems, use 'kubectl describe' and"
                + " 'kubectl logs'.\n");
    return 0;
  }

  // ---- kubeconfig

  private static int view(Session session) {
    Arguments a = session.arguments();
    JsonObject config = session.config().json();
    if (a.on("minify")) {
      String context =
          a.text("context").isEmpty() ? config.text("current-context") : a.text("context");
      JsonObject used =
          config.objects("contexts").stream()
              .filter(c -> c.text("name").equals(context))
              .findFirst()
              .orElseThrow(() -> new UsageException("cannot locate context " + context))
              .object("context");
      config =
          config
              .with("current-context", context)
              .with("contexts", only(config, "contexts", context))
              .with("clusters", only(config, "clusters", used.text("cluster")))
              .with("users", only(config, "users", used.text("user")));
    }
    if (a.on("flatten")) {
      config =
          config
              .with("clusters", flattened(config, "clusters", "cluster"))
              .with("users", flattened(config, "users", "user"));
    }
    if (!a.on("raw")) {
      config =
          config
              .with(
                  "clusters",
                  redacted(
                      config,
                      "clusters",
                      "cluster",
                      List.of("certificate-authority-data"),
                      "DATA+OMITTED"))
              .with(
                  "users",
                  redacted(
                      config,
                      "users",
                      "user",
                      List.of("client-certificate-data", "client-key-data"),
                      "DATA+OMITTED"));
      config =
          config.with(
              "users", redacted(config, "users", "user", List.of("token", "password"), "REDACTED"));
    }
    Output output = Output.of(session);
    if (output.table()) {
      session.out().print(Yaml.write(config));
    } else {
      output.print(config);
    }
    return 0;
  }

  private static JsonArray only(JsonObject config, String part, String name) {
    return config.objects(part).stream()
        .filter(item -> item.text("name").equals(name))
        .collect(JsonArray.collector());
  }

  private static JsonArray redacted(
      JsonObject config, String part, String one, List<String> fields, String text) {
    return config.objects(part).stream()
        .map(
            item -> {
              JsonObject inner = item.object(one);
              for (String field : fields) {
                inner = inner.has(field) ? inner.with(field, text) : inner;
              }
              return item.with(one, inner);
            })
        .collect(JsonArray.collector());
  }

  private static JsonArray flattened(JsonObject config, String part, String one) {
    List<JsonValue> items = new ArrayList<>();
    for (JsonObject item : config.objects(part)) {
      JsonObject inner = item.object(one);
      for (String field : List.of("certificate-authority", "client-certificate", "client-key")) {
        if (inner.has(field)) {
          try {
            inner =
                inner
                    .with(
                        field + "-data",
                        Base64.getEncoder()
                            .encodeToString(Files.readAllBytes(Path.of(inner.text(field)))))
                    .without(field);
          } catch (IOException e) {
            throw new UsageException("unable to read " + inner.text(field) + ": " + e.getMessage());
          }
        }
      }
      items.add(item.with(one, inner));
    }
    return new JsonArray(items);
  }

  private static int currentContext(Session session) {
    String context = session.config().currentContext();
    if (context.isEmpty()) {
      throw new UsageException("current-context is not set");
    }
    session.out().print(context + "\n");
    return 0;
  }

  private static int contexts(Session session) {
    JsonObject config = session.config().json();
    if (session.arguments().text("output").equals("name")) {
      config.objects("contexts").forEach(c -> session.out().print(c.text("name") + "\n"));
      return 0;
    }
    TabWriter table = TabWriter.table();
    if (!session.arguments().on("no-headers")) {
      table.line("CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE");
    }
    for (JsonObject context : config.objects("contexts")) {
      JsonObject inner = context.object("context");
      table.line(
          context.text("name").equals(config.text("current-context")) ? "*" : "",
          context.text("name"),
          inner.text("cluster"),
          inner.text("user"),
          inner.text("namespace"));
    }
    session.out().print(table);
    return 0;
  }

  /** What a command makes of a kubeconfig. */
  interface Change {
    JsonObject of(JsonObject config);
  }

  /** Changes the kubeconfig file, as a whole or not at all. */
  static void change(Session session, Change change) {
    Path path = session.config().target();
    try {
      JsonObject config =
          Files.exists(path) && Yaml.parse(Files.readAllBytes(path)) instanceof JsonObject object
              ? object
              : JsonObject.of("apiVersion", "v1", "kind", "Config");
      byte[] text = Yaml.write(change.of(config)).getBytes(StandardCharsets.UTF_8);
      Path real = Files.exists(path) ? path.toRealPath() : path;
      Path temporary =
          Files.createTempFile(real.toAbsolutePath().getParent(), "kubeconfig", ".tmp");
      Files.write(temporary, text);
      Files.move(
          temporary,
          real,
          java.nio.file.StandardCopyOption.REPLACE_EXISTING,
          java.nio.file.StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw new UsageException("cannot write " + path + ": " + e.getMessage());
    }
  }

  private static int useContext(Session session) {
    if (session.words().size() != 1) {
      throw new UsageException("exactly one context name is required");
    }
    String name = session.words().getFirst();
    List<String> known =
        session.config().json().objects("contexts").stream().map(c -> c.text("name")).toList();
    if (!known.contains(name)) {
      throw new UsageException(
          "no context exists with the name: \""
              + name
              + "\""
              + Nearest.of(name, known)
                  .map(near -> " (did you mean \"" + near + "\"?)")
                  .orElse(""));
    }
    change(session, config -> config.with("current-context", name));
    session.out().print("Switched to context \"" + name + "\".\n");
    return 0;
  }

  private static int names(Session session, String part) {
    session.out().print("NAME\n");
    session
        .config()
        .json()
        .objects(part)
        .forEach(item -> session.out().print(item.text("name") + "\n"));
    return 0;
  }

  private static int remove(Session session, String part, String one) {
    String name = onlyWord(session, one);
    Path file = session.config().target();
    change(
        session,
        config -> {
          JsonArray left =
              config.objects(part).stream()
                  .filter(item -> !item.text("name").equals(name))
                  .collect(JsonArray.collector());
          if (left.items().size() == config.objects(part).size()) {
            throw new UsageException("cannot delete " + one + " " + name + ", not in " + file);
          }
          return config.with(part, left);
        });
    if (one.equals("context") && session.config().currentContext().equals(name)) {
      session
          .err()
          .println(
              "warning: this removed your active context, use \"kubectl config use-context\" to"
                  + " select a different one");
    }
    session.out().print("deleted " + one + " " + name + " from " + file + "\n");
    return 0;
  }

  private static String onlyWord(Session session, String what) {
    if (session.words().size() != 1) {
      throw new UsageException("exactly one " + what + " name is required");
    }
    return session.words().getFirst();
  }

  private static int renameContext(Session session) {
    if (session.words().size() != 2) {
      throw new UsageException("the old and the new name of a context are required");
    }
    String from = session.words().getFirst();
    String to = session.words().getLast();
    List<String> known =
        session.config().json().objects("contexts").stream().map(c -> c.text("name")).toList();
    if (!known.contains(from)) {
      throw new UsageException(
          "cannot rename the context \"" + from + "\", it's not in " + session.config().target());
    }
    if (known.contains(to)) {
      throw new UsageException(
          "cannot rename the context \""
              + from
              + "\", the context \""
              + to
              + "\" already exists in "
              + session.config().target());
    }
    change(
        session,
        config -> {
          JsonObject renamed =
              config.with(
                  "contexts",
                  config.objects("contexts").stream()
                      .map(item -> item.text("name").equals(from) ? item.with("name", to) : item)
                      .collect(JsonArray.collector()));
          return config.text("current-context").equals(from)
              ? renamed.with("current-context", to)
              : renamed;
        });
    session.out().print("Context \"" + from + "\" renamed to \"" + to + "\".\n");
    return 0;
  }

  private static int setCluster(Session session) {
    Arguments a = session.arguments();
    return setEntry(
        session,
        "Cluster",
        "clusters",
        "cluster",
        cluster -> {
          for (String field : List.of("server", "tls-server-name", "proxy-url")) {
            cluster = a.given(field) ? cluster.with(field, a.text(field)) : cluster;
          }
          if (a.given("insecure-skip-tls-verify")) {
            cluster = cluster.with("insecure-skip-tls-verify", a.on("insecure-skip-tls-verify"));
          }
          return certificate(a, cluster, "certificate-authority");
        });
  }

  private static int setCredentials(Session session) {
    Arguments a = session.arguments();
    return setEntry(
        session,
        "User",
        "users",
        "user",
        user -> {
          for (String field : List.of("token", "username", "password")) {
            user = a.given(field) ? user.with(field, a.text(field)) : user;
          }
          return certificate(a, certificate(a, user, "client-certificate"), "client-key");
        });
  }

  private static JsonObject certificate(Arguments a, JsonObject entry, String field) {
    if (!a.given(field)) {
      return entry;
    }
    if (!a.on("embed-certs")) {
      return entry
          .without(field + "-data")
          .with(field, Path.of(a.text(field)).toAbsolutePath().toString());
    }
    try {
      return entry
          .without(field)
          .with(
              field + "-data",
              Base64.getEncoder().encodeToString(Files.readAllBytes(Path.of(a.text(field)))));
    } catch (IOException e) {
      throw new UsageException("could not read " + field + " data from " + a.text(field));
    }
  }

  private static int setEntry(
      Session session, String shown, String part, String one, Change entry) {
    String name = onlyWord(session, one);
    change(
        session,
        config -> {
          List<JsonValue> items = new ArrayList<>();
          JsonObject inner = JsonObject.EMPTY;
          for (JsonObject item : config.objects(part)) {
            if (item.text("name").equals(name)) {
              inner = item.object(one);
            } else {
              items.add(item);
            }
          }
          items.add(JsonObject.of("name", name, one, entry.of(inner)));
          return config.with(part, items);
        });
    session.out().print(shown + " \"" + name + "\" set.\n");
    return 0;
  }

  private static int setContext(Session session) {
    boolean current = session.arguments().on("current");
    if (current != session.words().isEmpty()) {
      throw new UsageException("you must specify a context name or --current");
    }
    String name = current ? session.config().currentContext() : session.words().getFirst();
    boolean[] existed = {false};
    change(
        session,
        config -> {
          List<JsonValue> contexts = new ArrayList<>();
          JsonObject context = JsonObject.EMPTY;
          for (JsonObject item : config.objects("contexts")) {
            if (item.text("name").equals(name)) {
              existed[0] = true;
              context = item.object("context");
            } else {
              contexts.add(item);
            }
          }
          for (String field : List.of("namespace", "cluster", "user")) {
            if (session.arguments().given(field)) {
              context = context.with(field, session.arguments().text(field));
            }
          }
          contexts.add(JsonObject.of("name", name, "context", context));
          return config.with("contexts", contexts);
        });
    session
        .out()
        .print("Context \"" + name + "\" " + (existed[0] ? "modified" : "created") + ".\n");
    return 0;
  }

  // ---- authorization

  private static int canI(Session session) {
    Arguments a = session.arguments();
    String namespace = session.allNamespaces() ? "" : session.namespace();
    if (a.on("list")) {
      JsonObject review =
          session
              .transport()
              .post(
                  "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
                  JsonObject.of(
                      "apiVersion",
                      "authorization.k8s.io/v1",
                      "kind",
                      "SelfSubjectRulesReview",
                      "spec",
                      JsonObject.of("namespace", session.namespace())));
      TabWriter table = TabWriter.table();
      if (!a.on("no-headers")) {
        table.line("Resources", "Non-Resource URLs", "Resource Names", "Verbs");
      }
      for (JsonObject rule : review.objects("status", "resourceRules")) {
        for (String resource : rule.strings("resources")) {
          for (String group : rule.strings("apiGroups")) {
            table.line(
                resource + (group.isEmpty() ? "" : "." + group),
                "[]",
                rule.strings("resourceNames").toString().replace(",", ""),
                rule.strings("verbs").toString().replace(",", ""));
          }
        }
      }
      review
          .objects("status", "nonResourceRules")
          .forEach(
              rule ->
                  table.line(
                      "",
                      rule.strings("nonResourceURLs").toString().replace(",", ""),
                      "[]",
                      rule.strings("verbs").toString().replace(",", "")));
      session.out().print(table);
      return 0;
    }
    if (session.words().size() < 2) {
      throw new UsageException(
          "you must specify two arguments: verb resource or verb resource/resourceName");
    }
    String verb = session.words().getFirst();
    String what = session.words().get(1);
    JsonObject spec;
    if (what.startsWith("/")) {
      spec = JsonObject.of("nonResourceAttributes", JsonObject.of("path", what, "verb", verb));
    } else {
      String[] parts = what.split("/", 2);
      Optional<Served> served = find(session, parts[0]);
      if (served.isEmpty() && !parts[0].equals("*")) {
        session
            .err()
            .println("Warning: the server doesn't have a resource type '" + parts[0] + "'");
      }
      if (served.isPresent() && !served.get().type().namespaced()) {
        session
            .err()
            .println(
                "Warning: resource '"
                    + served.get().type().plural()
                    + "' is not namespace scoped"
                    + (served.get().type().group().isEmpty()
                        ? ""
                        : " in group '" + served.get().type().group() + "'"));
        namespace = "";
      }
      String name =
          parts.length == 2 ? parts[1] : session.words().size() > 2 ? session.words().get(2) : "";
      spec =
          JsonObject.of(
              "resourceAttributes",
              JsonObject.builder()
                  .putNonEmpty("namespace", namespace)
                  .put("verb", verb)
                  .putNonEmpty(
                      "group",
                      served.map(s -> s.type().group()).orElse(parts[0].equals("*") ? "*" : ""))
                  .put("resource", served.map(s -> s.type().plural()).orElse(parts[0]))
                  .putNonEmpty("subresource", a.text("subresource"))
                  .putNonEmpty("name", name)
                  .build());
    }
    JsonObject review =
        session
            .transport()
            .post(
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                JsonObject.of(
                    "apiVersion",
                    "authorization.k8s.io/v1",
                    "kind",
                    "SelfSubjectAccessReview",
                    "spec",
                    spec));
    boolean allowed = review.flag("status", "allowed");
    if (!a.on("quiet")) {
      String reason = review.text("status", "reason");
      session
          .out()
          .print(allowed ? "yes\n" : "no" + (reason.isEmpty() ? "" : " - " + reason) + "\n");
    }
    return allowed ? 0 : 1;
  }

  private static Optional<Served> find(Session session, String word) {
    try {
      return Optional.of(session.discovery().find(word));
    } catch (UsageException _) {
      return Optional.empty();
    }
  }

  private static int whoAmI(Session session) {
    JsonObject review =
        session
            .transport()
            .post(
                "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                JsonObject.of(
                    "apiVersion", "authentication.k8s.io/v1", "kind", "SelfSubjectReview"));
    Output output = Output.of(session);
    if (!output.table()) {
      output.print(review);
      return 0;
    }
    JsonObject user = review.object("status", "userInfo");
    TabWriter table =
        TabWriter.table().line("ATTRIBUTE", "VALUE").line("Username", user.text("username"));
    if (!user.text("uid").isEmpty()) {
      table.line("UID", user.text("uid"));
    }
    table.line("Groups", "[" + String.join(" ", user.strings("groups")) + "]");
    user.object("extra").forEach((name, value) -> table.line("Extra: " + name, Output.cell(value)));
    session.out().print(table);
    return 0;
  }
}
