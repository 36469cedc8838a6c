package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.ServerSideApply;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** {@code create} from files and by its generators. */
final class CreateCommand {
  private static final List<Flag> COMMON =
      List.of(
          Output.FLAG,
          Output.MANAGED_FIELDS,
          Output.DRY_RUN,
          ApplyCommand.VALIDATE,
          Flag.toggle(
              "save-config", "Keep the configuration in the object's annotation for later applies"),
          Flag.text(
              "field-manager",
              '\0',
              "kubectl-create",
              "Name of the manager used to track field ownership"));

  private static final List<Flag> DATA =
      Flags.with(
          COMMON,
          Flag.repeated("from-literal", '\0', "A key and literal value, key=value"),
          Flag.repeated("from-file", '\0', "A file, or key=file, or a directory"),
          Flag.repeated("from-env-file", '\0', "A file of key=value lines"),
          Flag.text("type", "The type of secret to create"));

  private CreateCommand() {}

  static Verb verb() {
    return new Verb(
        "create",
        List.of(),
        "create -f FILENAME | create KIND NAME",
        "Create a resource from a file or from stdin",
        Flags.with(COMMON, Manifests.FLAGS.toArray(Flag[]::new)),
        CreateCommand::files,
        List.of(
            generator(
                    "namespace",
                    "namespace NAME",
                    "Create a namespace",
                    COMMON,
                    s -> kind("v1", "Namespace", name(s)))
                .alias("ns"),
            generator(
                    "configmap",
                    "configmap NAME [--from-file=[key=]source] [--from-literal=key=value]",
                    "Create a config map from files or literals",
                    DATA,
                    CreateCommand::configMap)
                .alias("cm"),
            Verb.group(
                "secret",
                "Create a secret",
                List.of(
                    generator(
                        "generic",
                        "generic NAME [--from-file=[key=]source] [--from-literal=key=value]",
                        "Create a secret from files or literals",
                        DATA,
                        CreateCommand::secret),
                    generator(
                        "tls",
                        "tls NAME --cert=FILE --key=FILE",
                        "Create a TLS secret",
                        Flags.with(
                            COMMON,
                            Flag.text("cert", "Path to the certificate"),
                            Flag.text("key", "Path to the private key")),
                        CreateCommand::tls),
                    generator(
                        "docker-registry",
                        "docker-registry NAME --docker-username=U --docker-password=P",
                        "Create a secret for an image registry",
                        Flags.with(
                            COMMON,
                            Flag.text(
                                "docker-server", '\0', "https://index.docker.io/v1/", "Registry"),
                            Flag.text("docker-username", "User"),
                            Flag.text("docker-password", "Password"),
                            Flag.text("docker-email", "Email")),
                        CreateCommand::registry))),
            generator(
                    "deployment",
                    "deployment NAME --image=IMAGE [-- COMMAND]",
                    "Create a deployment",
                    Flags.with(
                        COMMON,
                        Flag.list("image", '\0', "Image names to run"),
                        Flag.text("replicas", 'r', "1", "Number of replicas"),
                        Flag.text("port", "The port that the container exposes")),
                    CreateCommand::deployment)
                .alias("deploy"),
            Verb.group(
                    "service",
                    "Create a service",
                    Stream.of("clusterip", "nodeport", "loadbalancer", "externalname")
                        .map(
                            type ->
                                generator(
                                    type,
                                    type + " NAME [--tcp=PORT:TARGET]",
                                    "Create a " + type + " service",
                                    Flags.with(
                                        COMMON,
                                        Flag.list("tcp", '\0', "port:targetPort pairs"),
                                        Flag.text("clusterip", "Own ClusterIP, or None"),
                                        Flag.text("node-port", "Port of the nodes"),
                                        Flag.text("external-name", "Name the service stands for")),
                                    s -> service(s, type)))
                        .toList())
                .alias("svc"),
            generator(
                    "serviceaccount",
                    "serviceaccount NAME",
                    "Create a service account",
                    COMMON,
                    s -> kind("v1", "ServiceAccount", name(s)))
                .alias("sa"),
            generator(
                "job",
                "job NAME --image=IMAGE [-- COMMAND]",
                "Create a job",
                Flags.with(
                    COMMON,
                    Flag.text("image", "Image to run"),
                    Flag.text("from", "cronjob/NAME to run once")),
                CreateCommand::job),
            generator(
                    "cronjob",
                    "cronjob NAME --image=IMAGE --schedule='* * * * *' [-- COMMAND]",
                    "Create a cron job",
                    Flags.with(
                        COMMON,
                        Flag.text("image", "Image to run"),
                        Flag.text("schedule", "When, in cron format"),
                        Flag.text("restart", '\0', "OnFailure", "Restart policy")),
                    CreateCommand::cronJob)
                .alias("cj"),
            generator(
                "role",
                "role NAME --verb=VERB --resource=RESOURCE",
                "Create a role",
                ROLE,
                s -> role(s, "Role")),
            generator(
                "clusterrole",
                "clusterrole NAME --verb=VERB --resource=RESOURCE",
                "Create a cluster role",
                ROLE,
                s -> role(s, "ClusterRole")),
            generator(
                "rolebinding",
                "rolebinding NAME --clusterrole=NAME|--role=NAME",
                "Create a role binding",
                BINDING,
                s -> binding(s, "RoleBinding")),
            generator(
                "clusterrolebinding",
                "clusterrolebinding NAME --clusterrole=NAME",
                "Create a cluster role binding",
                BINDING,
                s -> binding(s, "ClusterRoleBinding")),
            generator(
                    "ingress",
                    "ingress NAME --rule=host/path=service:port[,tls[=secret]]",
                    "Create an ingress",
                    Flags.with(
                        COMMON,
                        Flag.repeated("rule", '\0', "host/path=service:port[,tls[=secret]]"),
                        Flag.text("class", "Ingress class"),
                        Flag.text("default-backend", "service:port")),
                    CreateCommand::ingress)
                .alias("ing"),
            Verb.of(
                "token",
                "token SERVICEACCOUNT",
                "Request a service account token",
                List.of(
                    Flag.text("duration", '\0', "0", "Life time of the token"),
                    Flag.list("audience", '\0', "Audience of the token"),
                    Output.FLAG),
                CreateCommand::token)));
  }

  private static final List<Flag> ROLE =
      Flags.with(
          COMMON,
          Flag.list("verb", '\0', "Verbs that apply to the resources"),
          Flag.list("resource", '\0', "Resources, such as pods or deployments.apps"),
          Flag.list("resource-name", '\0', "Names that the rule is limited to"),
          Flag.list("non-resource-url", '\0', "Paths that are no resources"));

  /** Those whom a binding gives a role. */
  static final List<Flag> SUBJECTS =
      List.of(
          Flag.list("user", '\0', "Users to bind"),
          Flag.list("group", '\0', "Groups to bind"),
          Flag.list("serviceaccount", '\0', "namespace:name to bind"));

  private static final List<Flag> BINDING =
      Flags.with(
          Flags.with(COMMON, SUBJECTS.toArray(Flag[]::new)),
          Flag.text("role", "Role to refer to"),
          Flag.text("clusterrole", "ClusterRole to refer to"));

  private interface Generator {
    JsonObject object(Session session) throws IOException;
  }

  private static Verb generator(
      String name, String usage, String summary, List<Flag> flags, Generator generator) {
    return Verb.of(
        name,
        "create " + usage,
        summary,
        flags,
        session -> generated(session, generator.object(session)));
  }

  private static String name(Session session) {
    List<String> words = session.arguments().beforeDash();
    if (words.size() != 1) {
      throw new UsageException("exactly one NAME is required, got " + words.size());
    }
    return words.getFirst();
  }

  private static JsonObject kind(String apiVersion, String kind, String name) {
    return JsonObject.of(
        "apiVersion", apiVersion, "kind", kind, "metadata", JsonObject.of("name", name));
  }

  private static int generated(Session session, JsonObject object) {
    Output output = Output.of(session);
    JsonObject complete = object;
    if (Output.dryRun(session).equals("client")) {
      // Nothing is asked of the server, so that a manifest can be made without one.
      String group = dev.kedge.model.GroupVersionKind.of(object.text("apiVersion"), "").group();
      Served served =
          new Served(
              new dev.kedge.model.ResourceType(group, "", "", object.text("kind"), true),
              "",
              List.of(),
              List.of(),
              List.of(),
              List.of());
      if (session.arguments().given("namespace")) {
        complete = object.withPath(List.of("metadata", "namespace"), session.namespace());
      }
      output.done(
          new Item(served, "", object.text("metadata", "name"), complete, ""), complete, "created");
      return 0;
    }
    Item item = Manifests.item(session, new Manifests.Document(complete, ""));
    create(session, item, output);
    return 0;
  }

  private static void create(Session session, Item item, Output output) {
    JsonObject object = item.object();
    if (session.arguments().on("save-config")) {
      object =
          object.withPath(
              List.of("metadata", "annotations", ServerSideApply.LAST_APPLIED),
              Manifests.encoded(object));
    }
    JsonObject result = object;
    if (!Output.dryRun(session).equals("client")) {
      try {
        result =
            session
                .transport()
                .post(
                    session.path(item.served(), item.namespace())
                        + Session.query(
                            "dryRun",
                            Output.dryRun(session).equals("server") ? "All" : "",
                            "fieldManager",
                            session.arguments().text("field-manager"),
                            "fieldValidation",
                            ApplyCommand.validation(session)),
                    object);
      } catch (ApiException e) {
        throw ApplyCommand.sourced(e, "creating", item);
      }
    }
    Item named =
        new Item(
            item.served(),
            item.namespace(),
            result.text("metadata", "name"),
            object,
            item.source());
    output.done(named, result, "created");
  }

  private static int files(Session session) {
    if (!Manifests.given(session)) {
      if (!session.words().isEmpty()) {
        String near =
            Nearest.of(
                    session.words().getFirst(),
                    Verbs.find("create").children().stream().map(Verb::name).toList())
                .map(n -> " (did you mean \"create " + n + "\"?)")
                .orElse("");
        throw new UsageException(
            "unknown command \"" + session.words().getFirst() + "\" for \"kubectl create\"" + near);
      }
      throw new UsageException("must specify one of -f and -k");
    }
    Output output = Output.of(session);
    boolean failed = false;
    for (Manifests.Document document : Manifests.documents(session)) {
      try {
        create(session, Manifests.item(session, document), output);
      } catch (ApiException | UsageException e) {
        session.out().flush();
        Kubectl.report(session.console(), e, session.target().server());
        failed = true;
      }
    }
    return failed ? 1 : 0;
  }

  // ---- ConfigMap and Secret

  private static Map<String, byte[]> data(Session session) throws IOException {
    Map<String, byte[]> data = new LinkedHashMap<>();
    for (String literal : session.arguments().list("from-literal")) {
      int equals = literal.indexOf('=');
      if (equals <= 0) {
        throw new UsageException("invalid literal source " + literal + ", expected key=value");
      }
      put(
          data,
          literal.substring(0, equals),
          literal.substring(equals + 1).getBytes(StandardCharsets.UTF_8));
    }
    for (String source : session.arguments().list("from-file")) {
      int equals = source.indexOf('=');
      Path path = Path.of(equals < 0 ? source : source.substring(equals + 1));
      if (!Files.exists(path)) {
        throw new UsageException("error reading " + path + ": no such file or directory");
      }
      if (Files.isDirectory(path)) {
        try (Stream<Path> files = Files.list(path)) {
          for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
            put(data, file.getFileName().toString(), Files.readAllBytes(file));
          }
        }
      } else {
        put(
            data,
            equals < 0 ? path.getFileName().toString() : source.substring(0, equals),
            Files.readAllBytes(path));
      }
    }
    for (String source : session.arguments().list("from-env-file")) {
      for (String line : Files.readAllLines(Path.of(source))) {
        String text = line.stripLeading();
        if (text.isEmpty() || text.startsWith("#")) {
          continue;
        }
        int equals = text.indexOf('=');
        String key = equals < 0 ? text : text.substring(0, equals);
        String value = equals < 0 ? session.console().variable(key) : text.substring(equals + 1);
        put(data, key, value.getBytes(StandardCharsets.UTF_8));
      }
    }
    return data;
  }

  private static void put(Map<String, byte[]> data, String key, byte[] value) {
    List<String> faults = dev.kedge.model.Names.configKey(key);
    if (!faults.isEmpty()) {
      throw new UsageException(
          "\"" + key + "\" is not a valid key name: " + String.join(",", faults));
    }
    if (data.put(key, value) != null) {
      throw new UsageException(
          "cannot add key \"" + key + "\", another key by that name already exists");
    }
  }

  private static JsonObject configMap(Session session) throws IOException {
    JsonObject.Builder text = JsonObject.builder();
    JsonObject.Builder binary = JsonObject.builder();
    data(session)
        .forEach(
            (key, value) -> {
              try {
                text.put(
                    key,
                    StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(value)).toString());
              } catch (CharacterCodingException _) {
                binary.put(key, Base64.getEncoder().encodeToString(value));
              }
            });
    return JsonObject.builder()
        .put("apiVersion", "v1")
        .putNonEmpty("binaryData", binary.build())
        .putNonEmpty("data", text.build())
        .put("kind", "ConfigMap")
        .put("metadata", JsonObject.of("name", name(session)))
        .build();
  }

  private static JsonObject secret(Session session, String type, Map<String, byte[]> data) {
    JsonObject.Builder encoded = JsonObject.builder();
    data.forEach((key, value) -> encoded.put(key, Base64.getEncoder().encodeToString(value)));
    return JsonObject.builder()
        .put("apiVersion", "v1")
        .putNonEmpty("data", encoded.build())
        .put("kind", "Secret")
        .put("metadata", JsonObject.of("name", name(session)))
        .putNonEmpty("type", type)
        .build();
  }

  private static JsonObject secret(Session session) throws IOException {
    return secret(session, session.arguments().text("type"), data(session));
  }

  private static JsonObject tls(Session session) throws IOException {
    Map<String, byte[]> data = new LinkedHashMap<>();
    for (String flag : List.of("cert", "key")) {
      String path = session.arguments().text(flag);
      if (path.isEmpty()) {
        throw new UsageException("key and cert must be specified");
      }
      data.put(flag.equals("cert") ? "tls.crt" : "tls.key", Files.readAllBytes(Path.of(path)));
    }
    return secret(session, "kubernetes.io/tls", data);
  }

  private static JsonObject registry(Session session) {
    Arguments a = session.arguments();
    String user = a.text("docker-username");
    String password = a.text("docker-password");
    if (user.isEmpty() || password.isEmpty()) {
      throw new UsageException(
          "either --from-file or the combination of --docker-username, --docker-password and"
              + " --docker-server is required");
    }
    JsonObject auth =
        JsonObject.builder()
            .put("username", user)
            .put("password", password)
            .putNonEmpty("email", a.text("docker-email"))
            .put(
                "auth",
                Base64.getEncoder()
                    .encodeToString((user + ":" + password).getBytes(StandardCharsets.UTF_8)))
            .build();
    String json = JsonObject.of("auths", JsonObject.of(a.text("docker-server"), auth)).toString();
    return secret(
        session,
        "kubernetes.io/dockerconfigjson",
        Map.of(".dockerconfigjson", json.getBytes(StandardCharsets.UTF_8)));
  }

  // ---- workloads

  private static JsonObject deployment(Session session) {
    String name = name(session);
    List<String> images = session.arguments().list("image");
    if (images.isEmpty()) {
      throw new UsageException("required flag(s) \"image\" not set");
    }
    List<JsonValue> containers = new ArrayList<>();
    for (String image : images) {
      JsonObject.Builder container =
          JsonObject.builder()
              .put("image", image)
              .put("name", containerName(image, images.size() > 1));
      container.putNonEmpty("command", session.arguments().afterDash());
      if (!session.arguments().text("port").isEmpty()) {
        container.put(
            "ports",
            JsonArray.of(JsonObject.of("containerPort", session.arguments().number("port"))));
      }
      containers.add(container.build());
    }
    JsonObject labels = JsonObject.of("app", name);
    return kind("apps/v1", "Deployment", name)
        .withPath(List.of("metadata", "labels"), labels)
        .with(
            "spec",
            JsonObject.of(
                "replicas",
                session.arguments().number("replicas"),
                "selector",
                JsonObject.of("matchLabels", labels),
                "template",
                JsonObject.of(
                    "metadata",
                    JsonObject.of("labels", labels),
                    "spec",
                    JsonObject.of("containers", containers))));
  }

  private static String containerName(String image, boolean several) {
    String name =
        image
            .substring(image.lastIndexOf('/') + 1)
            .split("[:@]")[0]
            .toLowerCase(java.util.Locale.ROOT)
            .replaceAll("[^a-z0-9-]", "-");
    return several ? name + "-" + Integer.toHexString(image.hashCode() & 0xffff) : name;
  }

  private static JsonObject template(Session session, String name, String restart) {
    String image = session.arguments().text("image");
    if (image.isEmpty()) {
      throw new UsageException("required flag(s) \"image\" not set");
    }
    return JsonObject.of(
        "spec",
        JsonObject.of(
            "containers",
            JsonArray.of(
                JsonObject.builder()
                    .putNonEmpty("command", session.arguments().afterDash())
                    .put("image", image)
                    .put("name", name)
                    .build()),
            "restartPolicy",
            restart));
  }

  private static JsonObject job(Session session) {
    String name = name(session);
    String from = session.arguments().text("from");
    if (!from.isEmpty()) {
      String[] parts = from.split("/", 2);
      if (parts.length != 2) {
        throw new UsageException("from must be an existing cronjob: --from=cronjob/NAME");
      }
      JsonObject cron =
          session.get(session.discovery().find(parts[0]), session.namespace(), parts[1]);
      JsonObject template = cron.object("spec", "jobTemplate");
      JsonObject owner =
          JsonObject.of(
              "apiVersion",
              cron.text("apiVersion"),
              "kind",
              cron.text("kind"),
              "name",
              parts[1],
              "uid",
              cron.text("metadata", "uid"),
              "controller",
              true);
      return kind("batch/v1", "Job", name)
          .with(
              "metadata",
              JsonObject.builder()
                  .put("name", name)
                  .putNonEmpty("labels", template.object("metadata", "labels"))
                  .put(
                      "annotations",
                      template
                          .object("metadata", "annotations")
                          .with("cronjob.kubernetes.io/instantiate", "manual"))
                  .put("ownerReferences", JsonArray.of(owner))
                  .build())
          .with("spec", template.object("spec"));
    }
    return kind("batch/v1", "Job", name)
        .with("spec", JsonObject.of("template", template(session, name, "Never")));
  }

  private static JsonObject cronJob(Session session) {
    String name = name(session);
    if (session.arguments().text("schedule").isEmpty()) {
      throw new UsageException("required flag(s) \"schedule\" not set");
    }
    return kind("batch/v1", "CronJob", name)
        .with(
            "spec",
            JsonObject.of(
                "jobTemplate",
                JsonObject.of(
                    "metadata",
                    JsonObject.of("name", name),
                    "spec",
                    JsonObject.of(
                        "template", template(session, name, session.arguments().text("restart")))),
                "schedule",
                session.arguments().text("schedule")));
  }

  private static JsonObject service(Session session, String type) {
    String name = name(session);
    Arguments a = session.arguments();
    JsonObject.Builder spec = JsonObject.builder();
    List<JsonValue> ports = new ArrayList<>();
    for (String pair : a.list("tcp")) {
      String[] parts = pair.split(":", 2);
      JsonObject.Builder port =
          JsonObject.builder()
              .put("name", parts.length == 2 ? parts[0] + "-" + parts[1] : parts[0])
              .put("port", port(parts[0]))
              .put("protocol", "TCP");
      String target = parts.length == 2 ? parts[1] : parts[0];
      port.put("targetPort", target.matches("\\d+") ? (Object) port(target) : target);
      if (!a.text("node-port").isEmpty()) {
        port.put("nodePort", a.number("node-port"));
      }
      ports.add(port.build());
    }
    if (ports.isEmpty() && !type.equals("externalname") && !a.text("clusterip").equals("None")) {
      throw new UsageException("at least one tcp port specifier must be provided");
    }
    spec.putNonEmpty("clusterIP", a.text("clusterip"))
        .putNonEmpty("externalName", a.text("external-name"))
        .putNonEmpty("ports", ports)
        .put("selector", JsonObject.of("app", name));
    spec.put(
        "type",
        Map.of(
                "clusterip",
                "ClusterIP",
                "nodeport",
                "NodePort",
                "loadbalancer",
                "LoadBalancer",
                "externalname",
                "ExternalName")
            .getOrDefault(type, "ClusterIP"));
    return kind("v1", "Service", name)
        .withPath(List.of("metadata", "labels"), JsonObject.of("app", name))
        .with("spec", spec.build());
  }

  private static long port(String text) {
    if (!text.matches("\\d{1,5}") || Integer.parseInt(text) > 65535) {
      throw new UsageException("invalid port " + text);
    }
    return Long.parseLong(text);
  }

  // ---- access

  private static JsonObject role(Session session, String kind) {
    Arguments a = session.arguments();
    Map<String, List<String>> groups = new LinkedHashMap<>();
    for (String resource : a.list("resource")) {
      String[] parts = resource.split("/", 2);
      Served served = session.discovery().find(parts[0]);
      groups
          .computeIfAbsent(served.type().group(), _ -> new ArrayList<>())
          .add(served.type().plural() + (parts.length > 1 ? "/" + parts[1] : ""));
    }
    List<JsonValue> rules = new ArrayList<>();
    groups.forEach(
        (group, resources) ->
            rules.add(
                JsonObject.builder()
                    .put("apiGroups", List.of(group))
                    .putNonEmpty("resourceNames", a.list("resource-name"))
                    .put("resources", resources)
                    .put("verbs", a.list("verb"))
                    .build()));
    if (!a.list("non-resource-url").isEmpty()) {
      rules.add(
          JsonObject.of("nonResourceURLs", a.list("non-resource-url"), "verbs", a.list("verb")));
    }
    if (rules.isEmpty() || a.list("verb").isEmpty()) {
      throw new UsageException("at least one verb and one resource must be specified");
    }
    return kind("rbac.authorization.k8s.io/v1", kind, name(session)).with("rules", rules);
  }

  /** The users, groups and service accounts that flags name. */
  static List<JsonObject> subjects(Arguments a) {
    List<JsonObject> subjects = new ArrayList<>();
    a.list("user")
        .forEach(
            user ->
                subjects.add(
                    JsonObject.of(
                        "apiGroup", "rbac.authorization.k8s.io", "kind", "User", "name", user)));
    a.list("group")
        .forEach(
            group ->
                subjects.add(
                    JsonObject.of(
                        "apiGroup", "rbac.authorization.k8s.io", "kind", "Group", "name", group)));
    for (String account : a.list("serviceaccount")) {
      String[] parts = account.split(":", 2);
      if (parts.length != 2) {
        throw new UsageException("serviceaccount must be <namespace>:<name>");
      }
      subjects.add(
          JsonObject.of("kind", "ServiceAccount", "name", parts[1], "namespace", parts[0]));
    }
    return subjects;
  }

  private static JsonObject binding(Session session, String kind) {
    Arguments a = session.arguments();
    boolean cluster = !a.text("clusterrole").isEmpty();
    if (cluster == !a.text("role").isEmpty()) {
      throw new UsageException("exactly one of clusterrole or role must be specified");
    }
    List<JsonObject> subjects = subjects(a);
    return kind("rbac.authorization.k8s.io/v1", kind, name(session))
        .with(
            "roleRef",
            JsonObject.of(
                "apiGroup",
                "rbac.authorization.k8s.io",
                "kind",
                cluster ? "ClusterRole" : "Role",
                "name",
                cluster ? a.text("clusterrole") : a.text("role")))
        .with("subjects", subjects);
  }

  private static JsonObject ingress(Session session) {
    Arguments a = session.arguments();
    JsonObject.Builder spec = JsonObject.builder().putNonEmpty("ingressClassName", a.text("class"));
    if (!a.text("default-backend").isEmpty()) {
      spec.put("defaultBackend", backend(a.text("default-backend")));
    }
    List<JsonValue> tls = new ArrayList<>();
    Map<String, List<JsonValue>> hosts = new LinkedHashMap<>();
    for (String rule : a.list("rule")) {
      String[] parts = rule.split(",", 2);
      int equals = parts[0].indexOf('=');
      int slash = parts[0].indexOf('/');
      if (equals < 0 || slash < 0 || slash > equals) {
        throw new UsageException(
            "rule "
                + rule
                + " is invalid and should be in format host/path=svcname:svcport[,tls[=secret]]");
      }
      String host = parts[0].substring(0, slash);
      String path = parts[0].substring(slash, equals);
      boolean prefix = path.endsWith("*");
      hosts
          .computeIfAbsent(host, _ -> new ArrayList<>())
          .add(
              JsonObject.of(
                  "backend",
                  backend(parts[0].substring(equals + 1)),
                  "path",
                  prefix ? path.substring(0, path.length() - 1) : path,
                  "pathType",
                  prefix ? "Prefix" : "Exact"));
      if (parts.length > 1 && parts[1].startsWith("tls")) {
        JsonObject.Builder entry = JsonObject.builder();
        if (!host.isEmpty()) {
          entry.put("hosts", List.of(host));
        }
        tls.add(
            entry
                .putNonEmpty(
                    "secretName",
                    parts[1].contains("=") ? parts[1].substring(parts[1].indexOf('=') + 1) : "")
                .build());
      }
    }
    List<JsonValue> rules = new ArrayList<>();
    hosts.forEach(
        (host, paths) ->
            rules.add(
                JsonObject.builder()
                    .putNonEmpty("host", host)
                    .put("http", JsonObject.of("paths", paths))
                    .build()));
    spec.putNonEmpty("rules", rules).putNonEmpty("tls", tls);
    return kind("networking.k8s.io/v1", "Ingress", name(session)).with("spec", spec.build());
  }

  private static JsonObject backend(String text) {
    String[] parts = text.split(":", 2);
    if (parts.length != 2) {
      throw new UsageException("backend " + text + " must be service:port");
    }
    JsonObject port =
        parts[1].matches("\\d+")
            ? JsonObject.of("number", port(parts[1]))
            : JsonObject.of("name", parts[1]);
    return JsonObject.of("service", JsonObject.of("name", parts[0], "port", port));
  }

  private static int token(Session session) {
    String name = name(session);
    JsonObject.Builder spec =
        JsonObject.builder().putNonEmpty("audiences", session.arguments().list("audience"));
    long seconds = session.arguments().duration("duration").toSeconds();
    if (seconds > 0) {
      spec.put("expirationSeconds", seconds);
    }
    JsonObject result =
        session
            .transport()
            .post(
                "/api/v1/namespaces/"
                    + session.namespace()
                    + "/serviceaccounts/"
                    + Transport.encode(name)
                    + "/token",
                JsonObject.of(
                    "apiVersion",
                    "authentication.k8s.io/v1",
                    "kind",
                    "TokenRequest",
                    "metadata",
                    JsonObject.EMPTY,
                    "spec",
                    spec.build()));
    Output output = Output.of(session);
    if (output.table()) {
      session.out().print(result.text("status", "token") + "\n");
    } else {
      output.print(result);
    }
    return 0;
  }
}
