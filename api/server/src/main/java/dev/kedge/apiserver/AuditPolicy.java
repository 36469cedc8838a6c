package dev.kedge.apiserver;

import dev.kedge.identity.User;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Yaml;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Which requests are written to the audit log, and how much of them: a document {@code
 * audit.k8s.io/v1 Policy}. The first rule that fits decides; what none fits is not audited.
 * Immutable.
 */
public final class AuditPolicy {
  private static final Set<String> KNOWN =
      Set.of("apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields");
  private static final Set<String> KNOWN_IN_RULES =
      Set.of(
          "level",
          "users",
          "userGroups",
          "verbs",
          "resources",
          "namespaces",
          "nonResourceURLs",
          "omitStages",
          "omitManagedFields");

  /** How much is written. */
  enum Level {
    NONE("None"),
    METADATA("Metadata"),
    REQUEST("Request"),
    REQUEST_RESPONSE("RequestResponse");

    private final String shown;

    Level(String shown) {
      this.shown = shown;
    }

    String shown() {
      return shown;
    }
  }

  /** When something is written. */
  enum Step {
    REQUEST_RECEIVED("RequestReceived"),
    RESPONSE_STARTED("ResponseStarted"),
    RESPONSE_COMPLETE("ResponseComplete"),
    PANIC("Panic");

    private final String shown;

    Step(String shown) {
      this.shown = shown;
    }

    String shown() {
      return shown;
    }
  }

  /** What a request's audit is to be. */
  record Decision(Level level, Set<Step> omitted, boolean omitManagedFields) {}

  private record Resources(String group, List<String> resources, List<String> names) {}

  private record Rule(
      Decision decision,
      List<String> users,
      List<String> groups,
      List<String> verbs,
      List<Resources> resources,
      List<String> namespaces,
      List<String> urls) {}

  private final List<Rule> rules;
  private final Decision otherwise;

  private AuditPolicy(List<Rule> rules, Decision otherwise) {
    this.rules = List.copyOf(rules);
    this.otherwise = otherwise;
  }

  /**
   * Reads a policy.
   *
   * @throws IllegalArgumentException with one sentence about what is wrong with it
   */
  public static AuditPolicy parse(byte[] yaml) {
    JsonValue value;
    try {
      value = Yaml.parse(yaml);
    } catch (JsonSyntaxException e) {
      throw new IllegalArgumentException(e.located(), e);
    }
    if (!(value instanceof JsonObject policy)
        || !policy.text("apiVersion").equals("audit.k8s.io/v1")
        || !policy.text("kind").equals("Policy")) {
      throw new IllegalArgumentException("it is no document audit.k8s.io/v1 Policy");
    }
    known(policy, KNOWN, "");
    boolean omitManaged = policy.flag("omitManagedFields");
    Set<Step> omitted = steps(policy, "omitStages");
    List<Rule> rules = new ArrayList<>();
    int index = 0;
    for (JsonObject rule : policy.objects("rules")) {
      rules.add(rule(rule, "rules[" + index++ + "]", omitted, omitManaged));
    }
    if (rules.isEmpty()) {
      throw new IllegalArgumentException("it has no rules");
    }
    return new AuditPolicy(rules, new Decision(Level.NONE, omitted, omitManaged));
  }

  private static Rule rule(JsonObject rule, String where, Set<Step> omitted, boolean omitManaged) {
    known(rule, KNOWN_IN_RULES, where + ".");
    Level level =
        List.of(Level.values()).stream()
            .filter(each -> each.shown().equals(rule.text("level")))
            .findFirst()
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        where
                            + ".level \""
                            + rule.text("level")
                            + "\" is none of None, Metadata, Request, RequestResponse"));
    List<Resources> resources = new ArrayList<>();
    for (JsonObject each : rule.objects("resources")) {
      if (!each.strings("resourceNames").isEmpty() && each.strings("resources").isEmpty()) {
        throw new IllegalArgumentException(
            where + ": resourceNames needs at least one resource beside it");
      }
      resources.add(
          new Resources(
              each.text("group"), each.strings("resources"), each.strings("resourceNames")));
    }
    List<String> urls = rule.strings("nonResourceURLs");
    List<String> namespaces = rule.strings("namespaces");
    if (!urls.isEmpty() && !(resources.isEmpty() && namespaces.isEmpty())) {
      throw new IllegalArgumentException(
          where + ": rules cannot apply to both regular resources and non-resource URLs");
    }
    Set<Step> all = new LinkedHashSet<>(omitted);
    all.addAll(steps(rule, "omitStages"));
    return new Rule(
        new Decision(level, Set.copyOf(all), rule.flagOr(omitManaged, "omitManagedFields")),
        rule.strings("users"),
        rule.strings("userGroups"),
        rule.strings("verbs"),
        resources,
        namespaces,
        urls);
  }

  private static void known(JsonObject object, Set<String> names, String where) {
    for (String name : object.names()) {
      if (!names.contains(name)) {
        throw new IllegalArgumentException("the field " + where + name + " is unknown");
      }
    }
  }

  private static Set<Step> steps(JsonObject object, String field) {
    Set<Step> steps = new LinkedHashSet<>();
    for (String name : object.strings(field)) {
      steps.add(
          List.of(Step.values()).stream()
              .filter(step -> step.shown().equals(name))
              .findFirst()
              .orElseThrow(() -> new IllegalArgumentException(field + " names no stage: " + name)));
    }
    return steps;
  }

  /** What a request's audit is to be. */
  Decision decide(User user, RequestInfo info) {
    for (Rule rule : rules) {
      if (fits(rule, user, info)) {
        return rule.decision();
      }
    }
    return otherwise;
  }

  private static boolean fits(Rule rule, User user, RequestInfo info) {
    if (!anyOrHas(rule.users(), user.name())
        || !anyOrHas(rule.verbs(), info.verb())
        || !rule.groups().isEmpty() && user.groups().stream().noneMatch(rule.groups()::contains)) {
      return false;
    }
    if (!rule.namespaces().isEmpty() || !rule.resources().isEmpty()) {
      return info.resourceRequest()
          && anyOrHas(rule.namespaces(), info.namespace())
          && (rule.resources().isEmpty()
              || rule.resources().stream().anyMatch(each -> names(each, info)));
    }
    if (!rule.urls().isEmpty()) {
      return !info.resourceRequest()
          && rule.urls().stream().anyMatch(url -> matches(url, info.path()));
    }
    return true;
  }

  private static boolean anyOrHas(Collection<String> wanted, String value) {
    return wanted.isEmpty() || wanted.contains(value);
  }

  private static boolean names(Resources rule, RequestInfo info) {
    if (!rule.group().equals(info.group()) && !rule.group().equals("*")) {
      return false;
    }
    if (rule.resources().isEmpty()) {
      return true;
    }
    if (!anyOrHas(rule.names(), info.name())) {
      return false;
    }
    String whole =
        info.subresource().isEmpty() ? info.resource() : info.resource() + "/" + info.subresource();
    return rule.resources().stream()
        .anyMatch(
            resource ->
                resource.equals(whole)
                    || resource.equals("*")
                    || resource.equals(info.resource() + "/*")
                    || !info.subresource().isEmpty() && resource.equals("*/" + info.subresource()));
  }

  private static boolean matches(String url, String path) {
    return url.equals("*")
        || url.equals(path)
        || url.endsWith("*") && path.startsWith(url.replaceFirst("\\*+$", ""));
  }
}
