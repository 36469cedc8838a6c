package dev.kedge.registry;

import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;

/**
 * What the cluster's operator decides.
 *
 * @param serviceRange addresses of Services ({@code --service-cidr}); the first one is the API
 *     server's
 * @param components parts whose health {@code componentstatuses} tells, by name
 * @param computed resources that are served beside the stored ones
 * @param shared whether other servers write to the same store
 */
public record Settings(
    AddressRange serviceRange,
    Map<String, BooleanSupplier> components,
    List<ComputedResource> computed,
    boolean shared) {
  public Settings {
    components = Map.copyOf(components);
    computed = List.copyOf(computed);
  }

  /** Settings with a service range such as {@code 10.43.0.0/16} and nothing else. */
  public static Settings of(String serviceCidr) {
    return new Settings(AddressRange.parse(serviceCidr), Map.of(), List.of(), false);
  }

  /** The same, with these resources computed. */
  public Settings with(List<ComputedResource> computed) {
    return new Settings(serviceRange, components, computed, shared);
  }

  /** The same, for one of several servers on one store, or not. */
  public Settings shared(boolean shared) {
    return new Settings(serviceRange, components, computed, shared);
  }
}
