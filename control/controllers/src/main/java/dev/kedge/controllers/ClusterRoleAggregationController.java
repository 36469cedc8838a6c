package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Fills ClusterRoles that have an aggregation rule with the rules of the roles it selects. */
final class ClusterRoleAggregationController implements Reconciler {
  private final KubeClient client;
  private final Informer roles;

  private ClusterRoleAggregationController(ControllerContext context) {
    this.client = context.client();
    this.roles = context.informer(Resources.CLUSTER_ROLES);
  }

  static Controller create(ControllerContext context) {
    ClusterRoleAggregationController reconciler = new ClusterRoleAggregationController(context);
    return Controller.builder("clusterrole-aggregation", context.timeline(), reconciler)
        .watches(reconciler.roles, reconciler::aggregates)
        .build();
  }

  private List<ObjectKey> aggregates(KubeObject changed) {
    List<ObjectKey> keys = new ArrayList<>();
    for (KubeObject role : roles.all()) {
      if (role.name().equals(changed.name()) || selects(role, changed)) {
        keys.add(role.key());
      }
    }
    return keys;
  }

  private static boolean selects(KubeObject aggregate, KubeObject role) {
    return aggregate.json().objects("aggregationRule", "clusterRoleSelectors").stream()
        .anyMatch(selector -> LabelSelector.of(selector).matches(role.labels()));
  }

  @Override
  public Result reconcile(ObjectKey key) {
    Optional<KubeObject> found = roles.get(key);
    if (found.isEmpty() || found.get().json().object("aggregationRule").isEmpty()) {
      return Result.DONE;
    }
    KubeObject aggregate = found.get();
    Set<JsonObject> rules = new LinkedHashSet<>();
    for (JsonObject selector :
        aggregate.json().objects("aggregationRule", "clusterRoleSelectors")) {
      LabelSelector labels = LabelSelector.of(selector);
      roles.all().stream()
          .filter(role -> labels.matches(role.labels()) && !role.name().equals(key.name()))
          .sorted(Comparator.comparing(KubeObject::name))
          .forEach(role -> rules.addAll(role.json().objects("rules")));
    }
    if (!aggregate.json().objects("rules").equals(List.copyOf(rules))) {
      client.update(Resources.CLUSTER_ROLES, aggregate.with("rules", rules));
    }
    return Result.DONE;
  }
}
