package dev.kedge.registry.admission;

import dev.kedge.cel.CelException;
import dev.kedge.cel.Values;
import dev.kedge.identity.Authorizer;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonPatch;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Status;
import dev.kedge.registry.AdmissionPlugin;
import dev.kedge.registry.admission.Policies.Binding;
import dev.kedge.registry.admission.Policies.Expression;
import dev.kedge.registry.admission.Policies.ParameterException;
import dev.kedge.registry.admission.Policies.Policy;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Changes objects as MutatingAdmissionPolicies say. */
final class MutatingPolicies implements AdmissionPlugin {
  private final Authorizer authorizer;
  private final Policies policies = new Policies("Mutating");

  MutatingPolicies(Authorizer authorizer) {
    this.authorizer = authorizer;
  }

  @Override
  public String name() {
    return "MutatingAdmissionPolicy";
  }

  /** Which invocations must see an object again because somebody changed it after them. */
  private static final class Notes {
    private final Set<String> seen = new HashSet<>();
    private final Set<String> again = new HashSet<>();
    private @Nullable KubeObject left;

    void changed() {
      again.addAll(seen);
      seen.clear();
    }
  }

  @Override
  public KubeObject mutate(Review review, KubeObject object) {
    if (Target.exempt(review) || review.operation() == Operation.CONNECT) {
      return object;
    }
    List<Policy> all = policies.all(review.objects());
    if (all.isEmpty()) {
      return object;
    }
    Notes notes = review.round().notes(Notes.class, Notes::new);
    if (review.round().second() && !object.equals(notes.left)) {
      notes.changed();
    }
    KubeObject stored = object;
    for (Policy policy : all) {
      Optional<Version> version = policy.target().match(review, stored);
      if (version.isEmpty()) {
        continue;
      }
      for (Binding binding : policy.bindings()) {
        if (binding.target().isPresent() && !binding.target().get().narrows(review, stored)) {
          continue;
        }
        stored = invoke(policy, binding, review, version.get(), stored, notes);
      }
    }
    notes.left = stored;
    return stored;
  }

  private KubeObject invoke(
      Policy policy,
      Binding binding,
      Review review,
      Version version,
      KubeObject before,
      Notes notes) {
    KubeObject stored = before;
    try {
      for (Optional<KubeObject> param : Policies.params(policy, binding, review)) {
        String key =
            policy.name()
                + "/"
                + binding.name()
                + "/"
                + param.map(found -> found.namespace() + "/" + found.name()).orElse("");
        if (review.round().second() && !notes.again.contains(key)) {
          continue;
        }
        KubeObject changed = mutated(policy, review, version, stored, param);
        if (!changed.equals(stored)) {
          notes.changed();
          review.round().askAgain();
          stored = changed;
        }
        if (policy.object().spec().text("reinvocationPolicy").equals("IfNeeded")) {
          notes.seen.add(key);
        }
      }
      return stored;
    } catch (ParameterException | Conditions.FailedException e) {
      return failed(policy, binding, review, before, String.valueOf(e.getMessage()));
    } catch (CelException e) {
      return failed(policy, binding, review, before, e.why());
    } catch (Situation.BudgetException e) {
      return failed(policy, binding, review, before, String.valueOf(e.getMessage()));
    }
  }

  private KubeObject mutated(
      Policy policy, Review review, Version version, KubeObject stored, Optional<KubeObject> param)
      throws Conditions.FailedException, ParameterException {
    if (!policy.fault().isEmpty()) {
      throw new ParameterException(policy.fault());
    }
    KubeObject old = ValidatingWebhooks.old(review, version);
    KubeObject shown = review.asked().show(version, stored);
    Situation conditions =
        new Situation(review, version, shown, old, authorizer, Situation.CONDITION_BUDGET);
    conditions.params(param.orElse(null));
    if (!policy.conditions().orElseThrow().match(conditions)) {
      return stored;
    }
    KubeObject changed = stored;
    for (Expression expression : policy.expressions()) {
      shown = review.asked().show(version, changed);
      Situation situation =
          new Situation(review, version, shown, old, authorizer, Situation.BUDGET);
      situation.params(param.orElse(null));
      situation.variables(policy.variables());
      JsonValue value;
      try {
        value = Values.json(situation.value(expression.program()));
      } catch (CelException e) {
        throw e.in("expression '" + expression.text() + "' resulted in error: ");
      }
      KubeObject next =
          expression.source().text("patchType").equals("JSONPatch")
              ? patched(shown, value)
              : configured(review, version, shown, value);
      changed = review.asked().take(version, next, changed);
    }
    return changed;
  }

  private static KubeObject patched(KubeObject shown, JsonValue patch) throws ParameterException {
    if (!(patch instanceof JsonArray)) {
      throw new ParameterException(
          "type mismatch: JSONPatchType.expression should evaluate to array");
    }
    try {
      return JsonPatch.apply(shown.json(), patch) instanceof JsonObject changed
          ? new KubeObject(changed)
          : shown;
    } catch (ApiException e) {
      if (!(e.getCause() instanceof JsonPatch.Rejection rejection)) {
        throw new ParameterException("JSON Patch: " + e.status().message());
      }
      if (rejection.test()) {
        // A test that fails means: not this object.
        return shown;
      }
      throw new ParameterException("JSON Patch: " + rejection.getMessage());
    }
  }

  private static KubeObject configured(
      Review review, Version version, KubeObject shown, JsonValue value) throws ParameterException {
    if (!(value instanceof JsonObject configuration)) {
      throw new ParameterException("must evaluate to Object");
    }
    JsonObject metadata = configuration.object("metadata");
    for (String field : List.of("name", "namespace", "uid", "managedFields")) {
      if (metadata.has(field)) {
        throw new ParameterException(
            "error applying patch: invalid ApplyConfiguration: may not mutate metadata." + field);
      }
    }
    return review.asked().merge(version, shown, configuration);
  }

  private static KubeObject failed(
      Policy policy, Binding binding, Review review, KubeObject object, String why) {
    if (policy.failOpen()) {
      return object;
    }
    Status forbidden =
        review
            .forbidden(
                "policy '"
                    + policy.name()
                    + "' with binding '"
                    + binding.name()
                    + "' denied request: "
                    + why)
            .status();
    throw new ApiException(new Status(422, "Invalid", forbidden.message(), forbidden.details()));
  }
}
