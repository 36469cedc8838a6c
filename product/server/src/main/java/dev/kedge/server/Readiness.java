package dev.kedge.server;

import java.util.List;
import java.util.Optional;

/** Whether the server should be sent requests: from its first objects on until it is to stop. */
final class Readiness {
  /**
   * What upstream does step by step after its start and tells of one by one. Here all of it is done
   * before the first object is served, in one go, so that they come true together.
   */
  static final List<String> HOOKS =
      List.of(
          "poststarthook/start-apiserver-admission-initializer",
          "poststarthook/generic-apiserver-start-informers",
          "poststarthook/max-in-flight-filter",
          "poststarthook/storage-readiness",
          "poststarthook/start-apiextensions-informers",
          "poststarthook/start-apiextensions-controllers",
          "poststarthook/crd-informer-synced",
          "poststarthook/start-system-namespaces-controller",
          "poststarthook/start-service-ip-repair-controllers",
          "poststarthook/rbac/bootstrap-roles",
          "poststarthook/scheduling/bootstrap-system-priority-classes",
          "poststarthook/bootstrap-controller",
          "poststarthook/start-cluster-authentication-info-controller",
          "poststarthook/start-kube-aggregator-informers",
          "poststarthook/apiservice-registration-controller",
          "poststarthook/apiservice-status-local-available-controller",
          "poststarthook/apiservice-status-remote-available-controller",
          "poststarthook/kube-apiserver-autoregistration",
          "autoregister-completion",
          "poststarthook/apiservice-openapi-controller");

  private volatile boolean ready;
  private volatile boolean stopping;

  void ready() {
    ready = true;
  }

  /** The server is about to stop; balancers should look elsewhere before it does. */
  void stopping() {
    stopping = true;
  }

  Optional<String> bootstrap() {
    return ready ? Optional.empty() : Optional.of("the standard roles are being made");
  }

  Optional<String> shutdown() {
    return stopping ? Optional.of("process is shutting down") : Optional.empty();
  }
}
