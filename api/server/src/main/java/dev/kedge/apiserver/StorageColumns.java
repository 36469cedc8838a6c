package dev.kedge.apiserver;

import static dev.kedge.apiserver.PrinterColumn.AGE;
import static dev.kedge.apiserver.PrinterColumn.NAME;
import static dev.kedge.apiserver.PrinterColumn.NONE;
import static dev.kedge.apiserver.PrinterColumn.UNSET;
import static dev.kedge.apiserver.PrinterColumn.column;
import static dev.kedge.apiserver.PrinterColumn.count;
import static dev.kedge.apiserver.PrinterColumn.flag;
import static dev.kedge.apiserver.PrinterColumn.or;
import static dev.kedge.apiserver.PrinterColumn.text;
import static dev.kedge.apiserver.PrinterColumn.wide;
import static java.util.Map.entry;
import static java.util.stream.Collectors.joining;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The columns of volumes, claims and {@code storage.k8s.io}. */
final class StorageColumns {
  private static final PrinterColumn<KubeObject> CLASS =
      column("StorageClass", StorageColumns::storageClass);
  private static final PrinterColumn<KubeObject> ATTRIBUTES =
      text("VolumeAttributesClass", "spec", "volumeAttributesClassName").or(UNSET);
  private static final PrinterColumn<KubeObject> MODE =
      wide(text("VolumeMode", "spec", "volumeMode").or(UNSET));

  static final Map<String, PrinterKind<?>> KINDS =
      Map.ofEntries(
          entry(
              "persistentvolumes",
              PrinterKind.of(
                  NAME,
                  text("Capacity", "spec", "capacity", "storage"),
                  column("Access Modes", o -> modes(o.spec().strings("accessModes"))),
                  text("Reclaim Policy", "spec", "persistentVolumeReclaimPolicy"),
                  column("Status", StorageColumns::phase),
                  column("Claim", StorageColumns::claim),
                  CLASS,
                  ATTRIBUTES,
                  text("Reason", "status", "reason"),
                  AGE,
                  MODE)),
          entry(
              "persistentvolumeclaims",
              PrinterKind.of(
                  NAME,
                  column("Status", StorageColumns::phase),
                  text("Volume", "spec", "volumeName"),
                  column(
                      "Capacity",
                      o -> isBound(o) ? text(o.status().find("capacity", "storage")) : ""),
                  column(
                      "Access Modes",
                      o -> isBound(o) ? modes(o.status().strings("accessModes")) : ""),
                  CLASS,
                  ATTRIBUTES,
                  AGE,
                  MODE)),
          entry(
              "storageclasses.storage.k8s.io",
              PrinterKind.of(
                  column("Name", o -> isDefault(o) ? o.name() + " (default)" : o.name()),
                  text("Provisioner", "provisioner"),
                  text("ReclaimPolicy", "reclaimPolicy").or("Delete"),
                  text("VolumeBindingMode", "volumeBindingMode").or(UNSET),
                  flag("AllowVolumeExpansion", "allowVolumeExpansion"),
                  AGE)),
          entry(
              "volumeattributesclasses.storage.k8s.io",
              PrinterKind.of(NAME, text("DriverName", "driverName"), AGE)),
          entry(
              "volumeattachments.storage.k8s.io",
              PrinterKind.of(
                  NAME,
                  text("Attacher", "spec", "attacher"),
                  text("PV", "spec", "source", "persistentVolumeName"),
                  text("Node", "spec", "nodeName"),
                  flag("Attached", "status", "attached"),
                  AGE)),
          entry(
              "csinodes.storage.k8s.io",
              PrinterKind.of(NAME, count("Drivers", "spec", "drivers"), AGE)),
          entry(
              "csidrivers.storage.k8s.io",
              PrinterKind.of(
                  NAME,
                  column("AttachRequired", "boolean", o -> o.spec().flagOr(true, "attachRequired")),
                  flag("PodInfoOnMount", "spec", "podInfoOnMount"),
                  flag("StorageCapacity", "spec", "storageCapacity"),
                  column("TokenRequests", StorageColumns::audiences),
                  flag("RequiresRepublish", "spec", "requiresRepublish"),
                  column(
                      "Modes",
                      o -> or(String.join(",", o.spec().strings("volumeLifecycleModes")), NONE)),
                  AGE)),
          entry(
              "csistoragecapacities.storage.k8s.io",
              PrinterKind.of(
                  NAME,
                  text("StorageClassName", "storageClassName"),
                  text("Capacity", "capacity").or(UNSET),
                  AGE)));

  /** The modes a volume may be mounted in, in the order they are shown in. */
  private static final List<Map.Entry<String, String>> MODES =
      List.of(
          entry("ReadWriteOnce", "RWO"),
          entry("ReadOnlyMany", "ROX"),
          entry("ReadWriteMany", "RWX"),
          entry("ReadWriteOncePod", "RWOP"));

  private StorageColumns() {}

  private static String phase(KubeObject object) {
    return object.deleting() ? "Terminating" : object.status().text("phase");
  }

  private static String claim(KubeObject volume) {
    JsonObject claim = volume.spec().object("claimRef");
    return claim.isEmpty() ? "" : claim.text("namespace") + "/" + claim.text("name");
  }

  private static boolean isBound(KubeObject claim) {
    return !claim.spec().text("volumeName").isEmpty();
  }

  private static String modes(List<String> modes) {
    return MODES.stream()
        .filter(mode -> modes.contains(mode.getKey()))
        .map(Map.Entry::getValue)
        .collect(joining(","));
  }

  private static String storageClass(KubeObject object) {
    return object
        .annotation("volume.beta.kubernetes.io/storage-class")
        .orElse(object.spec().text("storageClassName"));
  }

  private static boolean isDefault(KubeObject storageClass) {
    return Stream.of(
            "storageclass.kubernetes.io/is-default-class",
            "storageclass.beta.kubernetes.io/is-default-class")
        .anyMatch(key -> storageClass.annotation(key).orElse("").equals("true"));
  }

  private static String audiences(KubeObject driver) {
    List<JsonObject> requests = driver.spec().objects("tokenRequests");
    return requests.isEmpty()
        ? UNSET
        : requests.stream().map(request -> request.text("audience")).collect(joining(","));
  }
}
