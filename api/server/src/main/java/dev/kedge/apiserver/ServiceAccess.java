package dev.kedge.apiserver;

import java.net.URI;
import java.util.Optional;

/** Finds a place that answers for a Service, for the service proxy. */
@FunctionalInterface
public interface ServiceAccess {
  /** No Services. */
  ServiceAccess NONE = (_, _, _) -> Optional.empty();

  /**
   * A ready endpoint of a Service.
   *
   * @param port name or number of the Service's port; empty if it has one only
   * @return such as {@code http://10.42.0.7:8080}; the scheme is to be replaced
   */
  Optional<URI> endpoint(String namespace, String service, String port);
}
