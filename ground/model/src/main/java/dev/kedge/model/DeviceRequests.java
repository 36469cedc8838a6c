package dev.kedge.model;

import java.util.Map;
import java.util.TreeMap;

/** What a ResourceClaim ({@code resource.k8s.io}) asks for, as quotas count it. Stateless. */
public final class DeviceRequests {
  /** What follows a device class in the names of quotas. */
  public static final String QUOTA_SUFFIX = ".deviceclass.resource.k8s.io/devices";

  /** Most devices that one claim is allocated, and so what a request for all of them counts. */
  private static final long MOST_DEVICES = 32;

  private DeviceRequests() {}

  /**
   * The devices of each class that a claim may be given: of alternatives in one request, most of
   * each class.
   *
   * @param claim the claim's {@code spec}
   */
  public static Map<String, Long> byClass(JsonObject claim) {
    Map<String, Long> devices = new TreeMap<>();
    for (JsonObject request : claim.objects("devices", "requests")) {
      if (request.has("exactly")) {
        JsonObject exactly = request.object("exactly");
        devices.merge(exactly.text("deviceClassName"), count(exactly), Long::sum);
      }
      Map<String, Long> alternatives = new TreeMap<>();
      for (JsonObject alternative : request.objects("firstAvailable")) {
        alternatives.merge(alternative.text("deviceClassName"), count(alternative), Long::max);
      }
      alternatives.forEach((name, count) -> devices.merge(name, count, Long::sum));
    }
    return devices;
  }

  private static long count(JsonObject request) {
    return switch (request.text("allocationMode")) {
      case "ExactCount" -> request.integer("count");
      case "All" -> MOST_DEVICES;
      default -> 0; // of a newer version
    };
  }
}
