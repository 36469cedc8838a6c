package dev.kedge.controllers;

import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The arithmetic of Deployments and their ReplicaSets; no reads, no writes. */
final class DeploymentSets {
  static final String REVISION = "deployment.kubernetes.io/revision";
  private static final String DESIRED = "deployment.kubernetes.io/desired-replicas";
  private static final String MAXIMUM = "deployment.kubernetes.io/max-replicas";
  private static final String HISTORY = "deployment.kubernetes.io/revision-history";

  /** Annotations of a Deployment that its sets do not take over. */
  private static final Set<String> OWN =
      Set.of(
          "kubectl.kubernetes.io/last-applied-configuration",
          REVISION,
          HISTORY,
          DESIRED,
          MAXIMUM,
          "deprecated.deployment.rollback.to");

  private DeploymentSets() {}

  /** How many pods there may be too many, and too few. */
  record Bounds(long surge, long unavailable) {}

  static Bounds bounds(KubeObject deployment) {
    long wanted = deployment.spec().integerOr(1, "replicas");
    JsonObject strategy = deployment.spec().object("strategy");
    if (strategy.text("type").equals("Recreate")) {
      return new Bounds(0, 0);
    }
    JsonObject rolling = strategy.object("rollingUpdate");
    long surge = share(rolling, "maxSurge", wanted, true);
    long unavailable = share(rolling, "maxUnavailable", wanted, false);
    if (surge == 0 && unavailable == 0) {
      unavailable = 1; // percentages of few pods must not stop the roll-out
    }
    return new Bounds(surge, Math.min(unavailable, wanted));
  }

  /** An integer, or a percentage of a total; 25 % where the field is absent. */
  static long share(JsonObject holder, String field, long total, boolean up) {
    return share(holder.get(field).orElse(new JsonString("25%")), total, up);
  }

  static long share(JsonValue value, long total, boolean up) {
    return switch (value) {
      case JsonInteger number -> number.value();
      case JsonString text when text.value().endsWith("%") -> {
        double exact =
            Double.parseDouble(text.value().substring(0, text.value().length() - 1)) * total / 100;
        yield (long) (up ? Math.ceil(exact) : Math.floor(exact));
      }
      case JsonString text -> Long.parseLong(text.value());
      default -> 0;
    };
  }

  static long replicas(KubeObject set) {
    return set.spec().integerOr(1, "replicas");
  }

  static long available(KubeObject set) {
    return set.status().integer("availableReplicas");
  }

  static long revision(KubeObject set) {
    String text = revisionText(set);
    try {
      return text.isEmpty() ? 0 : Long.parseLong(text);
    } catch (NumberFormatException _) {
      return 0; // somebody wrote nonsense there; the next roll-out numbers anew
    }
  }

  static String revisionText(KubeObject set) {
    return set.annotation(REVISION).orElse("");
  }

  /** The set made from the present template, the oldest if by accident there are several. */
  static Optional<KubeObject> current(KubeObject deployment, List<KubeObject> sets) {
    JsonObject template = deployment.spec().object("template");
    return sets.stream()
        .filter(set -> Template.same(set.spec().object("template"), template))
        .findFirst();
  }

  /** Whether the number of replicas changed since the sets were last scaled. */
  static boolean scaled(KubeObject deployment, List<KubeObject> sets) {
    String wanted = Long.toString(deployment.spec().integerOr(1, "replicas"));
    return sets.stream()
        .filter(set -> replicas(set) > 0)
        .anyMatch(set -> set.annotation(DESIRED).map(text -> !text.equals(wanted)).orElse(false));
  }

  static boolean saturated(KubeObject deployment, KubeObject set) {
    long wanted = deployment.spec().integerOr(1, "replicas");
    return replicas(set) == wanted
        && set.annotation(DESIRED).orElse("").equals(Long.toString(wanted))
        && available(set) == wanted;
  }

  static KubeObject withSizes(KubeObject set, long desired, long maximum) {
    return set.withPath(List.of("metadata", "annotations", DESIRED), Long.toString(desired))
        .withPath(List.of("metadata", "annotations", MAXIMUM), Long.toString(maximum));
  }

  /** The set with the Deployment's annotations and a revision, the old one kept as history. */
  static KubeObject withRevision(KubeObject deployment, KubeObject set, String revision) {
    KubeObject changed = set;
    for (Map.Entry<String, String> annotation : deployment.annotations().entrySet()) {
      if (!OWN.contains(annotation.getKey())) {
        changed =
            changed.withPath(
                List.of("metadata", "annotations", annotation.getKey()), annotation.getValue());
      }
    }
    String before = revisionText(set);
    if (revision(set) < Long.parseLong(revision)) {
      changed = changed.withPath(List.of("metadata", "annotations", REVISION), revision);
      if (!before.isEmpty()) {
        String history = set.annotation(HISTORY).orElse("");
        changed =
            changed.withPath(
                List.of("metadata", "annotations", HISTORY),
                history.isEmpty() ? before : history + "," + before);
      }
    }
    return changed;
  }

  /** The set of a new template, at its first size. */
  static KubeObject fresh(
      KubeObject deployment,
      String revision,
      long wanted,
      long surge,
      List<KubeObject> others,
      long collisions) {
    JsonObject template = deployment.spec().object("template");
    String hash = Template.hash(template, collisions);
    JsonObject labelled =
        template.withPath(List.of("metadata", "labels", Template.HASH_LABEL), hash);
    long sum = others.stream().mapToLong(DeploymentSets::replicas).sum();
    boolean recreate = deployment.spec().text("strategy", "type").equals("Recreate");
    long size = recreate ? wanted : Math.max(0, Math.min(wanted + surge - sum, wanted));
    JsonObject selector =
        deployment
            .spec()
            .object("selector")
            .withPath(List.of("matchLabels", Template.HASH_LABEL), hash);
    JsonObject.Builder spec = JsonObject.builder().put("replicas", size);
    if (deployment.spec().integer("minReadySeconds") > 0) {
      spec.put("minReadySeconds", deployment.spec().integer("minReadySeconds"));
    }
    spec.put("selector", selector).put("template", labelled);
    KubeObject set =
        new KubeObject(
            JsonObject.of(
                "apiVersion",
                "apps/v1",
                "kind",
                "ReplicaSet",
                "metadata",
                JsonObject.of(
                    "name",
                    deployment.name() + "-" + hash,
                    "namespace",
                    deployment.namespace(),
                    "labels",
                    labelled.object("metadata", "labels"),
                    "ownerReferences",
                    List.of(Owners.controllerReference(Resources.DEPLOYMENTS, deployment))),
                "spec",
                spec.build()));
    return withSizes(withRevision(deployment, set, revision), wanted, wanted + surge);
  }

  /** A set and the size it is to have. */
  record Size(KubeObject set, long replicas) {}

  /** Shares a change of size among the sets of a running roll-out by their present sizes. */
  static List<Size> proportional(KubeObject deployment, List<KubeObject> active, long surge) {
    long wanted = deployment.spec().integerOr(1, "replicas");
    long sum = active.stream().mapToLong(DeploymentSets::replicas).sum();
    long allowed = wanted > 0 ? wanted + surge : 0;
    long toAdd = allowed - sum;
    Comparator<KubeObject> order =
        Comparator.comparingLong(DeploymentSets::replicas)
            .reversed()
            .thenComparing(
                PodState::created,
                toAdd > 0 ? Comparator.reverseOrder() : Comparator.naturalOrder());
    List<KubeObject> sets = active.stream().sorted(order).toList();
    long added = 0;
    long[] sizes = new long[sets.size()];
    for (int i = 0; i < sizes.length; i++) {
      KubeObject set = sets.get(i);
      sizes[i] = replicas(set);
      if (toAdd != 0 && toAdd != added) {
        long fraction = fraction(deployment, set, wanted, surge);
        long left = toAdd - added;
        long part = toAdd > 0 ? Math.min(fraction, left) : Math.max(fraction, left);
        sizes[i] += part;
        added += part;
      }
    }
    List<Size> result = new ArrayList<>();
    for (int i = 0; i < sizes.length; i++) {
      if (i == 0 && toAdd != 0) {
        sizes[0] = Math.max(0, sizes[0] + toAdd - added);
      }
      result.add(new Size(sets.get(i), sizes[i]));
    }
    return result;
  }

  private static long fraction(KubeObject deployment, KubeObject set, long wanted, long surge) {
    if (wanted == 0) {
      return -replicas(set);
    }
    long before =
        set.annotation(MAXIMUM)
            .map(Long::parseLong)
            .orElseGet(() -> deployment.status().integer("replicas"));
    if (before == 0) {
      return 0;
    }
    return Math.round((double) replicas(set) * (wanted + surge) / before) - replicas(set);
  }

  /** Sums over the sets' states. */
  record Totals(
      long specified, long replicas, long updated, long ready, long available, long terminating) {
    boolean progressedSince(JsonObject status) {
      long oldBefore = status.integer("replicas") - status.integer("updatedReplicas");
      return updated > status.integer("updatedReplicas")
          || replicas - updated < oldBefore
          || ready > status.integer("readyReplicas")
          || available > status.integer("availableReplicas");
    }
  }

  static Totals totals(List<KubeObject> sets, @Nullable KubeObject current) {
    long specified = 0;
    long replicas = 0;
    long ready = 0;
    long available = 0;
    long terminating = 0;
    for (KubeObject set : sets) {
      specified += replicas(set);
      replicas += set.status().integer("replicas");
      ready += set.status().integer("readyReplicas");
      available += available(set);
      terminating += set.status().integer("terminatingReplicas");
    }
    long updated = current == null ? 0 : current.status().integer("replicas");
    return new Totals(specified, replicas, updated, ready, available, terminating);
  }

  static boolean complete(KubeObject deployment, Totals totals) {
    long wanted = deployment.spec().integerOr(1, "replicas");
    return totals.updated() == wanted
        && totals.replicas() == wanted
        && totals.available() == wanted;
  }
}
