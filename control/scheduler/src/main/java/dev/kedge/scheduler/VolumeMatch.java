package dev.kedge.scheduler;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.Quantity;
import java.util.Collection;
import java.util.Comparator;
import java.util.Map;
import java.util.Optional;

/** Which PersistentVolume may serve which claim; shared by scheduler and volume binder. */
public final class VolumeMatch {
  /** Set by the scheduler on a claim whose volume is to be provisioned for a node. */
  public static final String SELECTED_NODE = "volume.kubernetes.io/selected-node";

  /** Set by the binder on a claim when both sides are bound. */
  public static final String BIND_COMPLETED = "pv.kubernetes.io/bind-completed";

  private VolumeMatch() {}

  /** Whether a claim is bound for good. */
  public static boolean bound(KubeObject claim) {
    return !claim.spec().text("volumeName").isEmpty()
        && claim.annotation(BIND_COMPLETED).isPresent();
  }

  /** The class of a claim, by field or old annotation; empty for none. */
  public static String storageClass(KubeObject object) {
    return object
        .annotation("volume.beta.kubernetes.io/storage-class")
        .orElseGet(() -> object.spec().text("storageClassName"));
  }

  /** Whether a volume is reserved for this very claim. */
  public static boolean reservedFor(KubeObject volume, KubeObject claim) {
    JsonObject reference = volume.spec().object("claimRef");
    return reference.text("name").equals(claim.name())
        && reference.text("namespace").equals(claim.namespace())
        && (reference.text("uid").isEmpty() || reference.text("uid").equals(claim.uid()));
  }

  /** Whether a volume offers what a claim asks for, its node affinity and reservation apart. */
  public static boolean suits(KubeObject volume, KubeObject claim) {
    JsonObject has = volume.spec();
    JsonObject wants = claim.spec();
    if (volume.deleting() || !storageClass(volume).equals(storageClass(claim))) {
      return false;
    }
    if (!mode(has).equals(mode(wants))
        || !has.strings("accessModes").containsAll(wants.strings("accessModes"))) {
      return false;
    }
    if (!has.text("volumeAttributesClassName").equals(wants.text("volumeAttributesClassName"))) {
      return false;
    }
    if (wants.find("selector").isPresent()
        && !LabelSelector.of(wants.object("selector")).matches(volume.labels())) {
      return false;
    }
    return capacity(has.object("capacity"))
            .compareTo(capacity(wants.object("resources", "requests")))
        >= 0;
  }

  /**
   * The best volume for a claim: the one reserved for it, else the smallest free one that suits.
   *
   * @param node labels and name of the node it must be usable from; empty where any will do
   */
  public static Optional<KubeObject> best(
      Collection<KubeObject> volumes, KubeObject claim, Optional<NodeName> node) {
    for (KubeObject volume : volumes) {
      if (volume.spec().find("claimRef").isPresent()
          && reservedFor(volume, claim)
          && node.map(n -> usableFrom(volume, n.labels(), n.name())).orElse(true)) {
        return Optional.of(volume);
      }
    }
    return volumes.stream()
        .filter(volume -> volume.spec().find("claimRef").isEmpty())
        .filter(volume -> suits(volume, claim))
        .filter(volume -> node.map(n -> usableFrom(volume, n.labels(), n.name())).orElse(true))
        .min(
            Comparator.comparing((KubeObject volume) -> capacity(volume.spec().object("capacity")))
                .thenComparing(KubeObject::name));
  }

  /** Labels and name of a node. */
  public record NodeName(Map<String, String> labels, String name) {}

  /** Whether a volume's node affinity allows a node. */
  public static boolean usableFrom(
      KubeObject volume, Map<String, String> nodeLabels, String nodeName) {
    JsonObject required = volume.spec().object("nodeAffinity", "required");
    return required.isEmpty() || NodeSelection.of(required).matches(nodeLabels, nodeName);
  }

  private static String mode(JsonObject spec) {
    String mode = spec.text("volumeMode");
    return mode.isEmpty() ? "Filesystem" : mode;
  }

  private static Quantity capacity(JsonObject resources) {
    return resources.get("storage").map(Quantity::of).orElse(Quantity.ZERO);
  }
}
