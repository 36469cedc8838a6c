package dev.kedge.cli.kubectl;

import dev.kedge.identity.RbacRule;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * {@code auth reconcile}: makes roles and bindings give at least what the files say, and with
 * {@code --remove-extra-…} no more.
 */
final class ReconcileCommand {
  private static final String GROUP = "rbac.authorization.k8s.io";
  private static final String KEEP = "rbac.authorization.kubernetes.io/autoupdate";

  /** How often a change by somebody else makes this begin again. */
  private static final int ATTEMPTS = 3;

  private static final List<Flag> FLAGS =
      Flags.with(
          Manifests.FLAGS,
          Output.FLAG,
          Output.MANAGED_FIELDS,
          Output.DRY_RUN,
          Flag.toggle(
              "remove-extra-permissions", "Remove permissions that roles have beyond these"),
          Flag.toggle("remove-extra-subjects", "Remove subjects that bindings have beyond these"));

  private final Session session;
  private final Output output;
  private final boolean dryRun;

  private enum Operation {
    NONE,
    CREATE,
    UPDATE,
    RECREATE
  }

  /**
   * What has to be done.
   *
   * @param object as it shall be
   * @param missing lines for what is added
   * @param extra lines for what is removed
   */
  private record Plan(
      JsonObject object,
      Operation operation,
      boolean kept,
      List<String> missing,
      List<String> extra) {}

  private ReconcileCommand(Session session) {
    this.session = session;
    this.output = Output.of(session);
    String mode = Output.dryRun(session);
    if (mode.equals("server")) {
      throw new UsageException("--dry-run=server for command reconcile is not supported yet");
    }
    this.dryRun = mode.equals("client");
  }

  static Verb verb() {
    return Verb.of(
        "reconcile",
        "reconcile -f FILENAME",
        "Make roles and bindings give at least what a file says",
        FLAGS,
        session -> new ReconcileCommand(session).run());
  }

  private int run() {
    for (Item item : Manifests.items(session)) {
      String kind = item.served().type().kind();
      if (!item.served().type().group().equals(GROUP)) {
        continue;
      }
      boolean role = kind.equals("Role") || kind.equals("ClusterRole");
      report(item, role, reconciled(item, role));
    }
    return 0;
  }

  private Plan reconciled(Item item, boolean role) {
    for (int attempt = 1; ; attempt++) {
      Plan plan = plan(item, role);
      if (plan.kept() || dryRun) {
        return plan;
      }
      try {
        carryOut(item, plan);
        return plan;
      } catch (ApiException e) {
        boolean raced = e.isConflict() || e.isNotFound() || e.isAlreadyExists();
        if (!raced || attempt == ATTEMPTS) {
          throw e;
        }
      }
    }
  }

  private Plan plan(Item item, boolean role) {
    Optional<JsonObject> existing;
    try {
      existing = Optional.of(session.get(item.served(), item.namespace(), item.name()));
    } catch (ApiException e) {
      if (!e.isNotFound()) {
        throw e;
      }
      existing = Optional.empty();
    }
    JsonObject wanted = item.object();
    if (existing.isEmpty()) {
      List<String> missing =
          role
              ? wanted.objects("rules").stream().map(ReconcileCommand::rule).toList()
              : wanted.objects("subjects").stream().map(ReconcileCommand::subject).toList();
      return new Plan(wanted, Operation.CREATE, false, missing, List.of());
    }
    return role ? rolePlan(existing.get(), wanted) : bindingPlan(existing.get(), wanted);
  }

  private Plan rolePlan(JsonObject existing, JsonObject wanted) {
    boolean remove = session.arguments().on("remove-extra-permissions");
    List<RbacRule> has = RbacRule.listOf(existing);
    List<RbacRule> shall = RbacRule.listOf(wanted);
    List<RbacRule> missing = RbacRule.missing(has, shall);
    boolean aggregated = existing.has("aggregationRule");
    List<RbacRule> extra =
        aggregated && wanted.has("aggregationRule") ? List.of() : RbacRule.missing(shall, has);
    JsonObject object = withMetadata(existing, wanted);
    if (!remove && !missing.isEmpty()) {
      List<JsonValue> rules = new ArrayList<>(existing.array("rules").items());
      missing.forEach(rule -> rules.add(rule.json()));
      object = object.with("rules", new JsonArray(rules));
    } else if (remove && !(missing.isEmpty() && extra.isEmpty())) {
      object = object.with("rules", wanted.array("rules"));
    }
    object = withAggregation(object, wanted, remove);
    return new Plan(
        object,
        object.equals(existing) ? Operation.NONE : Operation.UPDATE,
        kept(existing),
        missing.stream().map(rule -> rule(rule.json())).toList(),
        remove ? extra.stream().map(rule -> rule(rule.json())).toList() : List.of());
  }

  /** An aggregated role keeps selectors beyond those wanted, unless what is extra shall go. */
  private static JsonObject withAggregation(JsonObject role, JsonObject wanted, boolean remove) {
    if (!wanted.has("aggregationRule")) {
      return role.without("aggregationRule");
    }
    List<JsonValue> shall = wanted.array("aggregationRule", "clusterRoleSelectors").items();
    List<JsonValue> selectors =
        new ArrayList<>(
            remove ? List.of() : role.array("aggregationRule", "clusterRoleSelectors").items());
    shall.stream().filter(selector -> !selectors.contains(selector)).forEach(selectors::add);
    return role.with(
        "aggregationRule", JsonObject.of("clusterRoleSelectors", new JsonArray(selectors)));
  }

  private Plan bindingPlan(JsonObject existing, JsonObject wanted) {
    boolean kept = kept(existing);
    if (!reference(existing).equals(reference(wanted))) {
      return new Plan(wanted, Operation.RECREATE, kept, List.of(), List.of());
    }
    boolean remove = session.arguments().on("remove-extra-subjects");
    List<JsonObject> has = existing.objects("subjects");
    List<JsonObject> shall = wanted.objects("subjects");
    List<JsonObject> missing = without(shall, has);
    List<JsonObject> extra = without(has, shall);
    JsonObject object = withMetadata(existing, wanted);
    if (!remove && !missing.isEmpty()) {
      List<JsonValue> subjects = new ArrayList<>(has);
      subjects.addAll(missing);
      object = object.with("subjects", new JsonArray(subjects));
    } else if (remove && !(missing.isEmpty() && extra.isEmpty())) {
      object = object.with("subjects", wanted.array("subjects"));
    }
    return new Plan(
        object,
        object.equals(existing) ? Operation.NONE : Operation.UPDATE,
        kept,
        missing.stream().map(ReconcileCommand::subject).toList(),
        remove ? extra.stream().map(ReconcileCommand::subject).toList() : List.of());
  }

  /** The subjects that are not among others; the group that is meant may be left out. */
  private static List<JsonObject> without(List<JsonObject> subjects, List<JsonObject> others) {
    List<String> known = others.stream().map(ReconcileCommand::subject).toList();
    return subjects.stream().filter(one -> !known.contains(subject(one))).toList();
  }

  private static List<String> reference(JsonObject binding) {
    return List.of(
        or(binding.text("roleRef", "apiGroup"), GROUP),
        binding.text("roleRef", "kind"),
        binding.text("roleRef", "name"));
  }

  private static String or(String text, String other) {
    return text.isEmpty() ? other : text;
  }

  private static boolean kept(JsonObject existing) {
    return existing.text("metadata", "annotations", KEEP).equals("false");
  }

  /** What is there keeps its labels and annotations and gets those wanted that it lacks. */
  private static JsonObject withMetadata(JsonObject existing, JsonObject wanted) {
    JsonObject object = existing;
    for (String part : List.of("annotations", "labels")) {
      JsonObject merged =
          JsonObject.builder()
              .putAll(wanted.object("metadata", part))
              .putAll(existing.object("metadata", part))
              .build();
      if (!merged.equals(existing.object("metadata", part))) {
        object = object.withPath(List.of("metadata", part), merged);
      }
    }
    return object;
  }

  private void carryOut(Item item, Plan plan) {
    String path = session.path(item.served(), item.namespace(), item.name());
    switch (plan.operation()) {
      case NONE -> {}
      case UPDATE -> session.transport().put(path, plan.object());
      case CREATE -> create(item, plan.object());
      case RECREATE -> {
        JsonObject existing = session.get(item.served(), item.namespace(), item.name());
        session
            .transport()
            .delete(
                path,
                JsonObject.of(
                    "preconditions", JsonObject.of("uid", existing.text("metadata", "uid"))));
        create(item, plan.object());
      }
    }
  }

  private void create(Item item, JsonObject object) {
    if (!item.namespace().isEmpty()) {
      try {
        session
            .transport()
            .post(
                "/api/v1/namespaces",
                JsonObject.of(
                    "apiVersion",
                    "v1",
                    "kind",
                    "Namespace",
                    "metadata",
                    JsonObject.of("name", item.namespace())));
      } catch (ApiException e) {
        // It is there, or it is not ours to make: the role's own creation will tell.
        if (!e.isAlreadyExists() && e.code() != 403) {
          throw e;
        }
      }
    }
    session.transport().post(session.path(item.served(), item.namespace()), object);
  }

  private void report(Item item, boolean role, Plan plan) {
    output.done(item, plan.object(), "reconciled");
    if (plan.operation() == Operation.NONE) {
      return;
    }
    String kept = plan.kept() ? ", but object opted out (" + KEEP + ": false)" : "";
    String what = plan.operation().name().toLowerCase(java.util.Locale.ROOT);
    session.err().print("\treconciliation required " + what + kept + "\n");
    String things = role ? "rules" : "subjects";
    lines("\tmissing " + things + " added:", plan.missing());
    lines("\textra " + things + " removed:", plan.extra());
    session.err().flush();
  }

  private void lines(String head, List<String> lines) {
    if (!lines.isEmpty()) {
      session.err().print(head + "\n");
      lines.forEach(line -> session.err().print("\t\t" + line + "\n"));
    }
  }

  /** A rule as Go prints it. */
  private static String rule(JsonObject rule) {
    return "{Verbs:%s APIGroups:%s Resources:%s ResourceNames:%s NonResourceURLs:%s}"
        .formatted(
            words(rule, "verbs"),
            words(rule, "apiGroups"),
            words(rule, "resources"),
            words(rule, "resourceNames"),
            words(rule, "nonResourceURLs"));
  }

  private static String words(JsonObject rule, String field) {
    return "[" + String.join(" ", rule.strings(field)) + "]";
  }

  private static String subject(JsonObject subject) {
    String group = subject.text("apiGroup");
    if (group.isEmpty() && !subject.text("kind").equals("ServiceAccount")) {
      group = GROUP;
    }
    return "{Kind:%s APIGroup:%s Name:%s Namespace:%s}"
        .formatted(subject.text("kind"), group, subject.text("name"), subject.text("namespace"));
  }
}
