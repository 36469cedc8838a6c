package dev.kedge.model;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Which objects a ResourceQuota with scopes is about. Stateless. */
public final class QuotaScopes {
  private QuotaScopes() {}

  /**
   * Whether an object is within all scopes of a quota, as every object is where there are none.
   *
   * @param quota the quota's {@code spec}
   * @param groupResource of the object, such as {@code pods}; scopes are about pods and {@code
   *     persistentvolumeclaims}, so that others are within none
   */
  public static boolean cover(JsonObject quota, String groupResource, KubeObject object) {
    for (String scope : quota.strings("scopes")) {
      if (!matches(groupResource, object, scope, "Exists", List.of())) {
        return false;
      }
    }
    for (JsonObject term : quota.objects("scopeSelector", "matchExpressions")) {
      if (!matches(
          groupResource,
          object,
          term.text("scopeName"),
          term.text("operator"),
          term.strings("values"))) {
        return false;
      }
    }
    return true;
  }

  private static boolean matches(
      String groupResource, KubeObject object, String scope, String operator, List<String> values) {
    return switch (groupResource) {
      case "pods" -> ofPod(object, scope, operator, values);
      case "persistentvolumeclaims" ->
          scope.equals("VolumeAttributesClass")
              && selects(operator, values, volumeAttributesClasses(object));
      default -> false;
    };
  }

  private static boolean ofPod(KubeObject pod, String scope, String operator, List<String> values) {
    boolean terminating = pod.spec().has("activeDeadlineSeconds");
    boolean bestEffort = pod.status().text("qosClass").equals("BestEffort");
    String priorityClass = pod.spec().text("priorityClassName");
    return switch (scope) {
      case "Terminating" -> terminating;
      case "NotTerminating" -> !terminating;
      case "BestEffort" -> bestEffort;
      case "NotBestEffort" -> !bestEffort;
      case "PriorityClass" ->
          selects(operator, values, priorityClass.isEmpty() ? Set.of() : Set.of(priorityClass));
      case "CrossNamespacePodAffinity" -> looksElsewhere(pod);
      default -> false;
    };
  }

  /** Whether one of the names is selected; of no name, whether its absence is. */
  private static boolean selects(String operator, List<String> values, Set<String> names) {
    return switch (operator) {
      case "In" -> names.stream().anyMatch(values::contains);
      case "NotIn" -> names.isEmpty() || names.stream().anyMatch(name -> !values.contains(name));
      case "DoesNotExist" -> names.isEmpty();
      default -> !names.isEmpty();
    };
  }

  /** The classes that a claim of a volume asks for, has, and is being given. */
  public static Set<String> volumeAttributesClasses(KubeObject claim) {
    Set<String> names = new HashSet<>();
    names.add(claim.spec().text("volumeAttributesClassName"));
    names.add(claim.status().text("currentVolumeAttributesClassName"));
    names.add(claim.status().text("modifyVolumeStatus", "targetVolumeAttributesClassName"));
    names.remove("");
    return names;
  }

  /** Whether an affinity of the pod is about pods of other namespaces. */
  private static boolean looksElsewhere(KubeObject pod) {
    for (String affinity : List.of("podAffinity", "podAntiAffinity")) {
      JsonObject terms = pod.spec().object("affinity", affinity);
      List<JsonObject> all =
          new ArrayList<>(terms.objects("requiredDuringSchedulingIgnoredDuringExecution"));
      terms
          .objects("preferredDuringSchedulingIgnoredDuringExecution")
          .forEach(weighted -> all.add(weighted.object("podAffinityTerm")));
      if (all.stream()
          .anyMatch(term -> !term.array("namespaces").isEmpty() || term.has("namespaceSelector"))) {
        return true;
      }
    }
    return false;
  }
}
