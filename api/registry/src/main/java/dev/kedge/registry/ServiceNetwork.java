package dev.kedge.registry;

import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Status.Cause;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;

/**
 * Gives Services their cluster address and node ports, and takes them back. What is in use is
 * rebuilt from the stored Services: at start, and where other servers write Services too, before
 * each decision. IPv4, one family. Any thread.
 */
final class ServiceNetwork implements WriteHook {
  private static final int FIRST_PORT = 30000;
  private static final int LAST_PORT = 32767;

  private final AddressRange range;
  private final boolean shared;
  private final Supplier<List<KubeObject>> stored;
  private final Supplier<List<KubeObject>> cidrs;

  // Taken by writes of this server that are under way, so that no stored Service tells of them.
  private final Set<Long> pendingAddresses = new HashSet<>();
  private final Set<Integer> pendingPorts = new HashSet<>();
  private final Set<Long> addresses = new HashSet<>();
  private final Set<Integer> ports = new HashSet<>();
  private final RandomGenerator random = RandomGenerator.getDefault();

  /**
   * Begins with everything free.
   *
   * @param shared whether other servers write Services too
   * @param stored all Services there are now
   * @param cidrs all ServiceCIDRs there are now: ranges that users add
   */
  ServiceNetwork(
      AddressRange range,
      boolean shared,
      Supplier<List<KubeObject>> stored,
      Supplier<List<KubeObject>> cidrs) {
    this.range = range;
    this.shared = shared;
    this.stored = stored;
    this.cidrs = cidrs;
  }

  /** The range of the server's own, then those of ServiceCIDRs that are ready and stay. */
  private List<AddressRange> ranges() {
    List<AddressRange> all = new ArrayList<>(List.of(range));
    for (KubeObject cidr : cidrs.get()) {
      boolean ready =
          cidr.status().objects("conditions").stream()
              .anyMatch(
                  condition ->
                      condition.text("type").equals("Ready")
                          && condition.text("status").equals("True"));
      if (ready && !cidr.deleting()) {
        for (String text : cidr.spec().strings("cidrs")) {
          AddressRange.find(text).filter(found -> !all.contains(found)).ifPresent(all::add);
        }
      }
    }
    return all;
  }

  /** Takes over what stored Services use. */
  synchronized void restore() {
    addresses.clear();
    ports.clear();
    addresses.addAll(pendingAddresses);
    ports.addAll(pendingPorts);
    for (KubeObject service : stored.get()) {
      for (String address : service.spec().strings("clusterIPs")) {
        AddressRange.address(address).ifPresent(addresses::add);
      }
      ports.addAll(ports(service));
    }
  }

  @Override
  public KubeObject beforeCreate(
      StoredKind kind, KubeObject service, boolean dryRun, Rollback rollback) {
    if (!isService(kind)) {
      return service;
    }
    if (shared) {
      restore();
    }
    return assign(service, Writes.NONE, rollback);
  }

  @Override
  public KubeObject beforeUpdate(
      StoredKind kind, KubeObject service, KubeObject old, Aspect aspect, Rollback rollback) {
    if (!isService(kind) || aspect != Aspect.MAIN) {
      return service;
    }
    if (shared) {
      restore();
    }
    return assign(patched(service, old), old, rollback);
  }

  @Override
  public void committed(StoredKind kind, Optional<KubeObject> before, Optional<KubeObject> after) {
    if (!isService(kind)) {
      return;
    }
    after.ifPresent(this::settled);
    if (before.isEmpty()) {
      return;
    }
    Set<String> oldAddresses = Set.copyOf(before.get().spec().strings("clusterIPs"));
    List<String> newAddresses =
        after.map(service -> service.spec().strings("clusterIPs")).orElse(List.of());
    Set<Integer> newPorts = after.map(ServiceNetwork::ports).orElse(Set.of());
    synchronized (this) {
      for (String address : oldAddresses) {
        if (!newAddresses.contains(address)) {
          AddressRange.address(address).ifPresent(addresses::remove);
        }
      }
      for (int port : ports(before.get())) {
        if (!newPorts.contains(port)) {
          ports.remove(port);
        }
      }
    }
  }

  private synchronized void settled(KubeObject service) {
    for (String address : service.spec().strings("clusterIPs")) {
      AddressRange.address(address).ifPresent(pendingAddresses::remove);
    }
    pendingPorts.removeAll(ports(service));
  }

  private boolean takeFree(long address) {
    return addresses.add(address) && pendingAddresses.add(address);
  }

  private boolean takeFreePort(int port) {
    return ports.add(port) && pendingPorts.add(port);
  }

  private static boolean isService(StoredKind kind) {
    return kind.type().groupResource().equals("services");
  }

  /**
   * What an update that leaves assigned fields out means: keep them where the type still has them.
   */
  private static KubeObject patched(KubeObject service, KubeObject old) {
    JsonObject spec = service.spec();
    JsonObject before = old.spec();
    boolean hadAddress = !external(before) && !before.text("clusterIP").isEmpty();
    if (hadAddress && !external(spec)) {
      if (spec.text("clusterIP").isEmpty() && spec.array("clusterIPs").isEmpty()) {
        spec = spec.with("clusterIP", before.text("clusterIP"));
        spec = spec.with("clusterIPs", before.array("clusterIPs"));
      }
      for (String field : List.of("ipFamilies", "ipFamilyPolicy")) {
        if (!spec.has(field) && before.has(field)) {
          spec = spec.with(field, before.get(field).orElseThrow());
        }
      }
    }
    if (wantsNodePorts(before) && wantsNodePorts(spec)) {
      List<JsonValue> ports = new ArrayList<>();
      Set<Long> used = new HashSet<>();
      spec.objects("ports").forEach(port -> used.add(port.integer("nodePort")));
      for (JsonObject port : spec.objects("ports")) {
        if (port.integer("nodePort") == 0) {
          for (JsonObject known : before.objects("ports")) {
            if (known.integer("port") == port.integer("port")
                && known.text("protocol").equals(port.text("protocol"))
                && known.integer("nodePort") > 0
                && used.add(known.integer("nodePort"))) {
              port = port.with("nodePort", known.integer("nodePort"));
              break;
            }
          }
        }
        ports.add(port);
      }
      spec = spec.with("ports", new JsonArray(ports));
    }
    if (needsHealthCheck(before)
        && needsHealthCheck(spec)
        && spec.integer("healthCheckNodePort") == 0
        && before.integer("healthCheckNodePort") > 0) {
      spec = spec.with("healthCheckNodePort", before.integer("healthCheckNodePort"));
    }
    return service.with("spec", spec);
  }

  private KubeObject assign(KubeObject service, KubeObject old, Rollback rollback) {
    JsonObject spec = service.spec();
    List<Cause> causes = new ArrayList<>();
    if (external(spec)) {
      boolean kept = !spec.text("clusterIP").isEmpty() && !spec.text("clusterIP").equals("None");
      if (kept && spec.text("clusterIP").equals(old.spec().text("clusterIP"))) {
        spec = spec.without("clusterIP").without("clusterIPs");
      }
      for (String field : List.of("ipFamilies", "ipFamilyPolicy")) {
        if (old.spec().has(field)) {
          spec = spec.without(field);
        }
      }
      spec = withoutNodePorts(spec, old.spec());
      return service.with("spec", spec);
    }
    spec = families(spec, causes);
    spec = address(service, spec, old, causes, rollback);
    spec =
        wantsNodePorts(spec)
            ? nodePorts(spec, old, causes, rollback)
            : withoutNodePorts(spec, old.spec());
    if (needsHealthCheck(spec)) {
      spec = healthCheck(spec, old, causes, rollback);
    } else if (spec.integer("healthCheckNodePort") > 0
        && spec.integer("healthCheckNodePort") == old.spec().integer("healthCheckNodePort")) {
      spec = spec.without("healthCheckNodePort");
    }
    if (!causes.isEmpty()) {
      throw ApiException.invalid("", "Service", service.name(), causes);
    }
    return service.with("spec", spec);
  }

  private static JsonObject families(JsonObject spec, List<Cause> causes) {
    List<String> families = spec.strings("ipFamilies");
    for (int i = 0; i < families.size(); i++) {
      if (!families.get(i).equals("IPv4")) {
        causes.add(
            invalid(
                "spec.ipFamilies[" + i + "]",
                new JsonString(families.get(i)),
                "not configured on this cluster"));
      }
    }
    String policy = spec.text("ipFamilyPolicy");
    if (policy.equals("RequireDualStack")) {
      causes.add(
          invalid(
              "spec.ipFamilyPolicy",
              new JsonString(policy),
              "this cluster is not configured for dual-stack services"));
    }
    if (families.isEmpty()) {
      spec = spec.with("ipFamilies", List.of("IPv4"));
    }
    return policy.isEmpty() ? spec.with("ipFamilyPolicy", "SingleStack") : spec;
  }

  private JsonObject address(
      KubeObject service, JsonObject spec, KubeObject old, List<Cause> causes, Rollback rollback) {
    String asked = spec.text("clusterIP");
    List<String> list = spec.strings("clusterIPs");
    if (asked.isEmpty() && !list.isEmpty()) {
      asked = list.getFirst();
    }
    if (!list.isEmpty() && !list.getFirst().equals(asked)) {
      causes.add(
          invalid(
              "spec.clusterIPs", spec.array("clusterIPs"), "first value must match `clusterIP`"));
      return spec;
    }
    if (asked.equals("None")) {
      return spec.with("clusterIP", "None").with("clusterIPs", List.of("None"));
    }
    String before = external(old.spec()) ? "" : old.spec().text("clusterIP");
    if (!before.isEmpty() && !before.equals(asked) && !asked.isEmpty()) {
      causes.add(invalid("spec.clusterIPs[0]", new JsonString(asked), "may not change once set"));
      return spec;
    }
    if (!asked.isEmpty() && asked.equals(before)) {
      return spec.with("clusterIPs", List.of(asked));
    }
    if (asked.isEmpty()) {
      Optional<Long> free = take(service);
      if (free.isEmpty()) {
        throw ApiException.internal("failed to allocate a serviceIP: range is full");
      }
      rollback.add(() -> release(free.get()));
      asked = AddressRange.text(free.get());
    } else {
      Optional<Long> number = AddressRange.address(asked);
      if (number.isEmpty()) {
        causes.add(
            invalid(
                "spec.clusterIPs[0]",
                new JsonString(asked),
                "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
        return spec;
      }
      String why = "";
      List<AddressRange> ranges = ranges();
      if (ranges.stream().noneMatch(one -> one.contains(number.get()))) {
        why =
            "the provided IP ("
                + asked
                + ") is not in the valid range. The range of valid IPs is "
                + String.join(",", ranges.stream().map(AddressRange::toString).toList());
      } else if (!take(service, number.get())) {
        why = "provided IP is already allocated";
      }
      if (!why.isEmpty()) {
        causes.add(
            invalid(
                "spec.clusterIPs",
                JsonArray.of(asked),
                "failed to allocate IP " + asked + ": " + why));
        return spec;
      }
      rollback.add(() -> release(number.get()));
    }
    return spec.with("clusterIP", asked).with("clusterIPs", List.of(asked));
  }

  private JsonObject nodePorts(
      JsonObject spec, KubeObject old, List<Cause> causes, Rollback rollback) {
    Set<Integer> own = ports(old);
    Set<String> seen = new HashSet<>();
    Set<Integer> mine = new HashSet<>(own);
    List<JsonValue> ports = new ArrayList<>();
    List<JsonObject> asked = spec.objects("ports");
    boolean allocate =
        !spec.text("type").equals("LoadBalancer")
            || spec.flagOr(true, "allocateLoadBalancerNodePorts");
    for (int i = 0; i < asked.size(); i++) {
      JsonObject port = asked.get(i);
      int number = (int) port.integer("nodePort");
      String field = "spec.ports[" + i + "].nodePort";
      if (number == 0) {
        if (allocate) {
          int free = takePort(asked, mine);
          if (free == 0) {
            throw ApiException.internal("failed to allocate a nodePort: range is full");
          }
          mine.add(free);
          rollback.add(() -> releasePort(free));
          port = port.with("nodePort", free);
        }
      } else if (!seen.add(number + "/" + port.text("protocol"))) {
        causes.add(new Cause("FieldValueDuplicate", "Duplicate value: " + number, field));
      } else if (!mine.contains(number)) {
        if (number < FIRST_PORT || number > LAST_PORT) {
          causes.add(
              new Cause(
                  "FieldValueInvalid",
                  "Invalid value: "
                      + number
                      + ": provided port is not in the valid range. The range of valid ports is "
                      + FIRST_PORT
                      + "-"
                      + LAST_PORT,
                  field));
        } else if (!takePort(number)) {
          causes.add(
              new Cause(
                  "FieldValueInvalid",
                  "Invalid value: " + number + ": provided port is already allocated",
                  field));
        } else {
          mine.add(number);
          rollback.add(() -> releasePort(number));
        }
      }
      ports.add(port);
    }
    return ports.isEmpty() ? spec : spec.with("ports", new JsonArray(ports));
  }

  private JsonObject healthCheck(
      JsonObject spec, KubeObject old, List<Cause> causes, Rollback rollback) {
    int asked = (int) spec.integer("healthCheckNodePort");
    if (asked != 0 && ports(old).contains(asked)) {
      return spec;
    }
    if (asked != 0) {
      if (asked < FIRST_PORT || asked > LAST_PORT || !takePort(asked)) {
        causes.add(
            new Cause(
                "FieldValueInvalid",
                "Invalid value: "
                    + asked
                    + ": failed to allocate requested HealthCheck NodePort "
                    + asked
                    + ": provided port is already allocated",
                "spec.healthCheckNodePort"));
        return spec;
      }
      rollback.add(() -> releasePort(asked));
      return spec;
    }
    int free = takePort(spec.objects("ports"), Set.of());
    if (free == 0) {
      throw ApiException.internal("failed to allocate a HealthCheck NodePort: range is full");
    }
    rollback.add(() -> releasePort(free));
    return spec.with("healthCheckNodePort", free);
  }

  /** Without node ports that were assigned while the type still had them. */
  private static JsonObject withoutNodePorts(JsonObject spec, JsonObject before) {
    if (spec.objects("ports").stream().noneMatch(port -> port.has("nodePort"))) {
      return spec;
    }
    Set<Long> assigned = new HashSet<>();
    before.objects("ports").forEach(port -> assigned.add(port.integer("nodePort")));
    List<JsonValue> ports = new ArrayList<>();
    for (JsonObject port : spec.objects("ports")) {
      ports.add(assigned.contains(port.integer("nodePort")) ? port.without("nodePort") : port);
    }
    return spec.with("ports", new JsonArray(ports));
  }

  private static boolean external(JsonObject spec) {
    return spec.text("type").equals("ExternalName");
  }

  private static boolean wantsNodePorts(JsonObject spec) {
    return spec.text("type").equals("NodePort") || spec.text("type").equals("LoadBalancer");
  }

  private static boolean needsHealthCheck(JsonObject spec) {
    return spec.text("type").equals("LoadBalancer")
        && spec.text("externalTrafficPolicy").equals("Local");
  }

  private static Set<Integer> ports(KubeObject service) {
    Set<Integer> numbers = new HashSet<>();
    for (JsonObject port : service.spec().objects("ports")) {
      if (port.integer("nodePort") > 0) {
        numbers.add((int) port.integer("nodePort"));
      }
    }
    if (service.spec().integer("healthCheckNodePort") > 0) {
      numbers.add((int) service.spec().integer("healthCheckNodePort"));
    }
    return numbers;
  }

  private static Cause invalid(String field, JsonValue value, String why) {
    return new Cause(
        "FieldValueInvalid", "Invalid value: " + Json.write(value) + ": " + why, field);
  }

  // The first address is the API server's own; only its Service may ask for it.
  private boolean reserved(KubeObject service, long address) {
    return address == range.usable(1)
        && !(service.name().equals("kubernetes") && service.namespace().equals("default"));
  }

  private synchronized boolean take(KubeObject service, long address) {
    return !reserved(service, address) && takeFree(address);
  }

  private synchronized Optional<Long> take(KubeObject service) {
    // The kubernetes Service has the first address by definition.
    if (service.name().equals("kubernetes")
        && service.namespace().equals("default")
        && takeFree(range.usable(1))) {
      return Optional.of(range.usable(1));
    }
    for (AddressRange one : ranges()) {
      Optional<Long> free = take(one);
      if (free.isPresent()) {
        return free;
      }
    }
    return Optional.empty();
  }

  private Optional<Long> take(AddressRange one) {
    // Static addresses are asked for at the low end, so random ones come from behind it as
    // upstream.
    long reservedLow = Math.min(Math.max(16, one.usable() / 16), Math.min(256, one.usable()));
    for (boolean low : new boolean[] {false, true}) {
      // The first address of the server's own range is the API's.
      long first = one.equals(range) ? 2 : 1;
      long from = low ? first : reservedLow + 1;
      long to = low ? reservedLow : one.usable();
      if (from > to) {
        continue;
      }
      long offset = random.nextLong(to - from + 1);
      for (long i = 0; i <= to - from; i++) {
        long address = one.usable(from + (offset + i) % (to - from + 1));
        if (takeFree(address)) {
          return Optional.of(address);
        }
      }
    }
    return Optional.empty();
  }

  private synchronized void release(long address) {
    addresses.remove(address);
    pendingAddresses.remove(address);
  }

  private synchronized boolean takePort(int port) {
    return takeFreePort(port);
  }

  /** A free port that the Service does not ask for elsewhere; 0 if there is none. */
  private synchronized int takePort(List<JsonObject> asked, Set<Integer> own) {
    Set<Integer> named = new HashSet<>(own);
    asked.forEach(port -> named.add((int) port.integer("nodePort")));
    int count = LAST_PORT - FIRST_PORT + 1;
    int offset = random.nextInt(count);
    for (int i = 0; i < count; i++) {
      int port = FIRST_PORT + (offset + i) % count;
      if (!named.contains(port) && takeFreePort(port)) {
        return port;
      }
    }
    return 0;
  }

  private synchronized void releasePort(int port) {
    ports.remove(port);
    pendingPorts.remove(port);
  }
}
