package dev.kedge.node;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Quantity;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.zip.CRC32;

/** Reads pods: the questions that several parts of the node ask of a pod's spec. */
final class Pods {
  static final String NAME_LABEL = "io.kubernetes.pod.name";
  static final String NAMESPACE_LABEL = "io.kubernetes.pod.namespace";
  static final String UID_LABEL = "io.kubernetes.pod.uid";
  static final String CONTAINER_LABEL = "io.kubernetes.container.name";
  static final String HASH = "io.kubernetes.container.hash";
  static final String RESTART_COUNT = "io.kubernetes.container.restartCount";

  private Pods() {}

  static List<JsonObject> containers(KubeObject pod) {
    return pod.spec().objects("containers");
  }

  static List<JsonObject> initContainers(KubeObject pod) {
    return pod.spec().objects("initContainers");
  }

  static List<JsonObject> ephemeralContainers(KubeObject pod) {
    return pod.spec().objects("ephemeralContainers");
  }

  /** Init and ordinary containers, in that order. */
  static List<JsonObject> all(KubeObject pod) {
    List<JsonObject> all = new ArrayList<>(initContainers(pod));
    all.addAll(containers(pod));
    return all;
  }

  /** A container of any kind. */
  static Optional<JsonObject> container(KubeObject pod, String name) {
    return Stream.concat(all(pod).stream(), ephemeralContainers(pod).stream())
        .filter(c -> c.text("name").equals(name))
        .findFirst();
  }

  /** Whether an init container keeps running beside the ordinary ones. */
  static boolean isSidecar(JsonObject initContainer) {
    return initContainer.text("restartPolicy").equals("Always");
  }

  static String restartPolicy(KubeObject pod) {
    String policy = pod.spec().text("restartPolicy");
    return policy.isEmpty() ? "Always" : policy;
  }

  /** Whether a container is to run again after an exit: by its own rules, else by the pod's. */
  static boolean restarts(KubeObject pod, JsonObject container, int exitCode) {
    for (JsonObject rule : container.objects("restartPolicyRules")) {
      JsonObject codes = rule.object("exitCodes");
      boolean listed =
          codes.array("values").items().contains(new dev.kedge.model.JsonInteger(exitCode));
      if (codes.text("operator").equals("NotIn") ? !listed : listed) {
        return rule.text("action").startsWith("Restart");
      }
    }
    String own = container.text("restartPolicy");
    return switch (own.isEmpty() ? restartPolicy(pod) : own) {
      case "Always" -> true;
      case "OnFailure" -> exitCode != 0;
      default -> false;
    };
  }

  /** {@code name_namespace(uid)}, as messages name a pod. */
  static String format(KubeObject pod) {
    return pod.name() + "_" + pod.namespace() + "(" + pod.uid() + ")";
  }

  static String fieldPath(KubeObject pod, String container) {
    boolean init = initContainers(pod).stream().anyMatch(c -> c.text("name").equals(container));
    return "spec." + (init ? "initContainers" : "containers") + "{" + container + "}";
  }

  static boolean isTerminal(KubeObject pod) {
    String phase = pod.status().text("phase");
    return phase.equals("Succeeded") || phase.equals("Failed");
  }

  static boolean hostNetwork(KubeObject pod) {
    return pod.spec().flag("hostNetwork");
  }

  /** Changes when the running container no longer is what the spec asks for. */
  static String hash(JsonObject container) {
    CRC32 crc = new CRC32();
    crc.update(
        (container.text("name") + "\n" + container.text("image")).getBytes(StandardCharsets.UTF_8));
    return Long.toHexString(crc.getValue());
  }

  /** The pull policy, defaulted by the tag where the API server did not. */
  static String pullPolicy(JsonObject container) {
    String policy = container.text("imagePullPolicy");
    return policy.isEmpty()
        ? ImageName.tag(container.text("image")).equals("latest") ? "Always" : "IfNotPresent"
        : policy;
  }

  static long graceSeconds(KubeObject pod) {
    JsonObject metadata = pod.metadata();
    return metadata.has("deletionGracePeriodSeconds")
        ? metadata.integer("deletionGracePeriodSeconds")
        : pod.spec().integerOr(30, "terminationGracePeriodSeconds");
  }

  static String qosClass(KubeObject pod) {
    String set = pod.status().text("qosClass");
    if (!set.isEmpty()) {
      return set;
    }
    boolean any = false;
    boolean guaranteed = true;
    for (JsonObject container : all(pod)) {
      for (String resource : List.of("cpu", "memory")) {
        Quantity limit = quantity(container, "limits", resource);
        Quantity request = request(container, resource);
        any |= !limit.isZero() || !request.isZero();
        guaranteed &= !limit.isZero() && request.compareTo(limit) == 0;
      }
    }
    return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
  }

  static Quantity quantity(JsonObject container, String list, String resource) {
    return container.find("resources", list, resource).map(Quantity::of).orElse(Quantity.ZERO);
  }

  /** A container's request; its limit where only that is given. */
  static Quantity request(JsonObject container, String resource) {
    return container.find("resources", "requests", resource).isPresent()
        ? quantity(container, "requests", resource)
        : quantity(container, "limits", resource);
  }

  /**
   * What a pod asks of a resource: the greater of what its containers and sidecars need together
   * and what any init container needs beside the sidecars before it, unless the pod asks for
   * something as a whole; plus its overhead.
   */
  static Quantity request(KubeObject pod, String resource) {
    Quantity most =
        pod.spec()
            .find("resources", "requests", resource)
            .or(() -> pod.spec().find("resources", "limits", resource))
            .map(Quantity::of)
            .orElseGet(() -> ofContainers(pod, resource));
    return pod.spec().find("overhead", resource).isPresent()
        ? most.plus(Quantity.of(pod.spec().find("overhead", resource).orElseThrow()))
        : most;
  }

  private static Quantity ofContainers(KubeObject pod, String resource) {
    Quantity running = Quantity.ZERO;
    for (JsonObject container : containers(pod)) {
      running = running.plus(request(container, resource));
    }
    Quantity sidecars = Quantity.ZERO;
    Quantity init = Quantity.ZERO;
    for (JsonObject container : initContainers(pod)) {
      Quantity own = request(container, resource);
      if (isSidecar(container)) {
        sidecars = sidecars.plus(own);
        own = sidecars;
      } else {
        own = own.plus(sidecars);
      }
      init = init.compareTo(own) >= 0 ? init : own;
    }
    running = running.plus(sidecars);
    return running.compareTo(init) >= 0 ? running : init;
  }

  /** The host ports that containers ask for, as {@code ip:port/protocol}. */
  static List<HostPort> hostPorts(KubeObject pod) {
    List<HostPort> ports = new ArrayList<>();
    for (JsonObject container : all(pod)) {
      for (JsonObject port : container.objects("ports")) {
        if (port.integer("hostPort") > 0) {
          ports.add(
              new HostPort(
                  port.text("hostIP"),
                  (int) port.integer("hostPort"),
                  (int) port.integer("containerPort"),
                  port.text("protocol").isEmpty() ? "TCP" : port.text("protocol")));
        }
      }
    }
    return ports;
  }

  record HostPort(String hostIp, int hostPort, int containerPort, String protocol) {
    boolean conflictsWith(HostPort other) {
      boolean anywhere =
          hostIp.isEmpty()
              || hostIp.equals("0.0.0.0")
              || other.hostIp.isEmpty()
              || other.hostIp.equals("0.0.0.0")
              || hostIp.equals(other.hostIp);
      return hostPort == other.hostPort && protocol.equals(other.protocol) && anywhere;
    }
  }
}
