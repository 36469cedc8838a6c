package dev.kedge.server;

import java.util.Optional;

/** Whether the server should be sent requests: from its first objects on until it is to stop. */
final class Readiness {
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
