package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.model.ApiException;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import java.util.List;
import java.util.Optional;

/**
 * Keeps in every namespace what pods need there: the account {@code default} and the ConfigMap
 * {@code kube-root-ca.crt}. Keys are namespaces.
 */
final class ServiceAccountController implements Reconciler {
  private static final String ROOT_CERTIFICATES = "kube-root-ca.crt";

  private final KubeClient client;
  private final String certificates;
  private final Informer namespaces;
  private final Informer accounts;
  private final Informer configMaps;

  private ServiceAccountController(ControllerContext context) {
    this.client = context.client();
    this.certificates = context.settings().rootCertificates();
    this.namespaces = context.informer(Resources.NAMESPACES);
    this.accounts = context.informer(Resources.SERVICE_ACCOUNTS);
    this.configMaps =
        context
            .informers()
            .of(Resources.CONFIG_MAPS, "", Selection.fields("metadata.name=" + ROOT_CERTIFICATES));
  }

  static Controller create(ControllerContext context) {
    ServiceAccountController reconciler = new ServiceAccountController(context);
    return Controller.builder("serviceaccount", context.timeline(), reconciler)
        .watches(reconciler.namespaces)
        .watches(reconciler.accounts, object -> namespaceIf(object, "default"))
        .watches(reconciler.configMaps, object -> List.of(new ObjectKey("", object.namespace())))
        .build();
  }

  private static List<ObjectKey> namespaceIf(KubeObject object, String name) {
    return object.name().equals(name) ? List.of(new ObjectKey("", object.namespace())) : List.of();
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    Optional<KubeObject> namespace = namespaces.get(key);
    if (namespace.isEmpty() || namespace.get().deleting()) {
      return Result.DONE;
    }
    try {
      Writes.createIfAbsent(
          client,
          Resources.SERVICE_ACCOUNTS,
          accounts,
          KubeObject.of(new GroupVersionKind("", "v1", "ServiceAccount"), key.name(), "default"));
      rootCertificates(key.name());
    } catch (ApiException e) {
      if (!e.isNamespaceGoing()) {
        throw e;
      }
    }
    return Result.DONE;
  }

  private void rootCertificates(String namespace) throws InterruptedException {
    JsonObject data = JsonObject.of("ca.crt", certificates);
    Optional<KubeObject> present = configMaps.get(namespace, ROOT_CERTIFICATES);
    if (present.isPresent()) {
      if (!present.get().json().object("data").equals(data)) {
        client.update(Resources.CONFIG_MAPS, present.get().with("data", data));
      }
      return;
    }
    Writes.createIfAbsent(
        client,
        Resources.CONFIG_MAPS,
        configMaps,
        KubeObject.of(new GroupVersionKind("", "v1", "ConfigMap"), namespace, ROOT_CERTIFICATES)
            .withMetadata(
                "annotations",
                JsonObject.of(
                    "kubernetes.io/description",
                    "Contains a CA bundle that can be used to verify the kube-apiserver when using"
                        + " internal endpoints such as the internal service IP or"
                        + " kubernetes.default.svc. No other usage is guaranteed across"
                        + " distributions of Kubernetes clusters."))
            .with("data", data));
  }
}
