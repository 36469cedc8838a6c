package dev.kedge.registry.admission;

import dev.kedge.cel.Access;
import dev.kedge.cel.CelType;
import dev.kedge.cel.CelType.Kind;
import dev.kedge.cel.Declaration;
import dev.kedge.cel.Declaration.ListKind;
import dev.kedge.cel.Environment;
import dev.kedge.cel.Environment.InvalidException;
import dev.kedge.cel.Program;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The language of admission expressions: what they can name, and how they are compiled. Stateless.
 */
public final class AdmissionExpressions {
  private static final Declaration TEXT = Declaration.of(CelType.STRING, Long.MAX_VALUE, 2);
  private static final Declaration NUMBER = Declaration.of(CelType.INT, 0, 1);
  private static final Declaration TEXTS =
      Declaration.list(TEXT, Long.MAX_VALUE, ListKind.ATOMIC, List.of());
  private static final Declaration TEXT_MAP = Declaration.map(TEXT, Long.MAX_VALUE);

  /** The {@code request} variable. */
  static final Declaration REQUEST = request();

  /** The {@code namespaceObject} variable. */
  static final Declaration NAMESPACE = namespace();

  private AdmissionExpressions() {}

  private static Declaration request() {
    Declaration kind =
        Declaration.struct(
            "kubernetes.GroupVersionKind", Map.of("group", TEXT, "version", TEXT, "kind", TEXT), 2);
    Declaration resource =
        Declaration.struct(
            "kubernetes.GroupVersionResource",
            Map.of("group", TEXT, "version", TEXT, "resource", TEXT),
            2);
    Declaration user =
        Declaration.struct(
            "kubernetes.UserInfo",
            Map.of(
                "username", TEXT,
                "uid", TEXT,
                "groups", TEXTS,
                "extra", Declaration.map(TEXTS, Long.MAX_VALUE)),
            2);
    return Declaration.struct(
        "kubernetes.AdmissionRequest",
        Map.ofEntries(
            Map.entry("kind", kind),
            Map.entry("resource", resource),
            Map.entry("subResource", TEXT),
            Map.entry("requestKind", kind),
            Map.entry("requestResource", resource),
            Map.entry("requestSubResource", TEXT),
            Map.entry("name", TEXT),
            Map.entry("namespace", TEXT),
            Map.entry("operation", TEXT),
            Map.entry("userInfo", user),
            Map.entry("dryRun", Declaration.of(CelType.BOOL, 0, 4)),
            Map.entry("options", Declaration.DYN)),
        2);
  }

  private static Declaration namespace() {
    Declaration time = Declaration.of(CelType.TIMESTAMP, 32, 21);
    Declaration metadata =
        Declaration.struct(
            "kubernetes.NamespaceMetadata",
            Map.ofEntries(
                Map.entry("name", TEXT),
                Map.entry("generateName", TEXT),
                Map.entry("namespace", TEXT),
                Map.entry("labels", TEXT_MAP),
                Map.entry("annotations", TEXT_MAP),
                Map.entry("UID", TEXT),
                Map.entry("uid", TEXT),
                Map.entry("creationTimestamp", time),
                Map.entry("deletionGracePeriodSeconds", NUMBER),
                Map.entry("deletionTimestamp", time),
                Map.entry("generation", NUMBER),
                Map.entry("resourceVersion", TEXT),
                Map.entry("finalizers", TEXTS)),
            2);
    return Declaration.struct(
        "kubernetes.Namespace",
        Map.of(
            "metadata",
            metadata,
            "spec",
            Declaration.struct("kubernetes.NamespaceSpec", Map.of("finalizers", TEXTS), 2),
            "status",
            Declaration.struct("kubernetes.NamespaceStatus", Map.of("phase", TEXT), 2)),
        2);
  }

  /**
   * What expressions can name.
   *
   * @param params whether the policy has parameters
   * @param authorizer whether the expression may ask about rights
   * @param variables the types of the policy's variables
   * @param object what is known of the object
   */
  public static Environment environment(
      boolean params, boolean authorizer, Map<String, CelType> variables, Declaration object) {
    Map<String, Declaration> names = new HashMap<>();
    names.put("object", object);
    names.put("oldObject", object);
    names.put("request", REQUEST);
    names.put("namespaceObject", NAMESPACE);
    if (params) {
      names.put("params", Declaration.DYN);
    }
    if (authorizer) {
      names.put("authorizer", Access.VARIABLE);
    }
    Map<String, Declaration> fields = new HashMap<>();
    variables.forEach((name, type) -> fields.put(name, Declaration.of(type, Long.MAX_VALUE, 0)));
    names.put("variables", Declaration.struct("kubernetes.variables", fields, 2));
    return new Environment(
        names,
        Map.of(
            "Object",
            Declaration.DYN,
            "JSONPatch",
            Declaration.struct(
                "JSONPatch",
                Map.of("op", TEXT, "path", TEXT, "from", TEXT, "value", Declaration.DYN),
                2)));
  }

  /**
   * Compiles an expression whose result must be of certain types.
   *
   * @throws InvalidException with upstream's words
   */
  public static Program compile(Environment environment, String expression, Set<Kind> results)
      throws InvalidException {
    Program program;
    try {
      program = environment.compile(expression);
    } catch (InvalidException e) {
      throw new InvalidException("compilation failed: " + e.why());
    }
    Kind kind = program.type().kind();
    if (!results.isEmpty() && kind != Kind.DYN && !results.contains(kind)) {
      List<String> names =
          results.stream()
              .map(one -> one.name().toLowerCase(java.util.Locale.ROOT))
              .sorted()
              .toList();
      throw new InvalidException(
          names.size() == 1
              ? "must evaluate to " + names.getFirst()
              : "must evaluate to one of [" + String.join(" ", names) + "]");
    }
    return program;
  }
}
