package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.MergePatch;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** {@code run} and {@code expose}. */
final class RunCommand {
  static final List<Flag> FLAGS =
      List.of(
          Output.FLAG,
          Output.MANAGED_FIELDS,
          Output.DRY_RUN,
          Flag.text("image", "The image for the container to run"),
          Flag.text("image-pull-policy", "The image pull policy"),
          Flag.repeated("env", '\0', "Environment variables, key=value"),
          Flag.list("labels", 'l', "Labels, key=value"),
          Flag.list("annotations", '\0', "Annotations, key=value"),
          Flag.text("port", "The port that the container exposes"),
          Flag.text("restart", '\0', "Always", "Restart policy: Always, OnFailure, Never"),
          Flag.text("overrides", "JSON that is merged into the pod"),
          Flag.toggle("command", "The words after -- are the command, not its arguments"),
          Flag.toggle("stdin", 'i', "Keep stdin open"),
          Flag.toggle("tty", 't', "Allocate a TTY"),
          Flag.toggle("attach", "Wait for the pod and attach to it"),
          Flag.toggle("rm", "Delete the pod after it exits"),
          Flag.toggle("quiet", 'q', "Suppress prompt messages"),
          Flag.toggle("privileged", "Run the container privileged"),
          Flag.text(
              "pod-running-timeout", '\0', "1m", "How long to wait for the pod to be running"));

  static final List<Flag> EXPOSE =
      Flags.with(
          Manifests.FLAGS,
          Output.FLAG,
          Output.MANAGED_FIELDS,
          Output.DRY_RUN,
          Flag.text("port", "The port that the service serves on"),
          Flag.text("target-port", "Name or number of the containers' port"),
          Flag.text("protocol", '\0', "TCP", "Protocol"),
          Flag.text("name", "Name of the service"),
          Flag.text("type", '\0', "ClusterIP", "ClusterIP, NodePort, LoadBalancer"),
          Flag.text("selector", "Label selector, key=value,…"),
          Flag.list("labels", 'l', "Labels of the service"),
          Flag.text("cluster-ip", "ClusterIP, or None"),
          Flag.text("external-ip", "Additional address"),
          Flag.text("load-balancer-ip", "Address of the load balancer"),
          Flag.text("session-affinity", "None or ClientIP"));

  private RunCommand() {}

  private static JsonObject pairs(List<String> pairs) {
    JsonObject.Builder builder = JsonObject.builder();
    for (String pair : pairs) {
      int equals = pair.indexOf('=');
      if (equals <= 0) {
        throw new UsageException("unexpected pair " + pair + ", expected key=value");
      }
      builder.put(pair.substring(0, equals), pair.substring(equals + 1));
    }
    return builder.build();
  }

  static int run(Session session) throws InterruptedException {
    Arguments a = session.arguments();
    if (a.beforeDash().size() < 1) {
      throw new UsageException("NAME is required for run");
    }
    String name = a.beforeDash().getFirst();
    if (a.text("image").isEmpty()) {
      throw new UsageException("--image is required");
    }
    boolean stdin = a.on("stdin");
    boolean attach = a.on("attach") || stdin;
    if (a.on("rm") && !attach) {
      throw new UsageException("--rm should only be used for attached containers");
    }
    if (a.on("tty") && !stdin) {
      throw new UsageException("-i/--stdin is required for containers with -t/--tty=true");
    }
    List<String> words = new ArrayList<>(a.beforeDash().subList(1, a.beforeDash().size()));
    words.addAll(a.afterDash());
    JsonObject.Builder container = JsonObject.builder();
    container.putNonEmpty(a.on("command") ? "command" : "args", words);
    List<JsonValue> env = new ArrayList<>();
    pairs(a.list("env"))
        .forEach((key, value) -> env.add(JsonObject.of("name", key, "value", value)));
    container
        .putNonEmpty("env", env)
        .put("image", a.text("image"))
        .putNonEmpty("imagePullPolicy", a.text("image-pull-policy"))
        .put("name", name);
    if (!a.text("port").isEmpty()) {
      container.put("ports", JsonArray.of(JsonObject.of("containerPort", a.number("port"))));
    }
    if (a.on("privileged")) {
      container.put("securityContext", JsonObject.of("privileged", true));
    }
    if (stdin) {
      container.put("stdin", true).put("stdinOnce", true);
    }
    if (a.on("tty")) {
      container.put("tty", true);
    }
    JsonObject labels =
        a.list("labels").isEmpty() ? JsonObject.of("run", name) : pairs(a.list("labels"));
    String restart = !a.given("restart") && a.on("rm") ? "Never" : a.text("restart");
    JsonObject pod =
        JsonObject.of(
            "apiVersion",
            "v1",
            "kind",
            "Pod",
            "metadata",
            JsonObject.builder()
                .putNonEmpty("annotations", pairs(a.list("annotations")))
                .put("labels", labels)
                .put("name", name)
                .build(),
            "spec",
            JsonObject.of(
                "containers",
                JsonArray.of(container.build()),
                "dnsPolicy",
                "ClusterFirst",
                "restartPolicy",
                restart));
    if (!a.text("overrides").isEmpty()) {
      pod = MergePatch.apply(pod, dev.kedge.model.Yaml.parse(a.text("overrides")));
    }
    Output output = Output.of(session);
    Served pods =
        new Served(
            new dev.kedge.model.ResourceType("", "v1", "pods", "Pod", true),
            "pod",
            List.of(),
            List.of(),
            List.of(),
            List.of());
    String dryRun = Output.dryRun(session);
    if (dryRun.equals("client")) {
      output.done(new Item(pods, "", name, pod, ""), pod, "created");
      return 0;
    }
    String namespace = session.namespace();
    JsonObject created =
        session
            .transport()
            .post(
                pods.type().path(namespace)
                    + Session.query(
                        "dryRun",
                        dryRun.equals("server") ? "All" : "",
                        "fieldManager",
                        "kubectl-run"),
                pod.withPath(List.of("metadata", "namespace"), namespace));
    Item item = new Item(pods, namespace, name, created, "");
    if (!attach || dryRun.equals("server")) {
      output.done(item, created, "created");
      return 0;
    }
    return attached(session, item, stdin, a);
  }

  private static int attached(Session session, Item item, boolean stdin, Arguments a)
      throws InterruptedException {
    Duration limit = a.duration("pod-running-timeout");
    try {
      JsonObject[] pod = {item.object()};
      boolean up =
          Waiting.until(
              session,
              item,
              Instant.now().plus(limit),
              object -> {
                object.ifPresent(o -> pod[0] = o);
                return object.isEmpty()
                    || List.of("Running", "Succeeded", "Failed")
                        .contains(pod[0].text("status", "phase"));
              });
      if (!up) {
        throw new UsageException("timed out waiting for the condition");
      }
      boolean attached = false;
      if (pod[0].text("status", "phase").equals("Running")) {
        try {
          int code = ExecCommand.attach(session, item.name(), item.name(), stdin, a.on("tty"));
          attached = true;
          if (code != 0) {
            return code;
          }
        } catch (dev.kedge.model.ApiException e) {
          // The container may have ended before it could be attached to; its log has what it said.
          session
              .err()
              .println(
                  "warning: couldn't attach to pod/"
                      + item.name()
                      + ", falling back to its log: "
                      + e.getMessage());
        }
      }
      if (!attached) {
        Pods.printLog(session, item, item.name());
      }
      if (pod[0].text("spec", "restartPolicy").equals("Always")) {
        return 0;
      }
      Waiting.until(
          session,
          item,
          Instant.now().plus(limit),
          object -> {
            object.ifPresent(o -> pod[0] = o);
            return object.isEmpty()
                || List.of("Succeeded", "Failed").contains(pod[0].text("status", "phase"));
          });
      int code =
          (int)
              pod[0].objects("status", "containerStatuses").stream()
                  .mapToLong(s -> s.integer("state", "terminated", "exitCode"))
                  .max()
                  .orElse(0);
      if (code != 0) {
        session
            .err()
            .println(
                "pod "
                    + session.namespace()
                    + "/"
                    + item.name()
                    + " terminated ("
                    + pod[0]
                        .objects("status", "containerStatuses")
                        .getFirst()
                        .text("state", "terminated", "reason")
                    + ")");
      }
      return code;
    } finally {
      if (a.on("rm")) {
        session
            .transport()
            .delete(
                session.path(item.served(), item.namespace(), item.name()),
                JsonObject.of("kind", "DeleteOptions", "apiVersion", "v1"));
        session
            .out()
            .print("pod \"" + item.name() + "\" deleted from " + item.namespace() + " namespace\n");
      }
    }
  }

  static int expose(Session session) {
    Arguments a = session.arguments();
    Output output = Output.of(session);
    for (Item item : Selected.items(session, session.words())) {
      JsonObject object = item.object();
      JsonObject selector =
          a.text("selector").isEmpty()
              ? selector(item)
              : pairs(List.of(a.text("selector").split(",")));
      List<JsonValue> ports = new ArrayList<>();
      if (a.text("port").isEmpty()) {
        List<JsonObject> known = new ArrayList<>();
        JsonObject spec =
            item.served().type().plural().equals("pods")
                ? object.object("spec")
                : object.object("spec", "template", "spec");
        spec.objects("containers").forEach(c -> known.addAll(c.objects("ports")));
        object.objects("spec", "ports").forEach(known::add);
        if (known.isEmpty()) {
          throw new UsageException("couldn't find port via --port flag or introspection");
        }
        for (JsonObject port : known) {
          long number = port.integerOr(port.integer("port"), "containerPort");
          ports.add(port(a, number, known.size() > 1 ? "port-" + (ports.size() + 1) : ""));
        }
      } else {
        String[] numbers = a.text("port").split(",");
        for (String number : numbers) {
          if (!number.matches("\\d{1,5}")) {
            throw new UsageException("invalid port " + number);
          }
          ports.add(
              port(
                  a,
                  Long.parseLong(number),
                  numbers.length > 1 ? "port-" + (ports.size() + 1) : ""));
        }
      }
      String name = a.text("name").isEmpty() ? item.name() : a.text("name");
      JsonObject labels =
          a.list("labels").isEmpty()
              ? object.object("metadata", "labels")
              : pairs(a.list("labels"));
      JsonObject.Builder spec =
          JsonObject.builder()
              .putNonEmpty("clusterIP", a.text("cluster-ip"))
              .putNonEmpty(
                  "externalIPs",
                  a.text("external-ip").isEmpty() ? List.of() : List.of(a.text("external-ip")))
              .putNonEmpty("loadBalancerIP", a.text("load-balancer-ip"))
              .put("ports", ports)
              .put("selector", selector)
              .putNonEmpty("sessionAffinity", a.text("session-affinity"));
      if (a.given("type")) {
        spec.put("type", a.text("type"));
      }
      JsonObject service =
          JsonObject.of(
              "apiVersion",
              "v1",
              "kind",
              "Service",
              "metadata",
              JsonObject.builder().putNonEmpty("labels", labels).put("name", name).build(),
              "spec",
              spec.build());
      Served services = session.discovery().find("services");
      JsonObject result = service;
      if (!Output.dryRun(session).equals("client")) {
        result =
            session
                .transport()
                .post(
                    services.type().path(item.namespace())
                        + Session.query(
                            "dryRun",
                            Output.dryRun(session).equals("server") ? "All" : "",
                            "fieldManager",
                            "kubectl-expose"),
                    service);
      }
      output.done(new Item(services, item.namespace(), name, service, ""), result, "exposed");
    }
    return 0;
  }

  private static JsonObject port(Arguments a, long number, String name) {
    String target = a.text("target-port");
    Object targetPort =
        target.isEmpty()
            ? number
            : target.matches("\\d+") ? (Object) Long.parseLong(target) : target;
    return JsonObject.builder()
        .putNonEmpty("name", name)
        .put("port", number)
        .put("protocol", a.text("protocol"))
        .put("targetPort", targetPort)
        .build();
  }

  private static JsonObject selector(Item item) {
    Map<String, String> map =
        switch (item.served().type().plural()) {
          case "pods" -> item.object().map("metadata", "labels");
          case "services", "replicationcontrollers" -> item.object().map("spec", "selector");
          default -> item.object().map("spec", "selector", "matchLabels");
        };
    if (map.isEmpty()) {
      throw new UsageException(
          "couldn't retrieve selectors via --selector flag or introspection: the "
              + item.served().type().kind()
              + " has no labels or selector and cannot be exposed");
    }
    return (JsonObject) JsonValue.of(map);
  }
}
