package dev.kedge.node;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Controllers;
import dev.kedge.reconcile.Reconciler.Result;
import dev.kedge.reconcile.SystemTimeline;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Makes volumes of StorageClasses whose provisioner is {@code rancher.io/local-path} out of
 * directories of this node, once the scheduler has put a pod of the claim here, and deletes the
 * directories of volumes that are released. Every node runs one, for itself.
 */
public final class LocalPathProvisioner implements AutoCloseable {
  /** The provisioner's name, K3s's. */
  public static final String NAME = "rancher.io/local-path";

  private static final String SELECTED_NODE = "volume.kubernetes.io/selected-node";
  private static final String PROVISIONED_BY = "pv.kubernetes.io/provisioned-by";

  private final KubeClient client;
  private final NodeSettings settings;
  private final Events events;
  private final Informer claims;
  private final Informer volumes;
  private final Informer classes;
  private final Controllers controllers;

  /** A provisioner; {@link #start} begins its work. */
  public LocalPathProvisioner(KubeClient client, Informers informers, NodeSettings settings) {
    this.client = client;
    this.settings = settings;
    events =
        new Events(
            client, NAME + "_" + settings.nodeName(), settings.nodeName(), InstantSource.system());
    claims = informers.of(Resources.PERSISTENT_VOLUME_CLAIMS);
    volumes = informers.of(Resources.PERSISTENT_VOLUMES);
    classes = informers.of(Resources.STORAGE_CLASSES);
    SystemTimeline timeline = new SystemTimeline();
    controllers =
        new Controllers(
            List.of(
                Controller.builder("local-path-claims", timeline, this::provision)
                    .watches(claims)
                    .reads(volumes, classes)
                    .build(),
                Controller.builder("local-path-volumes", timeline, this::reclaim)
                    .watches(volumes)
                    .build()));
  }

  /** Begins; returns at once. */
  public void start() {
    controllers.start();
  }

  @Override
  public void close() {
    controllers.close();
    events.close();
  }

  private Result provision(ObjectKey key) {
    Optional<KubeObject> found = claims.get(key);
    if (found.isEmpty()
        || found.get().deleting()
        || !found.get().spec().text("volumeName").isEmpty()
        || !settings.nodeName().equals(found.get().annotation(SELECTED_NODE).orElse(""))) {
      return Result.DONE;
    }
    KubeObject claim = found.get();
    Optional<KubeObject> storageClass = classes.get("", claim.spec().text("storageClassName"));
    if (storageClass.isEmpty() || !storageClass.get().json().text("provisioner").equals(NAME)) {
      return Result.DONE;
    }
    String name = "pvc-" + claim.uid();
    if (volumes.get("", name).isPresent()) {
      return Result.DONE;
    }
    List<String> modes = claim.spec().strings("accessModes");
    if (!modes.stream().allMatch(m -> m.equals("ReadWriteOnce") || m.equals("ReadWriteOncePod"))
        || claim.spec().text("volumeMode").equals("Block")) {
      events.warning(
          claim,
          "ProvisioningFailed",
          "failed to provision volume with StorageClass \""
              + storageClass.get().name()
              + "\": local-path volumes are directories of one node: only access modes"
              + " ReadWriteOnce and ReadWriteOncePod and volume mode Filesystem are supported");
      return Result.DONE;
    }
    if (claim.spec().has("dataSource") || claim.spec().has("dataSourceRef")) {
      events.warning(
          claim,
          "ProvisioningFailed",
          "failed to provision volume with StorageClass \""
              + storageClass.get().name()
              + "\": local-path volumes begin empty: dataSource and dataSourceRef are not"
              + " supported");
      return Result.DONE;
    }
    events.normal(
        claim,
        "Provisioning",
        "External provisioner is provisioning volume for claim \"" + key + "\"");
    Path directory =
        settings.localStorage().resolve(name + "_" + claim.namespace() + "_" + claim.name());
    try {
      Files.createDirectories(directory);
      // Whoever the pod runs as must be able to write: there is no owner to know yet.
      Files.setPosixFilePermissions(directory, Volumes.permissions(0777));
    } catch (IOException e) {
      events.warning(claim, "ProvisioningFailed", "failed to provision volume: " + e.getMessage());
      throw new UncheckedIOException(e);
    }
    String policy = storageClass.get().json().text("reclaimPolicy");
    try {
      client.create(
          Resources.PERSISTENT_VOLUMES,
          new KubeObject(
              JsonObject.of(
                  "apiVersion",
                  "v1",
                  "kind",
                  "PersistentVolume",
                  "metadata",
                  JsonObject.of("name", name, "annotations", Map.of(PROVISIONED_BY, NAME)),
                  "spec",
                  spec(claim, directory, policy.isEmpty() ? "Delete" : policy))));
    } catch (ApiException e) {
      if (!e.isAlreadyExists()) {
        throw e;
      }
    }
    events.normal(claim, "ProvisioningSucceeded", "Successfully provisioned volume " + name);
    return Result.DONE;
  }

  private JsonObject spec(KubeObject claim, Path directory, String policy) {
    return JsonObject.builder()
        .put(
            "capacity",
            Map.of("storage", claim.json().text("spec", "resources", "requests", "storage")))
        .put("accessModes", claim.spec().array("accessModes"))
        .put("persistentVolumeReclaimPolicy", policy)
        .put("storageClassName", claim.spec().text("storageClassName"))
        .put("volumeMode", "Filesystem")
        .put(
            "claimRef",
            JsonObject.of(
                "kind",
                "PersistentVolumeClaim",
                "apiVersion",
                "v1",
                "namespace",
                claim.namespace(),
                "name",
                claim.name(),
                "uid",
                claim.uid(),
                "resourceVersion",
                claim.resourceVersion()))
        .put("hostPath", JsonObject.of("path", directory.toString(), "type", "DirectoryOrCreate"))
        .put(
            "nodeAffinity",
            JsonObject.of(
                "required",
                JsonObject.of(
                    "nodeSelectorTerms",
                    List.of(
                        JsonObject.of(
                            "matchExpressions",
                            List.of(
                                JsonObject.of(
                                    "key",
                                    "kubernetes.io/hostname",
                                    "operator",
                                    "In",
                                    "values",
                                    List.of(settings.nodeName()))))))))
        .build();
  }

  private Result reclaim(ObjectKey key) {
    Optional<KubeObject> found = volumes.get(key);
    if (found.isEmpty()) {
      return Result.DONE;
    }
    KubeObject volume = found.get();
    boolean ours =
        NAME.equals(volume.annotation(PROVISIONED_BY).orElse(""))
            && volume
                .spec()
                .object("nodeAffinity")
                .toString()
                .contains("\"" + settings.nodeName() + "\"");
    if (!ours
        || !volume.status().text("phase").equals("Released")
        || !volume.spec().text("persistentVolumeReclaimPolicy").equals("Delete")) {
      return Result.DONE;
    }
    Path directory = Path.of(volume.spec().text("hostPath", "path")).normalize();
    if (!directory.startsWith(settings.localStorage())
        || directory.equals(settings.localStorage())) {
      events.warning(
          volume,
          "VolumeFailedDelete",
          directory + " is not below " + settings.localStorage() + "; remove it by hand");
      return Result.DONE;
    }
    try {
      Mounts.deleteTree(directory);
    } catch (IOException e) {
      events.warning(volume, "VolumeFailedDelete", "" + e.getMessage());
      throw new UncheckedIOException(e);
    }
    try {
      client.delete(
          Resources.PERSISTENT_VOLUMES,
          "",
          volume.name(),
          DeleteOptions.DEFAULT.withUid(volume.uid()));
    } catch (ApiException e) {
      if (!e.isNotFound()) {
        throw e;
      }
    }
    System.getLogger("dev.kedge.node").log(Level.DEBUG, "deleted volume {0}", volume.name());
    return Result.DONE;
  }
}
