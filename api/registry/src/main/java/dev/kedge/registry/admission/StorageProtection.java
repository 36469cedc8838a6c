package dev.kedge.registry.admission;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin;
import java.util.ArrayList;
import java.util.List;

/**
 * Puts finalizers on claims and volumes, so that none goes while a pod or claim uses it. The
 * controllers for volume protection take them off.
 */
final class StorageProtection implements AdmissionPlugin {
  @Override
  public String name() {
    return "StorageObjectInUseProtection";
  }

  @Override
  public KubeObject mutate(Review review, KubeObject object) {
    if (review.creating(Resources.PERSISTENT_VOLUME_CLAIMS)) {
      return finalizer(object, "kubernetes.io/pvc-protection");
    }
    if (review.creating(Resources.PERSISTENT_VOLUMES)) {
      return finalizer(object, "kubernetes.io/pv-protection");
    }
    return object;
  }

  private static KubeObject finalizer(KubeObject object, String finalizer) {
    if (object.finalizers().contains(finalizer)) {
      return object;
    }
    List<JsonValue> all = new ArrayList<>(object.metadata().array("finalizers").items());
    all.add(new JsonString(finalizer));
    return object.withMetadata("finalizers", new JsonArray(all));
  }
}
