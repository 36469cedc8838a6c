package dev.kedge.cli.kubectl;

import dev.kedge.builtin.BuiltinSchemas;
import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Names;
import dev.kedge.model.Resources;
import dev.kedge.model.Schema;
import dev.kedge.model.StrategicMergePatch;
import dev.kedge.model.Yaml;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** {@code debug}: a container in a running pod, in a copy of a pod, or on a node. */
final class DebugCommand {
  static final List<Flag> FLAGS =
      List.of(
          Flag.text("image", "Image of the debug container"),
          Flag.text("container", 'c', "", "Name of the debug container"),
          Flag.text("target", "Look at the processes of this container of the pod"),
          Flag.text("copy-to", "Debug a copy of the pod, with this name"),
          Flag.text(
              "profile",
              '\0',
              "general",
              "general, baseline, restricted, netadmin, sysadmin or legacy"),
          Flag.text("custom", "File with a partial container that is merged into the debug one"),
          Flag.toggle("stdin", 'i', "Keep stdin open, and attach"),
          Flag.toggle("tty", 't', "Allocate a TTY"),
          Flag.toggle("attach", "Wait for the container and attach to it"),
          Flag.toggle("quiet", 'q', "Suppress informational messages"),
          Flag.list("env", '\0', "Environment variables, key=value"),
          Flag.text("image-pull-policy", "Always, IfNotPresent or Never"),
          Flag.toggle("arguments-only", "The words after -- are arguments, not the command"),
          Flag.list("set-image", '\0', "With --copy-to: container=image, or *=image"),
          Flag.toggle("replace", "With --copy-to: delete the original pod"),
          Flag.toggle("same-node", "With --copy-to: run the copy on the same node"),
          Flag.on("share-processes", "With --copy-to: containers see each other's processes"),
          Flag.toggle("keep-labels", "With --copy-to: keep the pod's labels"),
          Flag.toggle("keep-annotations", "With --copy-to: keep the pod's annotations"),
          Flag.toggle("keep-liveness", "With --copy-to: keep liveness probes"),
          Flag.toggle("keep-readiness", "With --copy-to: keep readiness probes"),
          Flag.toggle("keep-startup", "With --copy-to: keep startup probes"),
          Flag.on("keep-init-containers", "With --copy-to: run the init containers"));

  private static final Set<String> PROFILES =
      Set.of("legacy", "general", "baseline", "restricted", "netadmin", "sysadmin");

  private static final SecureRandom RANDOM = new SecureRandom();

  /** What is debugged. */
  private enum Style {
    EPHEMERAL,
    COPY,
    NODE
  }

  /** A pod with the name of its debug container, which is empty if only images were changed. */
  private record Made(JsonObject pod, String container) {}

  private final Session session;
  private final Arguments arguments;
  private final List<String> words;
  private final Map<String, String> images = new LinkedHashMap<>();
  private final JsonObject custom;

  private DebugCommand(Session session) throws IOException {
    this.session = session;
    arguments = session.arguments();
    words = arguments.afterDash();
    if (!PROFILES.contains(arguments.text("profile"))) {
      throw new UsageException("unknown profile: " + arguments.text("profile"));
    }
    custom =
        arguments.text("custom").isEmpty() ? JsonObject.EMPTY : custom(arguments.text("custom"));
    for (String pair : arguments.list("set-image")) {
      String[] parts = keyAndValue("set-image", pair);
      images.put(parts[0], parts[1]);
    }
    check();
  }

  private static String[] keyAndValue(String flag, String pair) {
    String[] parts = pair.split("=", 2);
    if (parts.length < 2) {
      throw new UsageException(
          "invalid argument \""
              + pair
              + "\" for \"--"
              + flag
              + "\" flag: "
              + pair
              + " must be formatted as key=value");
    }
    return parts;
  }

  private static JsonObject custom(String file) throws IOException {
    if (!(Yaml.parse(Files.readAllBytes(Path.of(file))) instanceof JsonObject container)) {
      throw new UsageException(file + " does not contain a valid container spec");
    }
    if (Stream.of("name", "command", "image", "lifecycle", "volumeDevices")
        .anyMatch(container::has)) {
      throw new UsageException(
          "name, command, image, lifecycle and volume devices are not modifiable via custom"
              + " profile");
    }
    return container;
  }

  static int run(Session session) throws IOException, InterruptedException {
    DebugCommand command = new DebugCommand(session);
    for (String name : session.arguments().beforeDash()) {
      command.debug(name);
    }
    return 0;
  }

  private boolean given(String flag) {
    return !arguments.text(flag).isEmpty();
  }

  private void check() {
    if (given("copy-to")) {
      if (!given("image") && images.isEmpty() && words.isEmpty()) {
        throw new UsageException("you must specify --image, --set-image or command arguments.");
      }
      if (!words.isEmpty() && !given("container") && !given("image")) {
        throw new UsageException(
            "you must specify an existing container or a new image when specifying args.");
      }
      if (given("target")) {
        throw new UsageException(
            "--target is incompatible with --copy-to. Use --share-processes instead.");
      }
    } else {
      for (String flag : List.of("replace", "same-node")) {
        if (arguments.on(flag)) {
          throw new UsageException("--" + flag + " may only be used with --copy-to.");
        }
      }
      if (!images.isEmpty()) {
        throw new UsageException("--set-image may only be used with --copy-to.");
      }
      if (!given("image")) {
        throw new UsageException("you must specify --image when not using --copy-to.");
      }
    }
    if (arguments.beforeDash().isEmpty()) {
      throw new UsageException("NAME or filename is required for debug");
    }
    if (given("image-pull-policy")
        && !Set.of("Always", "IfNotPresent", "Never")
            .contains(arguments.text("image-pull-policy"))) {
      throw new UsageException("invalid image pull policy: " + arguments.text("image-pull-policy"));
    }
    if (given("target")) {
      say(
          "Targeting container \""
              + arguments.text("target")
              + "\". If you don't see processes from this container it may be because the container"
              + " runtime doesn't support this feature.");
    }
    if (arguments.on("tty") && !arguments.on("stdin")) {
      throw new UsageException("-i/--stdin is required for containers with -t/--tty=true");
    }
    if (arguments.text("profile").equals("legacy")) {
      session
          .err()
          .println(
              "--profile=legacy is deprecated and planned to be removed in v1.39. It is recommended"
                  + " to specify other profile, for example \"--profile=general\".");
    }
  }

  private void say(String text) {
    if (!arguments.on("quiet")) {
      session.out().print(text + "\n");
    }
  }

  private void debug(String name) throws InterruptedException {
    Served pods = session.discovery().find("pods");
    String[] parts = name.split("/", 2);
    Served served = parts.length == 2 ? session.discovery().find(parts[0]) : pods;
    JsonObject object = session.get(served, session.namespace(), parts[parts.length - 1]);
    String kind = served.type().groupResource();
    Made made =
        switch (kind) {
          case "nodes" -> onNode(object);
          case "pods" -> given("copy-to") ? inCopy(object) : inPod(object);
          default ->
              throw new UsageException(
                  "\""
                      + served.type().apiVersion()
                      + ", Kind="
                      + served.type().kind()
                      + "\" not supported by debug");
        };
    boolean attach = arguments.given("attach") ? arguments.on("attach") : arguments.on("stdin");
    if (attach && !made.container().isEmpty()) {
      attach(
          new Item(pods, session.namespace(), made.pod().text("metadata", "name"), made.pod(), ""),
          made.container());
    }
  }

  // ---- the three ways

  private Made inPod(JsonObject pod) {
    String name = containerName(pod);
    JsonObject container =
        customised(
            profiled(
                Style.EPHEMERAL,
                container(name)
                    .putNonEmpty("targetContainerName", arguments.text("target"))
                    .build()),
            name);
    warnOfUser(pod, container);
    JsonObject patch =
        JsonObject.of("spec", JsonObject.of("ephemeralContainers", JsonArray.of(container)));
    return new Made(
        session
            .transport()
            .patch(
                path(pod) + "/ephemeralcontainers" + Session.query("fieldManager", "kubectl-debug"),
                ApplyCommand.STRATEGIC,
                Json.bytes(patch)),
        name);
  }

  private String path(JsonObject pod) {
    return session.path(
        session.discovery().find("pods"), session.namespace(), pod.text("metadata", "name"));
  }

  private Made inCopy(JsonObject pod) {
    JsonObject spec = pod.object("spec").without("ephemeralContainers");
    if (arguments.given("share-processes")) {
      spec = spec.with("shareProcessNamespace", arguments.on("share-processes"));
    }
    if (!arguments.on("same-node")) {
      spec = spec.without("nodeName");
    }
    List<JsonObject> containers = new ArrayList<>();
    for (JsonObject container : spec.objects("containers")) {
      String image = images.getOrDefault(container.text("name"), images.getOrDefault("*", ""));
      containers.add(image.isEmpty() ? container : container.with("image", image));
    }
    JsonObject copy =
        JsonObject.of(
            "apiVersion",
            "v1",
            "kind",
            "Pod",
            "metadata",
            JsonObject.builder()
                .putNonEmpty("annotations", pod.object("metadata", "annotations"))
                .putNonEmpty("labels", pod.object("metadata", "labels"))
                .put("name", arguments.text("copy-to"))
                .put("namespace", session.namespace())
                .build(),
            "spec",
            spec);
    String name = arguments.text("container");
    boolean known = containers.stream().anyMatch(c -> c.text("name").equals(name));
    if (!known && !given("image")) {
      if (images.isEmpty()) {
        throw new UsageException("you must specify image when creating new container");
      }
      return copied(pod, copy.withPath(List.of("spec", "containers"), containers), "");
    }
    String debug = known ? name : containerName(pod);
    if (!known) {
      containers.add(JsonObject.of("name", debug, "terminationMessagePolicy", "File"));
    }
    List<JsonObject> changed = new ArrayList<>();
    for (JsonObject container : containers) {
      changed.add(container.text("name").equals(debug) ? changed(container) : container);
    }
    JsonObject profiled = copyFor(copy.withPath(List.of("spec", "containers"), changed));
    List<JsonObject> last = new ArrayList<>();
    for (JsonObject container : profiled.objects("spec", "containers")) {
      if (container.text("name").equals(debug)) {
        JsonObject own = customised(profiled(Style.COPY, container), debug);
        warnOfUser(pod, own);
        last.add(own);
      } else {
        last.add(container);
      }
    }
    return copied(pod, profiled.withPath(List.of("spec", "containers"), last), debug);
  }

  /** A container of the copy, as the flags want it. */
  private JsonObject changed(JsonObject container) {
    JsonObject changed = container;
    if (!words.isEmpty()) {
      changed =
          arguments.on("arguments-only")
              ? changed.with("args", words)
              : changed.with("command", words).without("args");
    }
    JsonObject asked = container(container.text("name")).build();
    for (String field : List.of("env", "image", "imagePullPolicy")) {
      Optional<JsonValue> value = asked.get(field);
      changed = value.isPresent() ? changed.with(field, value.get()) : changed;
    }
    return changed.with("stdin", arguments.on("stdin")).with("tty", arguments.on("tty"));
  }

  private Made copied(JsonObject pod, JsonObject copy, String container) {
    JsonObject created = create(copy);
    if (arguments.on("replace")) {
      session
          .transport()
          .delete(
              path(pod),
              JsonObject.of("kind", "DeleteOptions", "apiVersion", "v1", "gracePeriodSeconds", 0L));
    }
    return new Made(created, container);
  }

  private JsonObject create(JsonObject pod) {
    return session
        .transport()
        .post(
            session.path(session.discovery().find("pods"), session.namespace())
                + Session.query("fieldManager", "kubectl-debug"),
            pod);
  }

  private Made onNode(JsonObject node) {
    String nodeName = node.text("metadata", "name");
    String container = given("container") ? arguments.text("container") : "debugger";
    String name = "node-debugger-" + nodeName + "-" + Names.suffix(RANDOM);
    say(
        "Creating debugging pod "
            + name
            + " with container "
            + container
            + " on node "
            + nodeName
            + ".");
    String profile = arguments.text("profile");
    boolean root = Set.of("legacy", "general", "sysadmin").contains(profile);
    JsonObject debugger = container(container).build();
    if (root) {
      debugger =
          debugger.with(
              "volumeMounts",
              JsonArray.of(JsonObject.of("mountPath", "/host", "name", "host-root")));
    }
    JsonObject.Builder spec =
        JsonObject.builder()
            .put("containers", JsonArray.of(customised(profiled(Style.NODE, debugger), container)))
            .put("nodeName", nodeName)
            .put("restartPolicy", "Never")
            .put("tolerations", JsonArray.of(JsonObject.of("operator", "Exists")));
    if (root) {
      spec.put(
          "volumes",
          JsonArray.of(JsonObject.of("name", "host-root", "hostPath", JsonObject.of("path", "/"))));
    }
    if (root || profile.equals("netadmin")) {
      spec.put("hostNetwork", true).put("hostPID", true).put("hostIPC", true);
    }
    JsonObject pod =
        JsonObject.of(
            "apiVersion",
            "v1",
            "kind",
            "Pod",
            "metadata",
            JsonObject.of(
                "labels",
                JsonObject.of("app.kubernetes.io/managed-by", "kubectl-debug"),
                "name",
                name,
                "namespace",
                session.namespace()),
            "spec",
            spec.build());
    return new Made(create(pod), container);
  }

  // ---- containers

  private JsonObject.Builder container(String name) {
    List<JsonValue> env = new ArrayList<>();
    for (String pair : arguments.list("env")) {
      String[] parts = keyAndValue("env", pair);
      env.add(JsonObject.of("name", parts[0], "value", parts[1]));
    }
    JsonObject.Builder container =
        JsonObject.builder()
            .putNonEmpty(arguments.on("arguments-only") ? "args" : "command", words)
            .putNonEmpty("env", env)
            .putNonEmpty("image", arguments.text("image"))
            .putNonEmpty("imagePullPolicy", arguments.text("image-pull-policy"))
            .put("name", name)
            .put("terminationMessagePolicy", "File");
    if (arguments.on("stdin")) {
      container.put("stdin", true);
    }
    return arguments.on("tty") ? container.put("tty", true) : container;
  }

  private String containerName(JsonObject pod) {
    if (given("container")) {
      return arguments.text("container");
    }
    String name = "debugger-" + Names.suffix(RANDOM);
    while (Pods.allContainers(pod).contains(name)) {
      name = "debugger-" + Names.suffix(RANDOM);
    }
    say("Defaulting debug container name to " + name + ".");
    return name;
  }

  // ---- profiles

  /** A debug container with what the profile gives it and takes from it. */
  private JsonObject profiled(Style style, JsonObject container) {
    JsonObject context = container.object("securityContext");
    return switch (arguments.text("profile")) {
      case "general" ->
          style == Style.NODE
              ? container.without("securityContext")
              : container.with("securityContext", withCapabilities(context, "SYS_PTRACE"));
      case "baseline" -> container.without("securityContext");
      case "restricted" ->
          container.with(
              "securityContext",
              JsonObject.of(
                  "allowPrivilegeEscalation",
                  false,
                  "capabilities",
                  JsonObject.of("drop", JsonArray.of("ALL")),
                  "runAsNonRoot",
                  true,
                  "seccompProfile",
                  JsonObject.of("type", "RuntimeDefault")));
      case "netadmin" ->
          container.with("securityContext", withCapabilities(context, "NET_ADMIN", "NET_RAW"));
      case "sysadmin" -> container.with("securityContext", context.with("privileged", true));
      default -> container;
    };
  }

  private static JsonObject withCapabilities(JsonObject context, String... names) {
    List<String> added = new ArrayList<>(context.strings("capabilities", "add"));
    added.addAll(List.of(names));
    return context.withPath(List.of("capabilities", "add"), added);
  }

  /** A copied pod without what stands in the way of looking at it. */
  private JsonObject copyFor(JsonObject copy) {
    if (arguments.text("profile").equals("legacy")) {
      return copy.withoutPath(List.of("metadata", "labels"));
    }
    JsonObject pod = copy;
    for (String field : List.of("labels", "annotations")) {
      if (!arguments.on("keep-" + field)) {
        pod = pod.withoutPath(List.of("metadata", field));
      }
    }
    List<JsonObject> containers = new ArrayList<>();
    for (JsonObject container : pod.objects("spec", "containers")) {
      JsonObject kept = container;
      for (String probe : List.of("liveness", "readiness", "startup")) {
        kept = arguments.on("keep-" + probe) ? kept : kept.without(probe + "Probe");
      }
      containers.add(kept);
    }
    pod = pod.withPath(List.of("spec", "containers"), containers);
    if (!arguments.on("keep-init-containers")) {
      pod = pod.withoutPath(List.of("spec", "initContainers"));
    }
    return pod.object("spec").has("shareProcessNamespace")
        ? pod
        : pod.withPath(List.of("spec", "shareProcessNamespace"), true);
  }

  /** The debug container with {@code --custom} merged into it. */
  private JsonObject customised(JsonObject container, String name) {
    if (custom.isEmpty()) {
      return container;
    }
    // Merged as a part of a pod, for whose lists the keys are known.
    Schema pods = BuiltinSchemas.find(Resources.PODS.groupVersionKind()).orElseThrow();
    return StrategicMergePatch.apply(
            ofContainer(container), ofContainer(custom.with("name", name)), pods)
        .objects("spec", "containers")
        .getFirst();
  }

  private static JsonObject ofContainer(JsonObject container) {
    return JsonObject.of("spec", JsonObject.of("containers", JsonArray.of(container)));
  }

  private void warnOfUser(JsonObject pod, JsonObject container) {
    JsonObject podContext = pod.object("spec", "securityContext");
    JsonObject context = container.object("securityContext");
    boolean root =
        podContext.integer("runAsUser") == 0
            || context.has("runAsUser") && context.integer("runAsUser") == 0;
    boolean powers =
        context.flag("privileged") || !context.strings("capabilities", "add").isEmpty();
    if (!root && powers) {
      session
          .err()
          .println(
              "Warning: Non-root user is configured for the entire target Pod, and some"
                  + " capabilities granted by debug profile may not work. Please consider using"
                  + " \"--custom\" with a custom profile that specifies"
                  + " \"securityContext.runAsUser: 0\".");
    }
  }

  // ---- attach

  private void attach(Item item, String container) throws InterruptedException {
    JsonObject[] state = {JsonObject.EMPTY};
    Waiting.until(
        session,
        item,
        Instant.MAX,
        pod -> {
          if (pod.isEmpty()) {
            throw ApiException.notFound("", "pods", item.name());
          }
          state[0] = state(pod.get(), container);
          String message = state[0].text("waiting", "message");
          if (!message.isEmpty() && !arguments.on("quiet")) {
            session.err().println("Warning: container " + container + ": " + message);
          }
          return state[0].has("running") || state[0].has("terminated");
        });
    if (state[0].has("running")) {
      try {
        ExecCommand.attach(
            session, item.name(), container, arguments.on("stdin"), arguments.on("tty"));
        return;
      } catch (ApiException e) {
        // The container may have ended before it could be attached to; its log has what it said.
        session
            .err()
            .println(
                "warning: couldn't attach to pod/"
                    + item.name()
                    + ", falling back to streaming logs: "
                    + e.getMessage());
      }
    }
    Pods.printLog(session, item, container);
  }

  private static JsonObject state(JsonObject pod, String container) {
    Optional<JsonObject> status =
        Stream.of("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
            .flatMap(part -> pod.objects("status", part).stream())
            .filter(s -> s.text("name").equals(container))
            .findFirst();
    return status.map(s -> s.object("state")).orElse(JsonObject.EMPTY);
  }
}
