package dev.kedge.registry.kinds;

import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Names;
import dev.kedge.model.Quantity;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Strategy;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** Volumes, claims and classes of storage. */
final class StorageKinds {
  private static final String[] ACCESS_MODES = {
    "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"
  };

  /** Fields of a volume's spec that are no source. */
  private static final Set<String> VOLUME_FIELDS =
      Set.of(
          "capacity",
          "accessModes",
          "claimRef",
          "persistentVolumeReclaimPolicy",
          "storageClassName",
          "mountOptions",
          "volumeMode",
          "nodeAffinity",
          "volumeAttributesClassName");

  private StorageKinds() {}

  private static void accessModes(JsonObject spec, String detail, Checks checks) {
    List<String> modes = spec.strings("accessModes");
    if (modes.isEmpty()) {
      checks.required("spec.accessModes", detail);
    }
    for (String mode : modes) {
      checks.oneOf("spec.accessModes", mode, ACCESS_MODES);
    }
    if (modes.contains("ReadWriteOncePod") && modes.size() > 1) {
      checks.forbidden("spec.accessModes", "may not use ReadWriteOncePod with other access modes");
    }
  }

  static final class Claim implements Strategy {
    @Override
    public KubeObject prepareForCreate(KubeObject claim) {
      return claim.withStatus(JsonObject.of("phase", "Pending"));
    }

    @Override
    public List<Cause> validate(KubeObject claim) {
      Checks checks = new Checks();
      JsonObject spec = claim.spec();
      accessModes(spec, "at least 1 access mode is required", checks);
      if (spec.has("selector")) {
        checks.selector("spec.selector", spec.object("selector"));
      }
      JsonValue storage = spec.object("resources", "requests").get("storage").orElse(JsonNull.NULL);
      if (storage == JsonNull.NULL) {
        checks.required("spec.resources[storage]", "");
      } else if (Quantity.of(storage).value().signum() <= 0) {
        checks.invalid("spec.resources[storage]", storage, "must be greater than zero");
      }
      String storageClass = spec.text("storageClassName");
      if (!storageClass.isEmpty()) {
        checks.name("spec.storageClassName", storageClass, Names.subdomain(storageClass));
      }
      checks.oneOfOrNone("spec.volumeMode", spec.text("volumeMode"), "Block", "Filesystem");
      return checks.causes();
    }

    @Override
    public List<Cause> validateUpdate(KubeObject claim, KubeObject old) {
      Checks checks = new Checks();
      JsonObject spec = claim.spec();
      JsonObject before = old.spec();
      boolean bound = old.status().text("phase").equals("Bound");
      JsonObject rest = comparable(spec);
      JsonObject restBefore = comparable(before);
      if (before.text("volumeName").isEmpty()) {
        rest = rest.without("volumeName");
      }
      if (!before.has("storageClassName") || before.text("storageClassName").isEmpty()) {
        // A class may be given to a claim that has none yet.
        rest = rest.without("storageClassName");
        restBefore = restBefore.without("storageClassName");
      }
      Quantity asked = Quantity.of(size(spec));
      Quantity had = Quantity.of(size(before));
      boolean resized = asked.compareTo(had) != 0;
      if (!rest.equals(restBefore.without(before.text("volumeName").isEmpty() ? "volumeName" : ""))
          || resized && !bound) {
        checks.forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and"
                + " volumeAttributesClassName for bound claims");
      } else if (asked.compareTo(had) < 0) {
        checks.forbidden(
            "spec.resources.requests.storage", "field can not be less than status.capacity");
      }
      return checks.causes();
    }

    private static JsonValue size(JsonObject spec) {
      return spec.object("resources", "requests").get("storage").orElse(JsonNull.NULL);
    }

    private static JsonObject comparable(JsonObject spec) {
      return spec.without("resources").without("volumeAttributesClassName");
    }
  }

  static final class Volume implements Strategy {
    @Override
    public KubeObject prepareForCreate(KubeObject volume) {
      return volume.withStatus(JsonObject.of("phase", "Pending"));
    }

    @Override
    public List<Cause> validate(KubeObject volume) {
      Checks checks = new Checks();
      JsonObject spec = volume.spec();
      accessModes(spec, "", checks);
      JsonObject capacity = spec.object("capacity");
      if (capacity.isEmpty()) {
        checks.required("spec.capacity", "");
      } else if (!capacity.has("storage") || capacity.size() > 1) {
        checks.oneOf("spec.capacity", capacity.nameAt(0), "storage");
      } else if (Quantity.of(capacity.valueAt(0)).value().signum() <= 0) {
        checks.invalid("spec.capacity[storage]", capacity.valueAt(0), "must be greater than zero");
      }
      List<String> sources = sources(spec);
      if (sources.isEmpty()) {
        checks.required("spec", "must specify a volume type");
      }
      for (String source : sources.subList(Math.min(1, sources.size()), sources.size())) {
        checks.forbidden("spec." + source, "may not specify more than 1 volume type");
      }
      checks.oneOf(
          "spec.persistentVolumeReclaimPolicy",
          spec.text("persistentVolumeReclaimPolicy"),
          "Delete",
          "Recycle",
          "Retain");
      if (spec.has("local") && !spec.has("nodeAffinity")) {
        checks.required("spec.nodeAffinity", "Local volume requires node affinity");
      }
      if (spec.has("hostPath") && spec.text("hostPath", "path").isEmpty()) {
        checks.required("spec.hostPath.path", "");
      }
      String storageClass = spec.text("storageClassName");
      if (!storageClass.isEmpty()) {
        checks.name("spec.storageClassName", storageClass, Names.subdomain(storageClass));
      }
      checks.oneOfOrNone("spec.volumeMode", spec.text("volumeMode"), "Block", "Filesystem");
      return checks.causes();
    }

    private static List<String> sources(JsonObject spec) {
      return spec.names().stream().filter(name -> !VOLUME_FIELDS.contains(name)).toList();
    }

    @Override
    public List<Cause> validateUpdate(KubeObject volume, KubeObject old) {
      Checks checks = new Checks();
      JsonObject spec = volume.spec();
      JsonObject before = old.spec();
      JsonObject source = spec;
      JsonObject sourceBefore = before;
      for (String field : VOLUME_FIELDS) {
        source = source.without(field);
        sourceBefore = sourceBefore.without(field);
      }
      if (!source.equals(sourceBefore)) {
        checks.forbidden(
            "spec.persistentvolumesource",
            "spec.persistentvolumesource is immutable after creation");
      }
      checks.immutable("spec.", spec, before, "volumeMode");
      if (before.has("nodeAffinity")) {
        checks.immutable("spec.", spec, before, "nodeAffinity");
      }
      return checks.causes();
    }
  }

  static final class StorageClass implements Strategy {
    @Override
    public List<Cause> validate(KubeObject storageClass) {
      Checks checks = new Checks();
      JsonObject json = storageClass.json();
      String provisioner = json.text("provisioner");
      if (provisioner.isEmpty()) {
        checks.required("provisioner", "");
      } else {
        checks.name(
            "provisioner", provisioner, Names.qualified(provisioner.toLowerCase(Locale.ROOT)));
      }
      checks.oneOfOrNone("reclaimPolicy", json.text("reclaimPolicy"), "Delete", "Retain");
      checks.oneOf(
          "volumeBindingMode", json.text("volumeBindingMode"), "Immediate", "WaitForFirstConsumer");
      return checks.causes();
    }

    @Override
    public List<Cause> validateUpdate(KubeObject storageClass, KubeObject old) {
      Checks checks = new Checks();
      for (String field : List.of("parameters", "provisioner", "reclaimPolicy")) {
        if (!storageClass.json().get(field).equals(old.json().get(field))) {
          checks.forbidden(field, "updates to " + field + " are forbidden.");
        }
      }
      checks.immutable("", storageClass.json(), old.json(), "volumeBindingMode");
      return checks.causes();
    }
  }
}
