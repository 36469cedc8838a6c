package dev.kedge.registry.admission;

import dev.kedge.cel.CelException;
import dev.kedge.identity.Authorizer;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Status;
import dev.kedge.model.Status.Cause;
import dev.kedge.model.Status.Details;
import dev.kedge.registry.AdmissionPlugin;
import dev.kedge.registry.admission.Policies.Binding;
import dev.kedge.registry.admission.Policies.Expression;
import dev.kedge.registry.admission.Policies.ParameterException;
import dev.kedge.registry.admission.Policies.Policy;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Holds objects to ValidatingAdmissionPolicies. What a binding only audits is evaluated, but its
 * annotations do not reach the audit log yet.
 */
final class ValidatingPolicies implements AdmissionPlugin {
  private static final KubeObject NONE = new KubeObject(JsonObject.EMPTY);
  private static final int LONGEST_MESSAGE = 5 * 1024;

  private final Authorizer authorizer;
  private final Policies policies = new Policies("Validating");

  ValidatingPolicies(Authorizer authorizer) {
    this.authorizer = authorizer;
  }

  @Override
  public String name() {
    return "ValidatingAdmissionPolicy";
  }

  /** What a policy has against the request. */
  private record Objection(String message, String reason) {}

  @Override
  public void validate(Review review, KubeObject object) {
    if (Target.exempt(review)) {
      return;
    }
    List<Policy> all = policies.all(review.objects());
    if (all.isEmpty()) {
      return;
    }
    KubeObject stored = review.operation() == Operation.DELETE ? NONE : object;
    Optional<ApiException> first = Optional.empty();
    for (Policy policy : all) {
      Optional<Version> version = policy.target().match(review, stored);
      if (version.isPresent()) {
        Optional<ApiException> refusal = judge(policy, review, stored, version.get());
        first = first.isPresent() ? first : refusal;
      }
    }
    if (first.isPresent()) {
      throw first.get();
    }
  }

  private Optional<ApiException> judge(
      Policy policy, Review review, KubeObject stored, Version version) {
    Optional<ApiException> first = Optional.empty();
    KubeObject shown = Target.isThere(stored) ? review.asked().show(version, stored) : stored;
    KubeObject old = ValidatingWebhooks.old(review, version);
    for (Binding binding : policy.bindings()) {
      if (binding.target().isPresent() && !binding.target().get().narrows(review, stored)) {
        continue;
      }
      List<Optional<KubeObject>> params;
      try {
        params = Policies.params(policy, binding, review);
      } catch (ParameterException e) {
        if (!policy.failOpen() && first.isEmpty()) {
          first =
              Optional.of(
                  refusal(
                      review,
                      shown,
                      policy,
                      binding,
                      new Objection("failed to configure binding: " + e.getMessage(), "")));
        }
        continue;
      }
      for (Optional<KubeObject> param : params) {
        for (Objection objection : objections(policy, review, version, shown, old, param)) {
          for (String action : binding.object().spec().strings("validationActions")) {
            if (action.equals("Warn")) {
              review
                  .warnings()
                  .add(
                      "Validation failed for ValidatingAdmissionPolicy '"
                          + policy.name()
                          + "' with binding '"
                          + binding.name()
                          + "': "
                          + objection.message());
            } else if (action.equals("Deny") && first.isEmpty()) {
              first = Optional.of(refusal(review, shown, policy, binding, objection));
            }
          }
        }
      }
    }
    return first;
  }

  private List<Objection> objections(
      Policy policy,
      Review review,
      Version version,
      KubeObject shown,
      KubeObject old,
      Optional<KubeObject> param) {
    if (!policy.fault().isEmpty()) {
      return failure(policy, policy.fault());
    }
    try {
      Situation conditions =
          new Situation(review, version, shown, old, authorizer, Situation.CONDITION_BUDGET);
      conditions.params(param.orElse(null));
      if (!policy.conditions().orElseThrow().match(conditions)) {
        return List.of();
      }
    } catch (Conditions.FailedException e) {
      return failure(policy, String.valueOf(e.getMessage()));
    }
    Situation situation = new Situation(review, version, shown, old, authorizer, Situation.BUDGET);
    situation.params(param.orElse(null));
    situation.variables(policy.variables());
    List<Objection> objections = new ArrayList<>();
    for (Expression expression : policy.expressions()) {
      try {
        if (!Boolean.TRUE.equals(situation.value(expression.program()))) {
          String reason = expression.source().text("reason");
          objections.add(
              new Objection(message(expression, situation), reason.isEmpty() ? "Invalid" : reason));
        }
      } catch (CelException e) {
        objections.addAll(
            failure(
                policy, "expression '" + expression.text() + "' resulted in error: " + e.why()));
      } catch (Situation.BudgetException e) {
        return failure(policy, String.valueOf(e.getMessage()));
      }
    }
    return objections;
  }

  private static List<Objection> failure(Policy policy, String message) {
    return policy.failOpen() ? List.of() : List.of(new Objection(message, ""));
  }

  private static String message(Expression expression, Situation situation) {
    String message = "";
    if (expression.message().isPresent()) {
      try {
        message = String.valueOf(situation.value(expression.message().get())).strip();
      } catch (CelException _) {
        // The plain message tells as much as there is to tell.
        message = "";
      }
      if (message.length() > LONGEST_MESSAGE || message.contains("\n")) {
        message = "";
      }
    }
    if (message.isEmpty()) {
      message = expression.source().text("message").strip();
    }
    return message.isEmpty() ? "failed expression: " + expression.text().strip() : message;
  }

  private static ApiException refusal(
      Review review, KubeObject shown, Policy policy, Binding binding, Objection objection) {
    String message =
        "ValidatingAdmissionPolicy '"
            + policy.name()
            + "' with binding '"
            + binding.name()
            + "' denied request: "
            + objection.message();
    String reason = objection.reason().isEmpty() ? "Invalid" : objection.reason();
    Status forbidden =
        ApiException.forbidden(
                review.type().group(), review.type().plural(), Target.name(review, shown), message)
            .status();
    return new ApiException(
        new Status(
            switch (reason) {
              case "Forbidden" -> 403;
              case "Unauthorized" -> 401;
              case "RequestEntityTooLarge" -> 413;
              default -> 422;
            },
            reason,
            forbidden.message(),
            new Details(
                forbidden.details().name(),
                forbidden.details().group(),
                forbidden.details().kind(),
                "",
                List.of(new Cause("", message, "")),
                0)));
  }
}
