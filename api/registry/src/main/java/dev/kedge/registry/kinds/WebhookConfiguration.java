package dev.kedge.registry.kinds;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Names;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Strategy;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Mutating and validating webhook configurations. */
final class WebhookConfiguration implements Strategy {
  private static final Set<String> REVIEW_VERSIONS = Set.of("v1", "v1beta1");

  private final boolean mutating;

  WebhookConfiguration(boolean mutating) {
    this.mutating = mutating;
  }

  @Override
  public List<Cause> validate(KubeObject configuration) {
    Checks checks = new Checks();
    List<JsonObject> webhooks = configuration.json().objects("webhooks");
    Set<String> names = new HashSet<>();
    for (int i = 0; i < webhooks.size(); i++) {
      JsonObject webhook = webhooks.get(i);
      String field = "webhooks[" + i + "]";
      webhook(field, webhook, checks);
      versions(field + ".admissionReviewVersions", webhook, checks);
      String name = webhook.text("name");
      if (!name.isEmpty() && !names.add(name)) {
        checks.duplicate(field + ".name", name);
      }
    }
    return checks.causes();
  }

  private void webhook(String field, JsonObject webhook, Checks checks) {
    AdmissionRules.qualifiedName(field + ".name", webhook.text("name"), checks);
    List<JsonObject> rules = webhook.objects("rules");
    for (int i = 0; i < rules.size(); i++) {
      AdmissionRules.rule(field + ".rules[" + i + "]", rules.get(i), checks);
    }
    checks.oneOfOrNone(field + ".failurePolicy", webhook.text("failurePolicy"), "Fail", "Ignore");
    checks.oneOfOrNone(field + ".matchPolicy", webhook.text("matchPolicy"), "Equivalent", "Exact");
    String sideEffects = webhook.text("sideEffects");
    if (sideEffects.isEmpty()) {
      checks.required(field + ".sideEffects", "must specify one of None, NoneOnDryRun");
    }
    checks.oneOfOrNone(field + ".sideEffects", sideEffects, "None", "NoneOnDryRun");
    long timeout = webhook.integerOr(10, "timeoutSeconds");
    if (timeout < 1 || timeout > 30) {
      checks.invalid(
          field + ".timeoutSeconds", timeout, "the timeout value must be between 1 and 30 seconds");
    }
    checks.selector(field + ".namespaceSelector", webhook.object("namespaceSelector"));
    checks.selector(field + ".objectSelector", webhook.object("objectSelector"));
    if (mutating) {
      checks.oneOfOrNone(
          field + ".reinvocationPolicy", webhook.text("reinvocationPolicy"), "IfNeeded", "Never");
    }
    WebhookClientConfig.faults(field + ".clientConfig", webhook.object("clientConfig"))
        .forEach(checks::add);
    AdmissionPolicy.conditions(field + ".matchConditions", webhook, false, checks);
  }

  private static void versions(String field, JsonObject webhook, Checks checks) {
    List<String> versions = webhook.strings("admissionReviewVersions");
    if (versions.isEmpty()) {
      checks.required(field, "must specify one of v1, v1beta1");
      return;
    }
    Set<String> seen = new HashSet<>();
    for (int i = 0; i < versions.size(); i++) {
      String at = field + "[" + i + "]";
      if (!seen.add(versions.get(i))) {
        checks.invalid(at, versions.get(i), "duplicate version");
        continue;
      }
      checks.name(at, versions.get(i), Names.label1035(versions.get(i)));
    }
    if (versions.stream().noneMatch(REVIEW_VERSIONS::contains)) {
      checks.invalid(
          field,
          webhook.array("admissionReviewVersions"),
          "must include at least one of v1, v1beta1");
    }
  }
}
