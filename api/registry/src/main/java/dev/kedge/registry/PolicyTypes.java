package dev.kedge.registry;

import dev.kedge.cel.CelType;
import dev.kedge.cel.Declaration;
import dev.kedge.cel.Environment;
import dev.kedge.cel.Environment.InvalidException;
import dev.kedge.cel.Program;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.registry.admission.AdmissionExpressions;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Checks the expressions of ValidatingAdmissionPolicies against the kinds that they are about, and
 * writes what looks wrong into {@code status.typeChecking}, as upstream's status controller does.
 * Nobody is stopped by it. Any thread.
 */
final class PolicyTypes implements WriteHook {
  private static final int MOST_KINDS = 10;

  private final CatalogHolder catalogs;

  PolicyTypes(CatalogHolder catalogs) {
    this.catalogs = catalogs;
  }

  private static boolean isPolicy(StoredKind kind) {
    return kind.type()
        .groupResource()
        .equals("validatingadmissionpolicies.admissionregistration.k8s.io");
  }

  @Override
  public KubeObject beforeCreate(
      StoredKind kind, KubeObject policy, boolean dryRun, Rollback rollback) {
    return isPolicy(kind) ? checked(policy, 1) : policy;
  }

  @Override
  public KubeObject beforeUpdate(
      StoredKind kind, KubeObject policy, KubeObject old, Aspect aspect, Rollback rollback) {
    return isPolicy(kind) && aspect == Aspect.MAIN && !policy.spec().equals(old.spec())
        ? checked(policy, old.generation() + 1)
        : policy;
  }

  private KubeObject checked(KubeObject policy, long generation) {
    List<JsonValue> warnings = new ArrayList<>();
    List<ResourceInfo> kinds = kinds(policy.spec());
    List<JsonObject> validations = policy.spec().objects("validations");
    for (int i = 0; i < validations.size() && !kinds.isEmpty(); i++) {
      for (String field : List.of("expression", "messageExpression")) {
        String expression = validations.get(i).text(field);
        if (!expression.isBlank()) {
          String at = "spec.validations[" + i + "]." + field;
          warning(at, expression, policy.spec(), kinds).ifPresent(warnings::add);
        }
      }
    }
    JsonObject checking =
        warnings.isEmpty()
            ? JsonObject.EMPTY
            : JsonObject.of("expressionWarnings", new JsonArray(warnings));
    return policy.withStatus(
        policy.status().with("observedGeneration", generation).with("typeChecking", checking));
  }

  /** The kinds that a policy names; those behind wildcards are not guessed. */
  private List<ResourceInfo> kinds(JsonObject spec) {
    List<ResourceInfo> kinds = new ArrayList<>();
    for (JsonObject rule : spec.object("matchConstraints").objects("resourceRules")) {
      for (String group : rule.strings("apiGroups")) {
        for (String version : rule.strings("apiVersions")) {
          for (String resource : rule.strings("resources")) {
            catalogs
                .current()
                .find(group, version, resource)
                .filter(info -> !kinds.contains(info) && kinds.size() < MOST_KINDS)
                .ifPresent(kinds::add);
          }
        }
      }
    }
    return kinds;
  }

  private static Optional<JsonValue> warning(
      String at, String expression, JsonObject spec, List<ResourceInfo> kinds) {
    List<String> faults = new ArrayList<>();
    for (ResourceInfo info : kinds) {
      try {
        Declaration object = SchemaDeclarations.of(info.schema());
        Map<String, CelType> types = new HashMap<>();
        for (Map.Entry<String, Program> variable : variables(spec, object).entrySet()) {
          types.put(variable.getKey(), variable.getValue().type());
        }
        Environment environment =
            AdmissionExpressions.environment(spec.has("paramKind"), true, types, object);
        environment.compile(expression);
      } catch (InvalidException e) {
        faults.add(
            info.type().group()
                + "/"
                + info.type().version()
                + ", Kind="
                + info.type().kind()
                + ": "
                + e.why());
      }
    }
    return faults.isEmpty()
        ? Optional.empty()
        : Optional.of(JsonObject.of("fieldRef", at, "warning", String.join("\n", faults)));
  }

  /** Variables that do not fit the kind are as good as anything: their uses are not blamed. */
  private static LinkedHashMap<String, Program> variables(JsonObject spec, Declaration object)
      throws InvalidException {
    LinkedHashMap<String, Program> variables = new LinkedHashMap<>();
    Map<String, CelType> types = new HashMap<>();
    for (JsonObject variable : spec.objects("variables")) {
      String text = variable.text("expression");
      boolean params = spec.has("paramKind");
      Program program;
      try {
        program = AdmissionExpressions.environment(params, true, types, object).compile(text);
      } catch (InvalidException _) {
        program =
            AdmissionExpressions.compile(
                AdmissionExpressions.environment(params, true, Map.of(), Declaration.DYN),
                "dyn(1)",
                Set.of());
      }
      variables.put(variable.text("name"), program);
      types.put(variable.text("name"), program.type());
    }
    return variables;
  }
}
