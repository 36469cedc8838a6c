package dev.kedge.registry.admission;

import dev.kedge.model.KubeObject;
import dev.kedge.registry.AdmissionPlugin;
import java.util.Map;

/**
 * Refuses, by name, configuration that would be stored but have no effect. A line goes when the
 * feature comes.
 */
final class Unsupported implements AdmissionPlugin {
  private static final Map<String, String> REFUSED =
      Map.of(
          "storageversionmigrations.storagemigration.k8s.io",
          "Storage version migration");

  @Override
  public String name() {
    return "Unsupported";
  }

  @Override
  public void validate(Review review, KubeObject object) {
    if (review.operation() != Operation.CREATE && review.operation() != Operation.UPDATE) {
      return;
    }
    String feature = REFUSED.get(review.type().groupResource());
    if (feature != null) {
      throw review.forbidden(
          feature + " is not supported yet, so this object would have no effect");
    }
  }
}
