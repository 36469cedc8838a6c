package dev.kedge.registry.admission;

import dev.kedge.model.JsonNull;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Quantity;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin;

/** Refuses to let a claim grow whose storage class cannot make it grow. */
final class ClaimResize implements AdmissionPlugin {
  @Override
  public String name() {
    return "PersistentVolumeClaimResize";
  }

  @Override
  public void validate(Review review, KubeObject claim) {
    if (review.operation() != Operation.UPDATE
        || !review.on(Resources.PERSISTENT_VOLUME_CLAIMS)
        || size(claim).compareTo(size(review.old())) <= 0) {
      return;
    }
    boolean expandable =
        review
            .objects()
            .find(Resources.STORAGE_CLASSES, "", claim.spec().text("storageClassName"))
            .map(found -> found.json().flag("allowVolumeExpansion"))
            .orElse(false);
    if (!expandable) {
      throw review.forbidden(
          "only dynamically provisioned pvc can be resized and the storageclass that provisions the"
              + " pvc must support resize");
    }
  }

  private static Quantity size(KubeObject claim) {
    return Quantity.of(
        claim.spec().object("resources", "requests").get("storage").orElse(JsonNull.NULL));
  }
}
