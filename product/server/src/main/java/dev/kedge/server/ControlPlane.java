package dev.kedge.server;

import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.client.KubeClient;
import dev.kedge.identity.BootstrapRoles;
import dev.kedge.identity.RbacAuthorizer;
import dev.kedge.model.ApiException;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;

/** What every cluster has from its first moment on, made through the API like anything else. */
final class ControlPlane {
  private ControlPlane() {}

  /**
   * Makes the namespaces that every cluster has and the standard roles and bindings, where they are
   * missing: who is told that the server is ready may use them at once.
   */
  static void bootstrap(KubeClient client) throws InterruptedException {
    List<KubeObject> roles = BootstrapRoles.objects();
    createMissing(
        client,
        Stream.of("default", "kube-node-lease", "kube-public", "kube-system")
            .map(name -> KubeObject.of(new GroupVersionKind("", "v1", "Namespace"), "", name))
            .toList());
    createMissing(client, roles);
  }

  /**
   * Tells the servers of aggregated APIs whose certificates prove a user, and whose a front proxy,
   * where they look for it.
   */
  static void tellAuthorities(KubeClient client, String clients, String proxies) {
    JsonObject data =
        JsonObject.of(
            "client-ca-file",
            clients,
            "requestheader-allowed-names",
            "[\"" + ServingCertificates.PROXY + "\"]",
            "requestheader-client-ca-file",
            proxies,
            "requestheader-extra-headers-prefix",
            "[\"X-Remote-Extra-\"]",
            "requestheader-group-headers",
            "[\"X-Remote-Group\"]",
            "requestheader-username-headers",
            "[\"X-Remote-User\"]");
    KubeObject wanted =
        KubeObject.of(
                new GroupVersionKind("", "v1", "ConfigMap"),
                "kube-system",
                "extension-apiserver-authentication")
            .with("data", data);
    Optional<KubeObject> held =
        client.find(Resources.CONFIG_MAPS, wanted.namespace(), wanted.name());
    if (held.isEmpty()) {
      client.create(Resources.CONFIG_MAPS, wanted);
    } else if (!held.get().json().object("data").equals(data)) {
      client.update(Resources.CONFIG_MAPS, held.get().with("data", data));
    }
  }

  /** The Service that names the DNS server of this process, for those who look it up. */
  static void dnsService(KubeClient client, String address) {
    JsonObject spec =
        JsonObject.of(
            "clusterIP",
            address,
            "ports",
            JsonArray.of(
                JsonObject.of("name", "dns", "port", 53, "protocol", "UDP"),
                JsonObject.of("name", "dns-tcp", "port", 53, "protocol", "TCP")));
    KubeObject service =
        KubeObject.of(new GroupVersionKind("", "v1", "Service"), "kube-system", "kube-dns")
            .withMetadata(
                "labels", JsonObject.of("k8s-app", "kube-dns", "kubernetes.io/name", "KubeDNS"))
            .with("spec", spec);
    if (client.find(Resources.SERVICES, service.namespace(), service.name()).isEmpty()) {
      client.create(Resources.SERVICES, service);
    }
  }

  // Side by side, so that the datastore syncs them to disk together.
  private static void createMissing(KubeClient client, List<KubeObject> objects)
      throws InterruptedException {
    List<Future<?>> creations = new ArrayList<>();
    try (ExecutorService tasks = Executors.newVirtualThreadPerTaskExecutor()) {
      for (KubeObject object : objects) {
        creations.add(tasks.submit(() -> createMissing(client, object)));
      }
    }
    for (Future<?> creation : creations) {
      try {
        creation.get();
      } catch (ExecutionException e) {
        throw new IllegalStateException("the cluster's first objects cannot be made", e.getCause());
      }
    }
  }

  private static void createMissing(KubeClient client, KubeObject object) {
    ResourceType type = type(object.kind());
    if (client.find(type, object.namespace(), object.name()).isPresent()) {
      return;
    }
    try {
      client.create(type, object);
    } catch (ApiException e) {
      if (!e.isAlreadyExists()) {
        throw e;
      }
    }
  }

  private static ResourceType type(String kind) {
    return switch (kind) {
      case "Namespace" -> Resources.NAMESPACES;
      case "ClusterRole" -> Resources.CLUSTER_ROLES;
      case "ClusterRoleBinding" -> Resources.CLUSTER_ROLE_BINDINGS;
      case "Role" -> Resources.ROLES;
      case "RoleBinding" -> Resources.ROLE_BINDINGS;
      default -> throw new IllegalArgumentException("no bootstrap object of kind " + kind);
    };
  }

  /** Keeps the authoriser's index of roles and bindings current; returns when it is complete. */
  static void follow(RbacAuthorizer rbac, Informers informers) throws InterruptedException {
    List<Informer> all =
        Stream.of(
                Resources.ROLES,
                Resources.CLUSTER_ROLES,
                Resources.ROLE_BINDINGS,
                Resources.CLUSTER_ROLE_BINDINGS)
            .map(informers::of)
            .toList();
    all.forEach(informer -> informer.listen(rbac::changed));
    for (Informer informer : all) {
      informer.awaitSynced();
    }
  }
}
