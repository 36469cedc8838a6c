package dev.kedge.server;

import java.util.Optional;

/** Whether the server has what every cluster has from its first moment on. */
final class Readiness {
  private volatile boolean ready;

  void ready() {
    ready = true;
  }

  Optional<String> fault() {
    return ready ? Optional.empty() : Optional.of("the standard roles are being made");
  }
}
