package dev.kedge.apiserver;

import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.util.Comparator;
import java.util.Map;

/**
 * The order of groups and of the versions in them, which is that of discovery and of what kubectl
 * takes an ambiguous name for. The numbers are upstream's. Stateless.
 */
final class ApiGroups {
  /** Label of the APIServices that this server keeps; the value says how long. */
  static final String MANAGED = "kube-aggregator.kubernetes.io/automanaged";

  private static final GroupVersionKind KIND =
      new GroupVersionKind("apiregistration.k8s.io", "v1", "APIService");

  /** What custom resources have: behind everything built-in. */
  private static final Priority CUSTOM = new Priority(1000, 100);

  private static final Map<String, Integer> GROUPS =
      Map.ofEntries(
          // Upstream has no number for it; it always comes right after the core group.
          Map.entry("apiregistration.k8s.io", 17900),
          Map.entry("", 18000),
          Map.entry("apps", 17800),
          Map.entry("events.k8s.io", 17750),
          Map.entry("authentication.k8s.io", 17700),
          Map.entry("authorization.k8s.io", 17600),
          Map.entry("autoscaling", 17500),
          Map.entry("batch", 17400),
          Map.entry("certificates.k8s.io", 17300),
          Map.entry("networking.k8s.io", 17200),
          Map.entry("policy", 17100),
          Map.entry("rbac.authorization.k8s.io", 17000),
          Map.entry("storage.k8s.io", 16800),
          Map.entry("apiextensions.k8s.io", 16700),
          Map.entry("admissionregistration.k8s.io", 16700),
          Map.entry("scheduling.k8s.io", 16600),
          Map.entry("coordination.k8s.io", 16500),
          Map.entry("node.k8s.io", 16300),
          Map.entry("discovery.k8s.io", 16200),
          Map.entry("resource.k8s.io", 16200),
          Map.entry("flowcontrol.apiserver.k8s.io", 16100),
          Map.entry("storagemigration.k8s.io", 15800));

  private static final Map<String, Integer> VERSIONS =
      Map.of(
          "/v1", 1,
          "autoscaling/v2", 30,
          "resource.k8s.io/v1", 21,
          "flowcontrol.apiserver.k8s.io/v1", 21);

  private ApiGroups() {}

  /** Greater comes first. */
  record Priority(int group, int version) {}

  /** A group's version. */
  record GroupVersion(String group, String version) {
    /** The name that an APIService for it has. */
    String serviceName() {
      return version + "." + group;
    }

    String apiVersion() {
      return group.isEmpty() ? version : group + "/" + version;
    }

    /** Where it is served, such as {@code /apis/apps/v1}. */
    String path() {
      return group.isEmpty() ? "/api/" + version : "/apis/" + group + "/" + version;
    }
  }

  static Priority priority(GroupVersion version, boolean custom) {
    Integer group = GROUPS.get(version.group());
    if (custom || group == null) {
      return CUSTOM;
    }
    return new Priority(
        group, VERSIONS.getOrDefault(version.group() + "/" + version.version(), 15));
  }

  /** Versions as upstream sorts those of one priority: v2, v1, v2beta1, v1alpha3, others. */
  static final Comparator<String> VERSION_ORDER =
      Comparator.comparing(Version::of, Comparator.reverseOrder());

  private record Version(int stability, int major, int minor, String name)
      implements Comparable<Version> {
    private static final java.util.regex.Pattern FORM =
        java.util.regex.Pattern.compile("v(\\d{1,9})(?:(alpha|beta)(\\d{1,9}))?");

    static Version of(String name) {
      var form = FORM.matcher(name);
      if (!form.matches()) {
        return new Version(0, 0, 0, name);
      }
      String stage = form.group(2);
      return new Version(
          stage == null ? 3 : stage.equals("beta") ? 2 : 1,
          Integer.parseInt(form.group(1)),
          stage == null ? 0 : Integer.parseInt(form.group(3)),
          name);
    }

    @Override
    public int compareTo(Version other) {
      int order = Integer.compare(stability, other.stability);
      order = order != 0 ? order : Integer.compare(major, other.major);
      order = order != 0 ? order : Integer.compare(minor, other.minor);
      // Among strangers the alphabet decides, the first first.
      return order != 0 ? order : other.name.compareTo(name);
    }
  }

  /**
   * The APIService of a group and version that this server serves itself.
   *
   * @param custom whether custom resource definitions made it; else it is looked after at start
   *     only
   */
  static KubeObject local(GroupVersion version, boolean custom) {
    Priority priority = priority(version, custom);
    return KubeObject.of(KIND, "", version.serviceName())
        .withMetadata("labels", JsonObject.of(MANAGED, custom ? "true" : "onstart"))
        .with(
            "spec",
            JsonObject.builder()
                .putNonEmpty("group", version.group())
                .put("version", version.version())
                .put("groupPriorityMinimum", priority.group())
                .put("versionPriority", priority.version())
                .build());
  }
}
