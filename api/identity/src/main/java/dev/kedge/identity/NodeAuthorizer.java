package dev.kedge.identity;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Lets a node ({@code system:node:NAME} in {@code system:nodes}) read what its own pods refer to
 * and nothing of other nodes: secrets, config maps, claims, volumes, service accounts and their
 * tokens by way of a pod that is bound to it; its own Node, Lease and CSINode. All else that nodes
 * do is allowed by the rules of the ClusterRole {@code system:node}, minus those resources. Any
 * thread.
 *
 * <p>A simple form of KEP-1513: looks through the pods of the node on each request instead of
 * keeping a graph; nodes have at most some hundred pods and cache what they read.
 */
public final class NodeAuthorizer implements Authorizer {
  private static final String USER_PREFIX = "system:node:";
  private static final String GROUP = "system:nodes";
  private static final Set<String> BY_POD =
      Set.of(
          "secrets",
          "configmaps",
          "persistentvolumeclaims",
          "persistentvolumes",
          "serviceaccounts");

  private final PodsOfNode pods;
  private final ObjectLookup lookup;

  /** Read when the first node asks. */
  private static final class Rules {
    static final List<RbacRule> OF_NODES = BootstrapRoles.rulesOf("system:node");
  }

  /** Finds the pods that are bound to a node. */
  @FunctionalInterface
  public interface PodsOfNode {
    Collection<KubeObject> podsOf(String node);
  }

  /** An authoriser over the current pods. */
  public NodeAuthorizer(PodsOfNode pods, ObjectLookup lookup) {
    this.pods = pods;
    this.lookup = lookup;
  }

  @Override
  public Decision authorize(User user, Attributes request) {
    if (!user.name().startsWith(USER_PREFIX) || !user.groups().contains(GROUP)) {
      return new Decision(false, "");
    }
    String node = user.name().substring(USER_PREFIX.length());
    if (!request.path().isEmpty()) {
      return allows(request);
    }
    boolean core = request.group().isEmpty();
    String resource = request.resource();
    if (core && BY_POD.contains(resource)) {
      return byPod(node, request);
    }
    if (core
        && resource.equals("nodes")
        && !request.name().isEmpty()
        && !request.name().equals(node)) {
      return denied(
          "node '" + node + "' cannot read '" + request.name() + "', only its own Node object");
    }
    if (request.group().equals("coordination.k8s.io") && resource.equals("leases")) {
      if (!request.namespace().equals("kube-node-lease")) {
        return denied("can only access leases in the \"kube-node-lease\" system namespace");
      }
      if (!request.verb().equals("create") && !request.name().equals(node)) {
        return denied("can only access node lease with the same name as the requesting node");
      }
    }
    if (request.group().equals("storage.k8s.io")
        && resource.equals("csinodes")
        && !request.verb().equals("create")
        && !request.name().equals(node)) {
      return denied("can only access CSINode with the same name as the requesting node");
    }
    if (core
        && resource.equals("pods")
        && !request.name().isEmpty()
        && !request.verb().equals("create")) {
      boolean own =
          lookup
              .find(Resources.PODS, request.namespace(), request.name())
              .map(pod -> pod.spec().text("nodeName").equals(node))
              .orElse(true);
      if (!own) {
        return denied("no relationship found between node '" + node + "' and this object");
      }
    }
    return allows(request);
  }

  private Decision byPod(String node, Attributes request) {
    if (request.name().isEmpty()) {
      return denied("No Object name found");
    }
    boolean verb =
        switch (request.resource()) {
          case "secrets", "configmaps" ->
              Set.of("get", "list", "watch").contains(request.verb())
                  && request.subresource().isEmpty();
          case "serviceaccounts" ->
              request.subresource().equals("token")
                  ? request.verb().equals("create")
                  : request.subresource().isEmpty() && request.verb().equals("get");
          case "persistentvolumeclaims" ->
              request.verb().equals("get")
                  || (request.subresource().equals("status")
                      && Set.of("update", "patch").contains(request.verb()));
          default -> request.verb().equals("get") && request.subresource().isEmpty();
        };
    if (!verb) {
      return denied("can only read resources of this type");
    }
    for (KubeObject pod : pods.podsOf(node)) {
      if (refersTo(pod, request)) {
        return new Decision(true, "");
      }
    }
    return denied("no relationship found between node '" + node + "' and this object");
  }

  private boolean refersTo(KubeObject pod, Attributes request) {
    String name = request.name();
    if (request.resource().equals("persistentvolumes")) {
      return claims(pod).stream()
          .map(claim -> lookup.find(Resources.PERSISTENT_VOLUME_CLAIMS, pod.namespace(), claim))
          .flatMap(Optional::stream)
          .anyMatch(claim -> claim.spec().text("volumeName").equals(name));
    }
    if (!pod.namespace().equals(request.namespace())) {
      return false;
    }
    return switch (request.resource()) {
      case "serviceaccounts" -> {
        String account = pod.spec().text("serviceAccountName");
        yield name.equals(account.isEmpty() ? "default" : account);
      }
      case "persistentvolumeclaims" -> claims(pod).contains(name);
      case "configmaps" ->
          mentions(pod.spec(), "configMap", "configMapRef", "configMapKeyRef", name);
      default ->
          mentions(pod.spec(), "secret", "secretRef", "secretKeyRef", name)
              || pod.spec().objects("imagePullSecrets").stream()
                  .anyMatch(secret -> secret.text("name").equals(name))
              || pod.spec().objects("volumes").stream()
                  .anyMatch(volume -> driverSecret(volume, name));
    };
  }

  private static List<String> claims(KubeObject pod) {
    return pod.spec().objects("volumes").stream()
        .map(
            volume ->
                volume.has("ephemeral")
                    ? pod.name() + "-" + volume.text("name")
                    : volume.text("persistentVolumeClaim", "claimName"))
        .filter(claim -> !claim.isEmpty())
        .toList();
  }

  private static boolean mentions(
      JsonObject spec, String volumeField, String fromField, String keyField, String name) {
    for (JsonObject volume : spec.objects("volumes")) {
      JsonObject source = volume.object(volumeField);
      if (source.text("name").equals(name) || source.text("secretName").equals(name)) {
        return true;
      }
      for (JsonObject projected : volume.objects("projected", "sources")) {
        if (projected.text(volumeField, "name").equals(name)) {
          return true;
        }
      }
    }
    for (String list : List.of("containers", "initContainers", "ephemeralContainers")) {
      for (JsonObject container : spec.objects(list)) {
        for (JsonObject from : container.objects("envFrom")) {
          if (from.text(fromField, "name").equals(name)) {
            return true;
          }
        }
        for (JsonObject variable : container.objects("env")) {
          if (variable.text("valueFrom", keyField, "name").equals(name)) {
            return true;
          }
        }
      }
    }
    return false;
  }

  /** Secrets that volume drivers name: {@code secretRef.name} and the like inside a source. */
  private static boolean driverSecret(JsonObject volume, String name) {
    for (int i = 0; i < volume.size(); i++) {
      if (volume.valueAt(i) instanceof JsonObject source
          && (source.text("secretRef", "name").equals(name)
              || source.text("nodePublishSecretRef", "name").equals(name)
              || (volume.nameAt(i).equals("azureFile")
                  && source.text("secretName").equals(name)))) {
        return true;
      }
    }
    return false;
  }

  private Decision allows(Attributes request) {
    return new Decision(Rules.OF_NODES.stream().anyMatch(rule -> rule.allows(request)), "");
  }

  private static Decision denied(String why) {
    return new Decision(false, why);
  }
}
