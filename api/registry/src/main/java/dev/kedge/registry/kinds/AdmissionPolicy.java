package dev.kedge.registry.kinds;

import dev.kedge.cel.CelType;
import dev.kedge.cel.CelType.Kind;
import dev.kedge.cel.Declaration;
import dev.kedge.cel.Environment;
import dev.kedge.cel.Environment.InvalidException;
import dev.kedge.cel.Program;
import dev.kedge.model.FieldFault;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Names;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Strategy;
import dev.kedge.registry.admission.AdmissionExpressions;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** Validating and mutating admission policies: every expression must compile. */
final class AdmissionPolicy implements Strategy {
  private static final int MOST_CONDITIONS = 64;
  private static final int MOST_ANNOTATIONS = 20;
  private static final int LONGEST_ANNOTATION = 5 * 1024;

  private final boolean mutating;

  AdmissionPolicy(boolean mutating) {
    this.mutating = mutating;
  }

  @Override
  public List<Cause> validate(KubeObject policy) {
    Checks checks = new Checks();
    JsonObject spec = policy.spec();
    checks.oneOf("spec.failurePolicy", spec.text("failurePolicy"), "Fail", "Ignore");
    boolean params = spec.has("paramKind");
    if (params) {
      paramKind(spec.object("paramKind"), checks);
    }
    if (!spec.has("matchConstraints")) {
      checks.required("spec.matchConstraints", "");
    } else {
      JsonObject constraints = spec.object("matchConstraints");
      AdmissionRules.matchResources("spec.matchConstraints", constraints, checks);
      if (constraints.array("resourceRules").isEmpty()) {
        checks.required("spec.matchConstraints.resourceRules", "");
      }
    }
    conditions("spec.matchConditions", spec, params, checks);
    Map<String, CelType> variables = variables(spec, params, checks);
    Environment environment =
        AdmissionExpressions.environment(params, true, variables, Declaration.DYN);
    if (mutating) {
      mutations(spec, environment, checks);
    } else {
      validations(
          policy,
          environment,
          AdmissionExpressions.environment(params, false, variables, Declaration.DYN),
          checks);
    }
    return checks.causes();
  }

  private static void paramKind(JsonObject kind, Checks checks) {
    String version = kind.text("apiVersion");
    if (version.isEmpty()) {
      checks.required("spec.paramKind.apiVersion", "");
    } else if (version.chars().filter(c -> c == '/').count() > 1) {
      checks.invalid(
          "spec.paramKind.apiVersion", version, "unexpected GroupVersion string: " + version);
    }
    String name = kind.text("kind");
    if (name.isEmpty()) {
      checks.required("spec.paramKind.kind", "");
    } else {
      List<String> faults = Names.label1035(name.toLowerCase(Locale.ROOT));
      if (!faults.isEmpty()) {
        checks.invalid(
            "spec.paramKind.kind",
            name,
            "may have mixed case, but should otherwise match: " + String.join(",", faults));
      }
    }
  }

  /** The match conditions of a policy or a webhook. */
  static void conditions(String field, JsonObject from, boolean params, Checks checks) {
    List<JsonObject> conditions = from.objects("matchConditions");
    if (conditions.isEmpty()) {
      return;
    }
    if (conditions.size() > MOST_CONDITIONS) {
      checks.add(FieldFault.tooMany(field, conditions.size(), MOST_CONDITIONS));
    }
    Environment environment =
        AdmissionExpressions.environment(params, true, Map.of(), Declaration.DYN);
    Set<String> names = new HashSet<>();
    for (int i = 0; i < conditions.size(); i++) {
      String at = field + "[" + i + "]";
      String expression = conditions.get(i).text("expression");
      if (expression.isBlank()) {
        checks.required(at + ".expression", "");
      } else {
        compiled(at + ".expression", expression.strip(), environment, Set.of(Kind.BOOL), checks);
      }
      String name = conditions.get(i).text("name");
      if (name.isEmpty()) {
        checks.required(at + ".name", "");
      } else {
        checks.name(at + ".name", name, Names.qualified(name));
        if (!names.add(name)) {
          checks.duplicate(at + ".name", name);
        }
      }
    }
  }

  private static Optional<Program> compiled(
      String field, String expression, Environment environment, Set<Kind> results, Checks checks) {
    try {
      return Optional.of(AdmissionExpressions.compile(environment, expression, results));
    } catch (InvalidException e) {
      checks.invalid(field, expression, e.why());
      return Optional.empty();
    }
  }

  private static Map<String, CelType> variables(JsonObject spec, boolean params, Checks checks) {
    Map<String, CelType> types = new HashMap<>();
    List<JsonObject> variables = spec.objects("variables");
    for (int i = 0; i < variables.size(); i++) {
      String at = "spec.variables[" + i + "]";
      String name = variables.get(i).text("name");
      if (name.isBlank()) {
        checks.required(at + ".name", "name is not specified");
      } else if (!dev.kedge.cel.Names.isIdentifier(name)) {
        checks.invalid(at + ".name", name, "name is not a valid CEL identifier");
      }
      String expression = variables.get(i).text("expression");
      if (expression.isBlank()) {
        checks.required(at + ".expression", "expression is not specified");
        continue;
      }
      compiled(
              at + ".expression",
              expression,
              AdmissionExpressions.environment(params, true, types, Declaration.DYN),
              Set.of(),
              checks)
          .ifPresent(program -> types.put(name, program.type()));
    }
    return types;
  }

  private static void validations(
      KubeObject policy, Environment environment, Environment messages, Checks checks) {
    JsonObject spec = policy.spec();
    List<JsonObject> validations = spec.objects("validations");
    List<JsonObject> annotations = spec.objects("auditAnnotations");
    if (validations.isEmpty() && annotations.isEmpty()) {
      for (String field : List.of("spec.validations", "spec.auditAnnotations")) {
        checks.required(field, "validations or auditAnnotations must contain at least one item");
      }
    }
    for (int i = 0; i < validations.size(); i++) {
      validation("spec.validations[" + i + "]", validations.get(i), environment, messages, checks);
    }
    if (annotations.size() > MOST_ANNOTATIONS) {
      checks.invalid(
          "spec.auditAnnotations",
          spec.array("auditAnnotations"),
          "must not have more than " + MOST_ANNOTATIONS + " auditAnnotations");
    }
    Set<String> keys = new HashSet<>();
    for (int i = 0; i < annotations.size(); i++) {
      String at = "spec.auditAnnotations[" + i + "]";
      String key = annotations.get(i).text("key");
      checks.name(
          at + ".key", policy.name() + "/" + key, Names.qualified(policy.name() + "/" + key));
      if (!keys.add(key)) {
        checks.duplicate(at + ".key", key);
      }
      String expression = annotations.get(i).text("valueExpression");
      if (expression.isBlank()) {
        checks.required(at + ".valueExpression", "valueExpression is not specified");
      } else if (expression.length() > LONGEST_ANNOTATION) {
        checks.required(
            at + ".valueExpression", "must not exceed " + LONGEST_ANNOTATION + " bytes in length");
      } else {
        compiled(
            at + ".valueExpression",
            expression.strip(),
            environment,
            Set.of(Kind.STRING, Kind.NULL),
            checks);
      }
    }
  }

  private static void validation(
      String at,
      JsonObject validation,
      Environment environment,
      Environment messages,
      Checks checks) {
    String expression = validation.text("expression");
    if (expression.isBlank()) {
      checks.required(at + ".expression", "expression is not specified");
    } else {
      compiled(at + ".expression", expression, environment, Set.of(Kind.BOOL), checks);
    }
    String messageExpression = validation.text("messageExpression");
    if (!messageExpression.isEmpty() && messageExpression.isBlank()) {
      checks.invalid(
          at + ".messageExpression", messageExpression, "must be non-empty if specified");
    } else if (!messageExpression.isEmpty()) {
      compiled(at + ".messageExpression", messageExpression, messages, Set.of(Kind.STRING), checks);
    }
    String message = validation.text("message");
    if (!message.isEmpty() && message.isBlank()) {
      checks.invalid(at + ".message", message, "message must be non-empty if specified");
    } else if (message.strip().contains("\n")) {
      checks.invalid(at + ".message", message, "message must not contain line breaks");
    }
    checks.oneOfOrNone(
        at + ".reason", validation.text("reason"), "Forbidden", "Invalid", "RequestEntityTooLarge");
  }

  private static void mutations(JsonObject spec, Environment environment, Checks checks) {
    List<JsonObject> mutations = spec.objects("mutations");
    if (mutations.isEmpty()) {
      checks.required("spec.mutations", "mutations must contain at least one item");
    }
    checks.oneOf("spec.reinvocationPolicy", spec.text("reinvocationPolicy"), "IfNeeded", "Never");
    for (int i = 0; i < mutations.size(); i++) {
      String at = "spec.mutations[" + i + "]";
      JsonObject mutation = mutations.get(i);
      String type = mutation.text("patchType");
      checks.oneOf(at + ".patchType", type, "ApplyConfiguration", "JSONPatch");
      boolean json = type.equals("JSONPatch");
      String used = json ? "jsonPatch" : "applyConfiguration";
      String unused = json ? "applyConfiguration" : "jsonPatch";
      if (mutation.has(unused)) {
        checks.invalid(
            at + "." + unused,
            mutation.object(unused),
            "must not be specified when patchType is " + type);
      }
      String expression = mutation.text(used, "expression");
      if (expression.isBlank()) {
        checks.required(at + "." + used, "must be specified when patchType is " + type);
      } else {
        compiled(
            at + "." + used + ".expression",
            expression,
            environment,
            json ? Set.of(Kind.LIST) : Set.of(),
            checks);
      }
    }
  }

  /** Bindings of both kinds of policies. */
  static final class Binding implements Strategy {
    private final boolean mutating;

    Binding(boolean mutating) {
      this.mutating = mutating;
    }

    @Override
    public List<Cause> validate(KubeObject binding) {
      Checks checks = new Checks();
      JsonObject spec = binding.spec();
      String policy = spec.text("policyName");
      if (policy.isEmpty()) {
        checks.required("spec.policyName", "");
      } else {
        checks.name("spec.policyName", policy, Names.subdomain(policy));
      }
      if (spec.has("paramRef")) {
        paramRef(spec.object("paramRef"), checks);
      }
      if (spec.has("matchResources")) {
        AdmissionRules.matchResources("spec.matchResouces", spec.object("matchResources"), checks);
      }
      if (!mutating) {
        actions(spec, checks);
      }
      return checks.causes();
    }

    private static void paramRef(JsonObject reference, Checks checks) {
      String field = "spec.paramRef";
      String name = reference.text("name");
      boolean selects = reference.has("selector");
      if (!name.isEmpty()) {
        checks.name(field + ".name", name, Names.pathSegment(name));
      }
      if (selects) {
        checks.selector(field + ".selector", reference.object("selector"));
      }
      if (!name.isEmpty() && selects) {
        checks.forbidden(field + ".name", "name and selector are mutually exclusive");
        checks.forbidden(field + ".selector", "name and selector are mutually exclusive");
      }
      if (name.isEmpty() && !selects) {
        checks.required(field, "one of name or selector must be specified");
      }
      checks.oneOf(
          field + ".parameterNotFoundAction",
          reference.text("parameterNotFoundAction"),
          "Deny",
          "Allow");
    }

    private static void actions(JsonObject spec, Checks checks) {
      List<String> actions = spec.strings("validationActions");
      Set<String> seen = new HashSet<>();
      for (int i = 0; i < actions.size(); i++) {
        String at = "spec.validationActions[" + i + "]";
        checks.oneOfOrNone(at, actions.get(i), "Audit", "Deny", "Warn");
        if (!seen.add(actions.get(i))) {
          checks.duplicate(at, actions.get(i));
        }
      }
      if (seen.contains("Deny") && seen.contains("Warn")) {
        checks.invalid(
            "spec.validationActions",
            spec.array("validationActions"),
            "must not contain both Deny and Warn (repeating the same validation failure information"
                + " in the API response and headers serves no purpose)");
      }
      if (actions.isEmpty()) {
        checks.required("spec.validationActions", "at least one validation action is required");
      }
    }
  }
}
