package dev.kedge.scheduler;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.LabelSelector.Operator;
import dev.kedge.model.LabelSelector.Requirement;
import dev.kedge.model.ObjectKey;
import dev.kedge.scheduler.Taints.Toleration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** What the scheduler knows of a pod: read and compiled once, small, immutable. */
record PodInfo(
    ObjectKey key,
    String uid,
    String resourceVersion,
    Map<String, String> labels,
    String nodeName,
    String nominatedNode,
    int priority,
    boolean mayPreempt,
    String startTime,
    boolean deleting,
    String controllerUid,
    Amounts requests,
    Amounts load,
    List<HostPort> hostPorts,
    Map<String, String> nodeSelector,
    Optional<NodeSelection> nodeAffinity,
    List<Weighted<NodeSelection.Term>> preferredNodes,
    List<Toleration> tolerations,
    List<AffinityTerm> affinity,
    List<AffinityTerm> antiAffinity,
    List<Weighted<AffinityTerm>> preferredAffinity,
    List<Weighted<AffinityTerm>> preferredAntiAffinity,
    List<Spread> spreads,
    List<Claim> claims,
    Set<String> images) {

  /** What upstream assumes of a container that asks for nothing, so that load still spreads. */
  private static final Amounts TYPICAL = new Amounts(100, 200L * 1024 * 1024, 0, Map.of());

  /** A port of the node; an empty or 0.0.0.0 address is every address. */
  record HostPort(String address, String protocol, long port) {
    boolean conflicts(HostPort other) {
      return port == other.port
          && protocol.equals(other.protocol)
          && (every() || other.every() || address.equals(other.address));
    }

    private boolean every() {
      return address.isEmpty() || address.equals("0.0.0.0");
    }
  }

  /** Something preferred, 1 to 100. */
  record Weighted<T>(long weight, T term) {}

  /**
   * A pod affinity term.
   *
   * @param namespaces where it looks
   * @param namespaceSelector where it looks too; empty: nowhere else
   */
  record AffinityTerm(
      Set<String> namespaces,
      Optional<LabelSelector> namespaceSelector,
      Optional<LabelSelector> selector,
      String topologyKey) {
    boolean matches(PodInfo pod, NamespaceLabels namespaceLabels) {
      return selector.isPresent()
          && (namespaces.contains(pod.key().namespace())
              || namespaceSelector.isPresent()
                  && namespaceSelector.get().matches(namespaceLabels.of(pod.key().namespace())))
          && selector.get().matches(pod.labels());
    }
  }

  /** Looks up the labels of a namespace. */
  @FunctionalInterface
  interface NamespaceLabels {
    Map<String, String> of(String namespace);
  }

  /** A topology spread constraint; {@code minDomains} 0 where none is asked. */
  record Spread(
      int maxSkew,
      String topologyKey,
      boolean hard,
      LabelSelector selector,
      int minDomains,
      boolean honorAffinity,
      boolean honorTaints) {}

  /** A claim among the volumes; {@code ephemeral} ones are made by a controller. */
  record Claim(String name, boolean ephemeral) {}

  static PodInfo of(KubeObject pod) {
    JsonObject spec = pod.spec();
    JsonObject affinity = spec.object("affinity");
    JsonObject nodes = affinity.object("nodeAffinity");
    JsonObject required = nodes.object("requiredDuringSchedulingIgnoredDuringExecution");
    Set<String> images = new TreeSet<>();
    List<HostPort> ports = new ArrayList<>();
    boolean hostNetwork = spec.flag("hostNetwork");
    for (String list : List.of("initContainers", "containers")) {
      for (JsonObject container : spec.objects(list)) {
        images.add(container.text("image"));
        if (list.equals("initContainers") && !container.text("restartPolicy").equals("Always")) {
          continue;
        }
        for (JsonObject port : container.objects("ports")) {
          long number = port.integer("hostPort");
          if (number == 0 && hostNetwork) {
            number = port.integer("containerPort");
          }
          if (number != 0) {
            String protocol = port.text("protocol");
            ports.add(
                new HostPort(port.text("hostIP"), protocol.isEmpty() ? "TCP" : protocol, number));
          }
        }
      }
    }
    List<Claim> claims = new ArrayList<>();
    for (JsonObject volume : spec.objects("volumes")) {
      if (volume.has("persistentVolumeClaim")) {
        claims.add(new Claim(volume.text("persistentVolumeClaim", "claimName"), false));
      } else if (volume.has("ephemeral")) {
        claims.add(new Claim(pod.name() + "-" + volume.text("name"), true));
      }
    }
    JsonObject podAffinity = affinity.object("podAffinity");
    JsonObject podAntiAffinity = affinity.object("podAntiAffinity");
    return new PodInfo(
        pod.key(),
        pod.uid(),
        pod.resourceVersion(),
        pod.labels(),
        spec.text("nodeName"),
        pod.status().text("nominatedNodeName"),
        (int) spec.integer("priority"),
        !spec.text("preemptionPolicy").equals("Never"),
        pod.status().text("startTime"),
        pod.deleting(),
        pod.controller().map(owner -> owner.text("uid")).orElse(""),
        Amounts.ofPod(spec, "requests"),
        Amounts.ofPod(spec, "requests", TYPICAL),
        List.copyOf(ports),
        spec.map("nodeSelector"),
        required.isEmpty() ? Optional.empty() : Optional.of(NodeSelection.of(required)),
        nodes.objects("preferredDuringSchedulingIgnoredDuringExecution").stream()
            .map(
                item ->
                    new Weighted<>(
                        item.integer("weight"), NodeSelection.Term.of(item.object("preference"))))
            .toList(),
        spec.objects("tolerations").stream().map(Toleration::of).toList(),
        terms(podAffinity, pod),
        terms(podAntiAffinity, pod),
        preferredTerms(podAffinity, pod),
        preferredTerms(podAntiAffinity, pod),
        spec.objects("topologySpreadConstraints").stream()
            .map(constraint -> spread(constraint, pod))
            .toList(),
        List.copyOf(claims),
        images);
  }

  private static List<AffinityTerm> terms(JsonObject affinity, KubeObject pod) {
    return affinity.objects("requiredDuringSchedulingIgnoredDuringExecution").stream()
        .map(item -> term(item, pod))
        .toList();
  }

  private static List<Weighted<AffinityTerm>> preferredTerms(JsonObject affinity, KubeObject pod) {
    return affinity.objects("preferredDuringSchedulingIgnoredDuringExecution").stream()
        .map(
            item ->
                new Weighted<>(item.integer("weight"), term(item.object("podAffinityTerm"), pod)))
        .toList();
  }

  private static AffinityTerm term(JsonObject json, KubeObject pod) {
    Set<String> namespaces = Set.copyOf(json.strings("namespaces"));
    boolean selects = json.find("namespaceSelector").isPresent();
    return new AffinityTerm(
        namespaces.isEmpty() && !selects ? Set.of(pod.namespace()) : namespaces,
        selects
            ? Optional.of(LabelSelector.of(json.object("namespaceSelector")))
            : Optional.empty(),
        // An absent selector selects nothing, an empty one everything.
        json.find("labelSelector").isPresent()
            ? Optional.of(
                withKeys(
                    LabelSelector.of(json.object("labelSelector")),
                    json.strings("matchLabelKeys"),
                    json.strings("mismatchLabelKeys"),
                    pod))
            : Optional.empty(),
        json.text("topologyKey"));
  }

  private static Spread spread(JsonObject json, KubeObject pod) {
    return new Spread(
        (int) json.integer("maxSkew"),
        json.text("topologyKey"),
        json.text("whenUnsatisfiable").equals("DoNotSchedule"),
        json.find("labelSelector").isPresent()
            ? withKeys(
                LabelSelector.of(json.object("labelSelector")),
                json.strings("matchLabelKeys"),
                List.of(),
                pod)
            : new LabelSelector(
                // Nothing is selected without a selector.
                List.of(new Requirement("", Operator.IN, List.of()))),
        (int) json.integer("minDomains"),
        !json.text("nodeAffinityPolicy").equals("Ignore"),
        json.text("nodeTaintsPolicy").equals("Honor"));
  }

  private static LabelSelector withKeys(
      LabelSelector selector, List<String> same, List<String> other, KubeObject pod) {
    if (same.isEmpty() && other.isEmpty()) {
      return selector;
    }
    List<Requirement> all = new ArrayList<>(selector.requirements());
    Map<String, String> labels = pod.labels();
    for (String key : same) {
      if (labels.containsKey(key)) {
        all.add(new Requirement(key, Operator.IN, List.of(labels.getOrDefault(key, ""))));
      }
    }
    for (String key : other) {
      if (labels.containsKey(key)) {
        all.add(new Requirement(key, Operator.NOT_IN, List.of(labels.getOrDefault(key, ""))));
      }
    }
    return new LabelSelector(all);
  }

  /** Whether what other pods run matters to where this one fits. */
  boolean looksAtOthers() {
    return !affinity.isEmpty()
        || !antiAffinity.isEmpty()
        || spreads.stream().anyMatch(Spread::hard);
  }
}
