package dev.kedge.cli.kubectl;

import static dev.kedge.cli.kubectl.DescriptionWriter.capitalized;
import static dev.kedge.cli.kubectl.DescriptionWriter.cell;
import static dev.kedge.cli.kubectl.DescriptionWriter.joined;
import static dev.kedge.cli.kubectl.DescriptionWriter.or;
import static dev.kedge.cli.kubectl.DescriptionWriter.time;

import dev.kedge.model.JsonObject;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/** Describes a container of a pod or of a template. */
final class ContainerDescription {
  private ContainerDescription() {}

  /**
   * Writes what stands under a container's name.
   *
   * @param status empty for one that was never run, such as a template's
   */
  static void write(DescriptionWriter out, JsonObject container, JsonObject status) {
    if (!status.isEmpty()) {
      out.field("Container ID", status.text("containerID"));
    }
    out.field("Image", container.text("image"));
    if (!status.isEmpty()) {
      out.field("Image ID", status.text("imageID"));
    }
    List<JsonObject> ports = container.objects("ports");
    ports(out, "Port", "containerPort", ports);
    ports(out, "Host Port", "hostPort", ports);
    out.lines("Command", container.strings("command"));
    out.lines("Args", container.strings("args"));
    if (!status.isEmpty()) {
      state(out, "State", status.object("state"));
      if (!status.object("lastState").isEmpty()) {
        state(out, "Last State", status.object("lastState"));
      }
      out.field("Ready", status.flag("ready") ? "True" : "False");
      out.field("Restart Count", status.integer("restartCount"));
    }
    for (String kind : List.of("limits", "requests")) {
      JsonObject amounts = container.object("resources", kind);
      if (!amounts.isEmpty()) {
        out.heading(capitalized(kind)).amounts(amounts);
      }
    }
    for (String kind : List.of("liveness", "readiness", "startup")) {
      if (container.has(kind + "Probe")) {
        out.field(capitalized(kind), probe(container.object(kind + "Probe")));
      }
    }
    environment(out, container);
    mounts(out, container.objects("volumeMounts"));
  }

  private static void ports(
      DescriptionWriter out, String name, String number, List<JsonObject> ports) {
    out.field(
        ports.size() > 1 ? name + "s" : name,
        or(joined(ports, port -> port(port, number)), "<none>"));
  }

  private static String port(JsonObject port, String number) {
    String name = port.text("name");
    return port.integer(number)
        + "/"
        + or(port.text("protocol"), "TCP")
        + (name.isEmpty() ? "" : " (" + name + ")");
  }

  private static void state(DescriptionWriter out, String name, JsonObject state) {
    DescriptionWriter in = out.nested();
    if (state.has("running")) {
      out.field(name, "Running");
      in.field("Started", time(state.text("running", "startedAt")));
    } else if (state.has("terminated")) {
      JsonObject terminated = state.object("terminated");
      out.field(name, "Terminated");
      in.field("Reason", terminated.text("reason"));
      in.optional("Message", terminated.text("message"));
      in.field("Exit Code", terminated.integer("exitCode"));
      if (terminated.integer("signal") > 0) {
        in.field("Signal", terminated.integer("signal"));
      }
      in.field("Started", time(terminated.text("startedAt")));
      in.field("Finished", time(terminated.text("finishedAt")));
    } else {
      out.field(name, "Waiting");
      in.optional("Reason", state.text("waiting", "reason"));
    }
  }

  private static String probe(JsonObject probe) {
    return action(probe)
        + " delay="
        + probe.integer("initialDelaySeconds")
        + "s timeout="
        + probe.integerOr(1, "timeoutSeconds")
        + "s period="
        + probe.integerOr(10, "periodSeconds")
        + "s #success="
        + probe.integerOr(1, "successThreshold")
        + " #failure="
        + probe.integerOr(3, "failureThreshold");
  }

  private static String action(JsonObject probe) {
    if (probe.has("exec")) {
      return "exec [" + String.join(" ", probe.strings("exec", "command")) + "]";
    }
    if (probe.has("httpGet")) {
      JsonObject get = probe.object("httpGet");
      return "http-get "
          + or(get.text("scheme"), "HTTP").toLowerCase(Locale.ROOT)
          + "://"
          + get.text("host")
          + ":"
          + cell(get, "port")
          + get.text("path");
    }
    if (probe.has("tcpSocket")) {
      JsonObject socket = probe.object("tcpSocket");
      return "tcp-socket " + socket.text("host") + ":" + cell(socket, "port");
    }
    return "grpc <pod>:" + probe.integer("grpc", "port") + " " + probe.text("grpc", "service");
  }

  private static void environment(DescriptionWriter out, JsonObject container) {
    for (JsonObject from : container.objects("envFrom")) {
      boolean isConfigMap = from.has("configMapRef");
      JsonObject reference = from.object(isConfigMap ? "configMapRef" : "secretRef");
      String prefix = from.text("prefix");
      out.heading("Environment Variables from")
          .line(
              reference.text("name"),
              (isConfigMap ? "ConfigMap" : "Secret")
                  + (prefix.isEmpty() ? "" : " with prefix '" + prefix + "'"),
              "Optional: " + reference.flag("optional"));
    }
    List<JsonObject> variables = container.objects("env");
    if (variables.isEmpty()) {
      out.field("Environment", "<none>");
      return;
    }
    DescriptionWriter in = out.heading("Environment");
    for (JsonObject variable : variables) {
      if (variable.object("valueFrom").isEmpty()) {
        in.paragraph(variable.text("name"), variable.text("value"));
      } else {
        in.field(variable.text("name"), source(variable.object("valueFrom")));
      }
    }
  }

  /** Where a variable's value comes from. */
  private static String source(JsonObject from) {
    if (from.has("fieldRef")) {
      JsonObject field = from.object("fieldRef");
      return " (" + or(field.text("apiVersion"), "v1") + ":" + field.text("fieldPath") + ")";
    }
    if (from.has("resourceFieldRef")) {
      return from.text("resourceFieldRef", "resource");
    }
    if (from.has("configMapKeyRef")) {
      return key(from.object("configMapKeyRef"), "of config map");
    }
    return from.has("secretKeyRef") ? key(from.object("secretKeyRef"), "in secret") : "";
  }

  private static String key(JsonObject reference, String of) {
    return "<set to the key '%s' %s '%s'>  Optional: %s"
        .formatted(reference.text("key"), of, reference.text("name"), reference.flag("optional"));
  }

  private static void mounts(DescriptionWriter out, List<JsonObject> mounts) {
    if (mounts.isEmpty()) {
      out.field("Mounts", "<none>");
      return;
    }
    DescriptionWriter in = out.heading("Mounts");
    mounts.stream()
        .sorted(Comparator.comparing(mount -> mount.text("mountPath")))
        .forEach(
            mount ->
                in.line(
                    "%s from %s (%s%s)"
                        .formatted(
                            mount.text("mountPath"),
                            mount.text("name"),
                            mount.flag("readOnly") ? "ro" : "rw",
                            mount.text("subPath").isEmpty()
                                ? ""
                                : ",path=\"" + mount.text("subPath") + "\"")));
  }
}
