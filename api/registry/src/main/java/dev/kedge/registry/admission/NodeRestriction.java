package dev.kedge.registry.admission;

import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Keeps a node's agent to its own node object, its own lease and the pods bound to it. */
final class NodeRestriction implements AdmissionPlugin {
  private static final Set<String> OWN_LABELS =
      Set.of(
          "kubernetes.io/hostname",
          "kubernetes.io/arch",
          "kubernetes.io/os",
          "beta.kubernetes.io/instance-type",
          "node.kubernetes.io/instance-type",
          "failure-domain.beta.kubernetes.io/region",
          "failure-domain.beta.kubernetes.io/zone",
          "topology.kubernetes.io/region",
          "topology.kubernetes.io/zone",
          "beta.kubernetes.io/os",
          "beta.kubernetes.io/arch");

  @Override
  public String name() {
    return "NodeRestriction";
  }

  @Override
  public void validate(Review review, KubeObject object) {
    if (!review.user().groups().contains("system:nodes")
        || !review.user().name().startsWith("system:node:")) {
      return;
    }
    String node = review.user().name().substring("system:node:".length());
    switch (review.type().groupResource()) {
      case "pods" -> pod(review, object, node);
      case "nodes" -> node(review, object, node);
      case "serviceaccounts" -> token(review, object, node);
      case "leases.coordination.k8s.io" -> lease(review, object, node);
      case "csinodes.storage.k8s.io" -> {
        String name = review.name().isEmpty() ? object.name() : review.name();
        if (!name.equals(node)) {
          throw review.forbidden(
              "can only access CSINode with the same name as the requesting node");
        }
      }
      default -> {
        // Authorisation decides on everything else.
      }
    }
  }

  private static void pod(Review review, KubeObject object, String node) {
    String bound =
        (review.operation() == Operation.CREATE ? object : review.old())
            .json()
            .text("spec", "nodeName");
    switch (review.subresource()) {
      case "" -> {
        switch (review.operation()) {
          case CREATE -> createPod(review, object, node);
          case DELETE -> {
            if (!bound.equals(node)) {
              throw review.forbidden(
                  "node \"" + node + "\" can only delete pods with spec.nodeName set to itself");
            }
          }
          case UPDATE, CONNECT ->
              throw review.forbidden(
                  "unexpected operation \"UPDATE\", node \""
                      + node
                      + "\" can only create and delete mirror pods");
        }
      }
      case "status" -> {
        if (!bound.equals(node)) {
          throw review.forbidden(
              "node \""
                  + node
                  + "\" can only update pod status for pods with spec.nodeName set to itself");
        }
        if (!review.old().labels().equals(object.labels())) {
          throw review.forbidden("node \"" + node + "\" cannot update labels through pod status");
        }
      }
      case "eviction" -> {
        if (!review.old().json().text("spec", "nodeName").equals(node)) {
          throw review.forbidden(
              "node \"" + node + "\" can only evict pods with spec.nodeName set to itself");
        }
      }
      default ->
          throw review.forbidden(
              "unexpected pod subresource \""
                  + review.subresource()
                  + "\", only 'status' and 'eviction' are allowed");
    }
  }

  private static void createPod(Review review, KubeObject pod, String node) {
    if (pod.annotation("kubernetes.io/config.mirror").isEmpty()) {
      throw review.forbidden(
          "pod does not have \"kubernetes.io/config.mirror\" annotation, node \""
              + node
              + "\" can only create mirror pods");
    }
    if (!pod.json().text("spec", "nodeName").equals(node)) {
      throw review.forbidden(
          "node \"" + node + "\" can only create pods with spec.nodeName set to itself");
    }
    if (!pod.json().text("spec", "serviceAccountName").isEmpty()) {
      throw review.forbidden(
          "node \"" + node + "\" can not create pods that reference a service account");
    }
    for (JsonObject volume : pod.spec().objects("volumes")) {
      for (String source : List.of("secret", "configMap", "persistentVolumeClaim", "projected")) {
        if (volume.has(source)) {
          throw review.forbidden(
              "node \"" + node + "\" can not create pods that reference " + source + "s");
        }
      }
    }
  }

  private static void node(Review review, KubeObject object, String node) {
    String name = review.name().isEmpty() ? object.name() : review.name();
    if (!name.equals(node)) {
      throw review.forbidden(
          "node \"" + node + "\" is not allowed to modify node \"" + name + "\"");
    }
    if (review.operation() == Operation.DELETE) {
      return;
    }
    if (review.operation() == Operation.UPDATE && !taints(review.old()).equals(taints(object))) {
      throw review.forbidden("node \"" + node + "\" is not allowed to modify taints");
    }
    Set<String> forbidden = new LinkedHashSet<>();
    Set<String> names = new LinkedHashSet<>(object.labels().keySet());
    names.addAll(review.old().labels().keySet());
    for (String label : names) {
      boolean changed =
          !Optional.ofNullable(object.labels().get(label))
              .equals(Optional.ofNullable(review.old().labels().get(label)));
      if (changed && !ownLabel(label)) {
        forbidden.add(label);
      }
    }
    if (!forbidden.isEmpty()) {
      throw review.forbidden(
          "is not allowed to "
              + (review.operation() == Operation.CREATE ? "set" : "modify")
              + " the following labels: "
              + String.join(", ", forbidden));
    }
  }

  private static Optional<JsonValue> taints(KubeObject node) {
    return node.spec().get("taints");
  }

  private static boolean ownLabel(String label) {
    int slash = label.indexOf('/');
    String prefix = slash < 0 ? "" : label.substring(0, slash);
    if (prefix.equals("node-restriction.kubernetes.io")
        || prefix.endsWith(".node-restriction.kubernetes.io")) {
      return false;
    }
    boolean reserved =
        prefix.equals("kubernetes.io")
            || prefix.endsWith(".kubernetes.io")
            || prefix.equals("k8s.io")
            || prefix.endsWith(".k8s.io");
    return !reserved
        || OWN_LABELS.contains(label)
        || prefix.equals("kubelet.kubernetes.io")
        || prefix.endsWith(".kubelet.kubernetes.io")
        || prefix.equals("node.kubernetes.io")
        || prefix.endsWith(".node.kubernetes.io");
  }

  private static void lease(Review review, KubeObject object, String node) {
    if (!review.namespace().equals("kube-node-lease")) {
      throw review.forbidden("can only access leases in the \"kube-node-lease\" system namespace");
    }
    String name = review.name().isEmpty() ? object.name() : review.name();
    if (!name.equals(node)) {
      throw review.forbidden(
          "can only access node lease with the same name as the requesting node");
    }
  }

  private static void token(Review review, KubeObject object, String node) {
    if (!review.subresource().equals("token")) {
      return;
    }
    JsonObject reference = object.spec().object("boundObjectRef");
    if (!reference.text("kind").equals("Pod") || reference.text("name").isEmpty()) {
      throw review.forbidden("node requested token not bound to a pod");
    }
    String uid = reference.text("uid");
    if (uid.isEmpty()) {
      throw review.forbidden("node requested token with a pod binding without a uid");
    }
    KubeObject pod =
        review
            .objects()
            .find(Resources.PODS, review.namespace(), reference.text("name"))
            .orElseThrow(
                () -> review.forbidden("pod \"" + reference.text("name") + "\" not found"));
    if (!pod.uid().equals(uid)) {
      throw review.forbidden(
          "the UID in the bound object reference ("
              + uid
              + ") does not match the UID in record. The object might have been deleted and then"
              + " recreated");
    }
    if (!pod.json().text("spec", "nodeName").equals(node)) {
      throw review.forbidden("node requested token bound to a pod scheduled on a different node");
    }
  }
}
