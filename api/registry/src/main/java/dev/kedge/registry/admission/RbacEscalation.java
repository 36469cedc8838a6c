package dev.kedge.registry.admission;

import dev.kedge.identity.Authorizer;
import dev.kedge.identity.Authorizer.Attributes;
import dev.kedge.identity.RbacAuthorizer;
import dev.kedge.identity.RbacRule;
import dev.kedge.identity.User;
import dev.kedge.model.KubeObject;
import dev.kedge.registry.AdmissionPlugin;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Keeps everybody from giving away rights that he does not have himself, by writing roles or by
 * binding them.
 */
final class RbacEscalation implements AdmissionPlugin {
  private static final String GROUP = "rbac.authorization.k8s.io";

  private final Authorizer authorizer;
  private final RbacAuthorizer rbac;

  RbacEscalation(Authorizer authorizer, RbacAuthorizer rbac) {
    this.authorizer = authorizer;
    this.rbac = rbac;
  }

  @Override
  public String name() {
    return "RbacEscalation";
  }

  @Override
  public void validate(Review review, KubeObject object) {
    if (!review.type().group().equals(GROUP)
        || review.operation() == Operation.DELETE
        || review.user().groups().contains("system:masters")) {
      return;
    }
    switch (review.type().plural()) {
      case "roles", "clusterroles" -> role(review, object);
      case "rolebindings", "clusterrolebindings" -> binding(review, object);
      default -> {
        // Nothing else in the group gives rights.
      }
    }
  }

  private void role(Review review, KubeObject role) {
    boolean unchanged =
        review.operation() == Operation.UPDATE
            && role.json().array("rules").equals(review.old().json().array("rules"))
            && role.json()
                .object("aggregationRule")
                .equals(review.old().json().object("aggregationRule"));
    if (unchanged || may(review, "escalate", review.type().plural(), role.name())) {
      return;
    }
    List<RbacRule> wanted = RbacRule.listOf(role.json());
    if (!role.json().object("aggregationRule").isEmpty()) {
      // Whoever aggregates may come to hold anything.
      wanted =
          List.of(
              new RbacRule(List.of("*"), List.of("*"), List.of("*"), List.of(), List.of()),
              new RbacRule(List.of("*"), List.of(), List.of(), List.of(), List.of("*")));
    }
    refuseMissing(review, wanted);
  }

  private void binding(Review review, KubeObject binding) {
    boolean unchanged =
        review.operation() == Operation.UPDATE
            && binding.json().object("roleRef").equals(review.old().json().object("roleRef"))
            && binding.json().array("subjects").equals(review.old().json().array("subjects"));
    String kind = binding.json().text("roleRef", "kind");
    String name = binding.json().text("roleRef", "name");
    String plural = kind.equals("ClusterRole") ? "clusterroles" : "roles";
    if (unchanged || may(review, "bind", plural, name)) {
      return;
    }
    refuseMissing(review, rbac.rulesOf(kind, review.namespace(), name));
  }

  private boolean may(Review review, String verb, String plural, String name) {
    return authorizer
        .authorize(
            review.user(),
            new Attributes(verb, GROUP, "v1", plural, "", review.namespace(), name, ""))
        .allowed();
  }

  private void refuseMissing(Review review, List<RbacRule> wanted) {
    List<RbacRule> missing = rbac.missing(review.user(), review.namespace(), wanted);
    if (missing.isEmpty()) {
      return;
    }
    User user = review.user();
    throw review.forbidden(
        "user \""
            + user.name()
            + "\" (groups="
            + user.groups().stream()
                .map(group -> "\"" + group + "\"")
                .collect(Collectors.joining(" ", "[", "]"))
            + ") is attempting to grant RBAC permissions not currently held:\n"
            + missing.stream()
                .map(rule -> rule.json().toString())
                .collect(Collectors.joining("\n")));
  }
}
