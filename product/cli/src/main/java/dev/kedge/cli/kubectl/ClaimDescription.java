package dev.kedge.cli.kubectl;

import static dev.kedge.cli.kubectl.DescriptionWriter.cell;

import dev.kedge.model.JsonObject;
import java.util.List;
import java.util.Map;

/** Describes persistent volume claims, with the pods that use them. */
final class ClaimDescription {
  private static final Map<String, String> MODES =
      Map.of(
          "ReadWriteOnce", "RWO",
          "ReadOnlyMany", "ROX",
          "ReadWriteMany", "RWX",
          "ReadWriteOncePod", "RWOP");

  private ClaimDescription() {}

  static void write(Described claim) {
    DescriptionWriter out = claim.out();
    JsonObject spec = claim.spec();
    JsonObject status = claim.status();
    claim.name();
    out.field("StorageClass", spec.text("storageClassName"));
    out.field("Status", status.text("phase"));
    out.field("Volume", spec.text("volumeName"));
    claim.labels();
    claim.annotations();
    List<String> finalizers = claim.object().strings("metadata", "finalizers");
    out.field("Finalizers", "[" + String.join(" ", finalizers) + "]");
    out.field("Capacity", cell(status, "capacity", "storage"));
    List<String> modes =
        status.strings("accessModes").stream().map(mode -> MODES.getOrDefault(mode, mode)).toList();
    out.field("Access Modes", String.join(",", modes));
    out.field("VolumeMode", spec.text("volumeMode"));
    out.list(
        "Used By",
        claim.list("pods", claim.item().namespace(), "", "").stream()
            .filter(pod -> uses(pod, claim.item().name()))
            .map(pod -> pod.text("metadata", "name"))
            .toList());
    claim.events();
  }

  private static boolean uses(JsonObject pod, String claim) {
    return pod.objects("spec", "volumes").stream()
        .anyMatch(volume -> volume.text("persistentVolumeClaim", "claimName").equals(claim));
  }
}
