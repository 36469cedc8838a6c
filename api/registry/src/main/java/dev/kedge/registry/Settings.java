package dev.kedge.registry;

import java.util.Map;
import java.util.function.BooleanSupplier;

/**
 * What the cluster's operator decides.
 *
 * @param serviceRange addresses of Services ({@code --service-cidr}); the first one is the API
 *     server's
 * @param components parts whose health {@code componentstatuses} tells, by name
 */
public record Settings(AddressRange serviceRange, Map<String, BooleanSupplier> components) {
  public Settings {
    components = Map.copyOf(components);
  }

  /** Settings with a service range such as {@code 10.43.0.0/16} and no components. */
  public static Settings of(String serviceCidr) {
    return new Settings(AddressRange.parse(serviceCidr), Map.of());
  }
}
