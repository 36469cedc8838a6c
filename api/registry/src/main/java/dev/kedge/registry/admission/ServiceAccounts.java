package dev.kedge.registry.admission;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Names;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Gives each pod a service account and mounts its token. */
final class ServiceAccounts implements AdmissionPlugin {
  private static final String MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount";
  private static final String VOLUME_PREFIX = "kube-api-access-";
  // Upstream asks for an hour and seven seconds, by which it tells its own volumes from users'.
  private static final long EXPIRATION_SECONDS = 3607;
  private static final SecureRandom RANDOM = new SecureRandom();

  @Override
  public String name() {
    return "ServiceAccount";
  }

  @Override
  public KubeObject mutate(Review review, KubeObject pod) {
    if (!review.creating(Resources.PODS)) {
      return pod;
    }
    if (pod.annotation("kubernetes.io/config.mirror").isPresent()) {
      if (!pod.json().text("spec", "serviceAccountName").isEmpty()) {
        throw review.forbidden("a mirror pod may not reference service accounts");
      }
      return pod;
    }
    JsonObject spec = pod.spec();
    String named = spec.text("serviceAccountName");
    String name = named.isEmpty() ? "default" : named;
    KubeObject account =
        review
            .objects()
            .find(Resources.SERVICE_ACCOUNTS, review.namespace(), name)
            .orElseThrow(
                () ->
                    review.forbidden(
                        "error looking up service account "
                            + review.namespace()
                            + "/"
                            + name
                            + ": serviceaccount \""
                            + name
                            + "\" not found"));
    spec = spec.with("serviceAccountName", name).with("serviceAccount", name);
    if (spec.array("imagePullSecrets").isEmpty()
        && !account.json().array("imagePullSecrets").isEmpty()) {
      spec = spec.with("imagePullSecrets", account.json().array("imagePullSecrets"));
    }
    if (spec.flagOr(
        account.json().flagOr(true, "automountServiceAccountToken"),
        "automountServiceAccountToken")) {
      spec = mountToken(spec);
    }
    return pod.with("spec", spec);
  }

  private static JsonObject mountToken(JsonObject spec) {
    Optional<String> existing =
        spec.objects("volumes").stream()
            .map(volume -> volume.text("name"))
            .filter(name -> name.startsWith(VOLUME_PREFIX))
            .findFirst();
    String volume = existing.orElseGet(() -> VOLUME_PREFIX + Names.suffix(RANDOM));
    boolean mounted = false;
    for (String list : List.of("initContainers", "containers")) {
      List<JsonValue> containers = new ArrayList<>();
      for (JsonObject container : spec.objects(list)) {
        boolean own =
            container.objects("volumeMounts").stream()
                .anyMatch(mount -> mount.text("mountPath").equals(MOUNT_PATH));
        if (!own) {
          mounted = true;
          container =
              container.with(
                  "volumeMounts",
                  append(
                      container.array("volumeMounts"),
                      JsonObject.of("name", volume, "readOnly", true, "mountPath", MOUNT_PATH)));
        }
        containers.add(container);
      }
      if (!containers.isEmpty()) {
        spec = spec.with(list, new JsonArray(containers));
      }
    }
    return mounted && existing.isEmpty()
        ? spec.with("volumes", append(spec.array("volumes"), tokenVolume(volume)))
        : spec;
  }

  private static JsonObject tokenVolume(String name) {
    return JsonObject.of(
        "name",
        name,
        "projected",
        JsonObject.of(
            "sources",
            List.of(
                JsonObject.of(
                    "serviceAccountToken",
                    JsonObject.of("expirationSeconds", EXPIRATION_SECONDS, "path", "token")),
                JsonObject.of(
                    "configMap",
                    JsonObject.of(
                        "name",
                        "kube-root-ca.crt",
                        "items",
                        List.of(JsonObject.of("key", "ca.crt", "path", "ca.crt")))),
                JsonObject.of(
                    "downwardAPI",
                    JsonObject.of(
                        "items",
                        List.of(
                            JsonObject.of(
                                "path",
                                "namespace",
                                "fieldRef",
                                JsonObject.of(
                                    "apiVersion", "v1", "fieldPath", "metadata.namespace")))))),
            "defaultMode",
            0644));
  }

  private static JsonArray append(JsonArray array, JsonObject item) {
    List<JsonValue> items = new ArrayList<>(array.items());
    items.add(item);
    return new JsonArray(items);
  }
}
