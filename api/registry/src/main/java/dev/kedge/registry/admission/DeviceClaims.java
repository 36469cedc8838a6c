package dev.kedge.registry.admission;

import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin;

/**
 * Refuses pods that claim devices: nobody allocates them yet, so such a pod would run without what
 * it cannot do without. Goes when dynamic resource allocation comes.
 */
final class DeviceClaims implements AdmissionPlugin {
  @Override
  public String name() {
    return "DeviceClaims";
  }

  @Override
  public void validate(Review review, KubeObject pod) {
    if (review.creating(Resources.PODS) && !pod.spec().array("resourceClaims").isEmpty()) {
      throw review.forbidden(
          "spec.resourceClaims: dynamic resource allocation is not supported yet, so this pod would"
              + " run without its devices");
    }
  }
}
