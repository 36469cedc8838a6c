package dev.kedge.registry.admission;

import dev.kedge.cel.CelType;
import dev.kedge.cel.CelType.Kind;
import dev.kedge.cel.Declaration;
import dev.kedge.cel.Environment;
import dev.kedge.cel.Environment.InvalidException;
import dev.kedge.cel.Program;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.ResourceType;
import dev.kedge.registry.AdmissionPlugin.Review;
import dev.kedge.registry.Objects;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The admission policies of one kind with their bindings, as the watch cache has them; compiled
 * anew only when one has changed. Any thread.
 */
final class Policies {
  private static final String GROUP = "admissionregistration.k8s.io";

  private final ResourceType policies;
  private final ResourceType bindings;
  private volatile Made made = new Made(List.of(), List.of(), List.of());

  private record Made(List<Long> policies, List<Long> bindings, List<Policy> all) {}

  /**
   * @param prefix {@code Validating} or {@code Mutating}
   */
  Policies(String prefix) {
    String plural = prefix.toLowerCase(java.util.Locale.ROOT) + "admissionpolic";
    policies = new ResourceType(GROUP, "v1", plural + "ies", prefix + "AdmissionPolicy", false);
    bindings =
        new ResourceType(
            GROUP, "v1", plural + "ybindings", prefix + "AdmissionPolicyBinding", false);
  }

  /**
   * An expression of a policy.
   *
   * @param source the object it stands in
   */
  record Expression(JsonObject source, String text, Program program, Optional<Program> message) {}

  /**
   * A binding.
   *
   * @param target empty where it matches whatever its policy does
   */
  record Binding(KubeObject object, Optional<Target> target) {
    String name() {
      return object.name();
    }
  }

  /**
   * A policy.
   *
   * @param fault why it does not compile; empty if it does
   * @param expressions its validations, or its mutations
   */
  record Policy(
      KubeObject object,
      Target target,
      boolean failOpen,
      String fault,
      Optional<Conditions> conditions,
      LinkedHashMap<String, Program> variables,
      List<Expression> expressions,
      List<Binding> bindings) {
    String name() {
      return object.name();
    }
  }

  /** Parameters cannot be had. */
  static final class ParameterException extends Exception {
    ParameterException(String message) {
      super(message);
    }
  }

  /** All policies that have bindings. */
  List<Policy> all(Objects objects) {
    List<Long> presentPolicies = objects.revisions(policies);
    if (presentPolicies.isEmpty()) {
      return List.of();
    }
    List<Long> presentBindings = objects.revisions(bindings);
    Made known = made;
    if (known.policies().equals(presentPolicies) && known.bindings().equals(presentBindings)) {
      return known.all();
    }
    Map<String, List<Binding>> byPolicy = new HashMap<>();
    for (KubeObject binding : objects.list(bindings, "")) {
      byPolicy
          .computeIfAbsent(binding.spec().text("policyName"), _ -> new ArrayList<>())
          .add(
              new Binding(
                  binding,
                  binding.spec().has("matchResources")
                      ? Optional.of(Target.ofResources(binding.spec().object("matchResources")))
                      : Optional.empty()));
    }
    List<Policy> all = new ArrayList<>();
    for (KubeObject policy : objects.list(policies, "")) {
      List<Binding> own = byPolicy.getOrDefault(policy.name(), List.of());
      if (!own.isEmpty()) {
        all.add(policy(policy, own));
      }
    }
    made = new Made(presentPolicies, presentBindings, List.copyOf(all));
    return all;
  }

  private static Policy policy(KubeObject object, List<Binding> bindings) {
    JsonObject spec = object.spec();
    boolean failOpen = spec.text("failurePolicy").equals("Ignore");
    Target target = Target.ofResources(spec.object("matchConstraints"));
    try {
      boolean params = spec.has("paramKind");
      Conditions conditions = Conditions.of(spec.objects("matchConditions"), failOpen, params);
      LinkedHashMap<String, Program> variables = variables(spec, Declaration.DYN);
      Map<String, CelType> types = new HashMap<>();
      variables.forEach((name, program) -> types.put(name, program.type()));
      Environment environment =
          AdmissionExpressions.environment(params, true, types, Declaration.DYN);
      List<Expression> expressions = new ArrayList<>();
      for (JsonObject validation : spec.objects("validations")) {
        String message = validation.text("messageExpression");
        String text = validation.text("expression");
        expressions.add(
            new Expression(
                validation,
                text,
                AdmissionExpressions.compile(environment, text, Set.of(Kind.BOOL)),
                message.isBlank()
                    ? Optional.empty()
                    : Optional.of(
                        AdmissionExpressions.compile(environment, message, Set.of(Kind.STRING)))));
      }
      for (JsonObject mutation : spec.objects("mutations")) {
        String text =
            mutation.text("patchType").equals("JSONPatch")
                ? mutation.text("jsonPatch", "expression")
                : mutation.text("applyConfiguration", "expression");
        expressions.add(
            new Expression(
                mutation,
                text,
                AdmissionExpressions.compile(environment, text, Set.of()),
                Optional.empty()));
      }
      return new Policy(
          object,
          target,
          failOpen,
          "",
          Optional.of(conditions),
          variables,
          List.copyOf(expressions),
          bindings);
    } catch (InvalidException e) {
      return new Policy(
          object,
          target,
          failOpen,
          e.why(),
          Optional.empty(),
          new LinkedHashMap<>(),
          List.of(),
          bindings);
    }
  }

  /** A policy's variables in their order; each one sees those before it. */
  static LinkedHashMap<String, Program> variables(JsonObject spec, Declaration object)
      throws InvalidException {
    LinkedHashMap<String, Program> variables = new LinkedHashMap<>();
    Map<String, CelType> types = new HashMap<>();
    for (JsonObject variable : spec.objects("variables")) {
      Program program =
          AdmissionExpressions.compile(
              AdmissionExpressions.environment(spec.has("paramKind"), true, types, object),
              variable.text("expression"),
              Set.of());
      variables.put(variable.text("name"), program);
      types.put(variable.text("name"), program.type());
    }
    return variables;
  }

  /**
   * The parameters that a binding names, one evaluation each; an empty one where there are none.
   *
   * @throws ParameterException if they are missed
   */
  static List<Optional<KubeObject>> params(Policy policy, Binding binding, Review review)
      throws ParameterException {
    JsonObject kind = policy.object().spec().object("paramKind");
    JsonObject reference = binding.object().spec().object("paramRef");
    if (kind.isEmpty() || reference.isEmpty()) {
      return List.of(Optional.empty());
    }
    GroupVersionKind wanted = GroupVersionKind.of(kind.text("apiVersion"), kind.text("kind"));
    ResourceType type =
        review
            .objects()
            .typeOf(wanted)
            .orElseThrow(
                () ->
                    new ParameterException(
                        "failed to find resource referenced by paramKind: '" + wanted + "'"));
    String namespace = reference.text("namespace");
    if (!type.namespaced() && !namespace.isEmpty()) {
      throw new ParameterException(
          "paramRef.namespace must not be provided for a cluster-scoped `paramKind`");
    }
    if (type.namespaced() && namespace.isEmpty()) {
      namespace = review.namespace();
      if (namespace.isEmpty()) {
        throw new ParameterException(
            "cannot use namespaced paramRef in policy binding that matches cluster-scoped"
                + " resources");
      }
    }
    List<KubeObject> found;
    if (reference.text("name").isEmpty()) {
      LabelSelector selector = LabelSelector.of(reference.object("selector"));
      found =
          review.objects().list(type, namespace).stream()
              .filter(param -> selector.matches(param.labels()))
              .toList();
    } else {
      found = review.objects().find(type, namespace, reference.text("name")).stream().toList();
    }
    if (found.isEmpty() && reference.text("parameterNotFoundAction").equals("Deny")) {
      throw new ParameterException(
          "no params found for policy binding with `Deny` parameterNotFoundAction");
    }
    return found.stream().map(Optional::of).toList();
  }
}
