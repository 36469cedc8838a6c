package dev.kedge.registry.admission;

import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin.Operation;
import dev.kedge.registry.AdmissionPlugin.Review;
import dev.kedge.registry.AdmissionPlugin.Version;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Which objects webhooks and policies are about: rules, the selectors of namespaces and of objects,
 * and versions that are equivalent.
 *
 * @param excluded rules that take away from the others
 * @param equivalent whether rules about another version of the resource match too
 */
record Target(
    List<Rule> rules,
    List<Rule> excluded,
    boolean equivalent,
    LabelSelector namespaces,
    LabelSelector objects) {

  /** The target of a webhook. */
  static Target ofWebhook(JsonObject webhook) {
    return new Target(
        rules(webhook, "rules"),
        List.of(),
        !webhook.text("matchPolicy").equals("Exact"),
        LabelSelector.of(webhook.object("namespaceSelector")),
        LabelSelector.of(webhook.object("objectSelector")));
  }

  /** The target of {@code MatchResources}. */
  static Target ofResources(JsonObject match) {
    return new Target(
        rules(match, "resourceRules"),
        rules(match, "excludeResourceRules"),
        !match.text("matchPolicy").equals("Exact"),
        LabelSelector.of(match.object("namespaceSelector")),
        LabelSelector.of(match.object("objectSelector")));
  }

  private static List<Rule> rules(JsonObject from, String field) {
    return from.objects(field).stream().map(Rule::of).toList();
  }

  /**
   * The version in which whoever has this target wants to see a request; empty if it is not about
   * the request.
   *
   * @param object the object as it would be stored; without fields for a deletion
   * @throws ApiException 404 if the request's namespace is not there
   */
  Optional<Version> match(Review review, KubeObject object) {
    if (!matchesSelectors(review, object)) {
      return Optional.empty();
    }
    Version asked = review.asked().version();
    Optional<Version> excludedBy = version(excluded, review, object, asked);
    return excludedBy.isPresent() ? Optional.empty() : version(rules, review, object, asked);
  }

  /** Whether the selectors, apart from the rules, match a request. */
  boolean matchesSelectors(Review review, KubeObject object) {
    return (namespaces.isEmpty() || namespaceMatches(review, object))
        && (objects.isEmpty()
            || isThere(object) && objects.matches(object.labels())
            || before(review) && objects.matches(review.old().labels()));
  }

  /** As a binding's resources: without rules it is about whatever its policy is about. */
  boolean narrows(Review review, KubeObject object) {
    return rules.isEmpty() ? matchesSelectors(review, object) : match(review, object).isPresent();
  }

  private Optional<Version> version(
      List<Rule> among, Review review, KubeObject object, Version asked) {
    if (among.isEmpty()) {
      return Optional.empty();
    }
    String namespace = namespace(review, object);
    String name = name(review, object);
    for (Rule rule : among) {
      if (rule.matches(
          review.operation(), asked.resource(), review.subresource(), namespace, name)) {
        return Optional.of(asked);
      }
    }
    if (!equivalent) {
      return Optional.empty();
    }
    List<Version> others = review.asked().equivalents();
    for (Rule rule : among) {
      for (Version other : others) {
        if (rule.matches(
            review.operation(), other.resource(), review.subresource(), namespace, name)) {
          return Optional.of(other);
        }
      }
    }
    return Optional.empty();
  }

  private boolean namespaceMatches(Review review, KubeObject object) {
    boolean aboutNamespaces = review.type().groupResource().equals("namespaces");
    String name = namespace(review, object);
    if (name.isEmpty() && !aboutNamespaces) {
      return true;
    }
    if (aboutNamespaces
        && review.subresource().isEmpty()
        && (review.operation() == Operation.CREATE || review.operation() == Operation.UPDATE)) {
      return namespaces.matches(object.labels());
    }
    return namespaces.matches(labels(review, name));
  }

  private static Map<String, String> labels(Review review, String namespace) {
    return review
        .objects()
        .find(Resources.NAMESPACES, "", namespace)
        .orElseThrow(() -> ApiException.notFound("", "namespaces", namespace))
        .labels();
  }

  /** The namespace of a request; that of a namespace is the namespace itself. */
  static String namespace(Review review, KubeObject object) {
    ResourceType type = review.type();
    return type.groupResource().equals("namespaces") ? name(review, object) : review.namespace();
  }

  /** The name of the object; empty while it is still to be generated. */
  static String name(Review review, KubeObject object) {
    return review.operation() == Operation.CREATE && review.subresource().isEmpty()
        ? object.name()
        : review.name();
  }

  static boolean isThere(KubeObject object) {
    return !object.json().isEmpty();
  }

  /** Whether the request has an object before; an eviction's pod is not its own. */
  static boolean before(Review review) {
    return review.operation() == Operation.UPDATE || review.operation() == Operation.DELETE;
  }

  /** Whether a request is about the configuration of admission, which nobody may lock. */
  static boolean exempt(Review review) {
    return review.type().group().equals("admissionregistration.k8s.io");
  }
}
