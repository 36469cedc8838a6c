package dev.kedge.registry.admission;

import dev.kedge.cel.Environment.InvalidException;
import dev.kedge.identity.Authorizer;
import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Status;
import dev.kedge.model.Status.Details;
import dev.kedge.registry.AdmissionPlugin.Review;
import dev.kedge.registry.AdmissionPlugin.Version;
import dev.kedge.registry.WebhookCalls;
import dev.kedge.registry.WebhookCalls.CallException;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * One webhook of a configuration, ready to be asked. Immutable.
 *
 * @param id unique among all webhooks
 */
record Hook(
    String id,
    String name,
    Target target,
    boolean mutating,
    boolean failOpen,
    boolean reinvoke,
    boolean sideEffects,
    Duration timeout,
    String reviewVersion,
    JsonObject clientConfig,
    Conditions conditions) {

  private static final List<String> REVIEW_VERSIONS = List.of("v1", "v1beta1");

  /** The webhook did not answer, or not as it must: its failure policy decides. */
  static final class FailedException extends Exception {
    FailedException(String hook, String why, Throwable cause) {
      super("failed calling webhook \"" + hook + "\": " + why, cause);
    }

    FailedException(String hook, String why) {
      super("failed calling webhook \"" + hook + "\": " + why);
    }

    /** What the sender is told where the policy is to fail. */
    ApiException fatal() {
      return ApiException.internal(String.valueOf(getMessage()));
    }
  }

  /**
   * @throws InvalidException if a condition does not compile
   */
  static Hook of(KubeObject configuration, int index, JsonObject webhook, boolean mutating)
      throws InvalidException {
    boolean failOpen = webhook.text("failurePolicy").equals("Ignore");
    return new Hook(
        configuration.name() + "/" + webhook.text("name") + "/" + index,
        webhook.text("name"),
        Target.ofWebhook(webhook),
        mutating,
        failOpen,
        webhook.text("reinvocationPolicy").equals("IfNeeded"),
        !webhook.text("sideEffects").matches("None|NoneOnDryRun"),
        Duration.ofSeconds(webhook.integerOr(10, "timeoutSeconds")),
        webhook.strings("admissionReviewVersions").stream()
            .filter(REVIEW_VERSIONS::contains)
            .findFirst()
            .orElse(""),
        webhook.object("clientConfig"),
        Conditions.of(webhook.objects("matchConditions"), failOpen, false));
  }

  /**
   * Whether the webhook's conditions hold.
   *
   * @throws ApiException 403 if that cannot be told and the policy is to fail
   */
  boolean wants(
      Review review, Version version, KubeObject shown, KubeObject old, Authorizer authorizer) {
    if (conditions.isEmpty()) {
      return true;
    }
    try {
      return conditions.match(
          new Situation(review, version, shown, old, authorizer, Situation.CONDITION_BUDGET));
    } catch (Conditions.FailedException e) {
      throw ApiException.forbidden(
          review.type().group(),
          review.type().plural(),
          Target.name(review, shown),
          String.valueOf(e.getMessage()));
    }
  }

  /**
   * Asks the webhook.
   *
   * @param shown the object in the webhook's version; without fields for a deletion
   * @param old the object before, in that version; without fields for a creation
   * @return the patch; empty if the webhook changes nothing
   * @throws ApiException if the webhook refuses
   */
  Optional<JsonArray> ask(
      WebhookCalls calls, Review review, Version version, KubeObject shown, KubeObject old)
      throws FailedException {
    if (review.dryRun() && sideEffects) {
      throw ApiException.badRequest("admission webhook \"" + name + "\" does not support dry run");
    }
    if (reviewVersion.isEmpty()) {
      throw new FailedException(
          name,
          "could not create admission objects: webhook does not accept known AdmissionReview"
              + " versions (v1, v1beta1)");
    }
    String uid = UUID.randomUUID().toString();
    JsonObject answer;
    try {
      answer =
          calls.post(
              clientConfig, request(uid, review, version, shown, old), timeout, review.objects());
    } catch (CallException e) {
      throw new FailedException(name, "failed to call webhook: " + e.getMessage(), e);
    }
    JsonObject response = verified(uid, answer);
    review.warnings().addAll(response.strings("warnings"));
    if (!response.flag("allowed")) {
      throw new ApiException(refusal(response.object("status")));
    }
    String patch = response.text("patch");
    return patch.isEmpty() ? Optional.empty() : Optional.of(patch(patch, response));
  }

  private JsonObject request(
      String uid, Review review, Version version, KubeObject shown, KubeObject old) {
    JsonObject request =
        Requests.admission(review, version, shown)
            .with("uid", uid)
            .with("object", document(shown))
            .with("oldObject", document(old));
    return JsonObject.of(
        "kind",
        "AdmissionReview",
        "apiVersion",
        "admission.k8s.io/" + reviewVersion,
        "request",
        request);
  }

  private static JsonValue document(KubeObject object) {
    return Target.isThere(object) ? object.json() : JsonNull.NULL;
  }

  private JsonObject verified(String uid, JsonObject answer) throws FailedException {
    String expected = "admission.k8s.io/" + reviewVersion;
    if (!(answer.get("response").orElse(JsonNull.NULL) instanceof JsonObject response)) {
      throw invalid("webhook response was absent");
    }
    boolean strict = reviewVersion.equals("v1");
    if (strict && !response.text("uid").equals(uid)) {
      throw invalid("expected response.uid=\"" + uid + "\", got \"" + response.text("uid") + "\"");
    }
    if (strict
        && !(answer.text("apiVersion").equals(expected)
            && answer.text("kind").equals("AdmissionReview"))) {
      throw invalid(
          "expected webhook response of "
              + expected
              + ", Kind=AdmissionReview, got "
              + answer.text("apiVersion")
              + ", Kind="
              + answer.text("kind"));
    }
    boolean patch = !response.text("patch").isEmpty();
    boolean type = response.has("patchType");
    if (!mutating) {
      if (strict && patch) {
        throw invalid("validating webhook may not return response.patch");
      }
      if (strict && type) {
        throw invalid("validating webhook may not return response.patchType");
      }
    } else if (strict && patch && !type) {
      throw invalid("webhook returned response.patch but not response.patchType");
    } else if (strict && type && !patch) {
      throw invalid("webhook returned response.patchType but not response.patch");
    }
    return response;
  }

  private FailedException invalid(String why) {
    return new FailedException(name, "received invalid webhook response: " + why);
  }

  private JsonArray patch(String base64, JsonObject response) throws FailedException {
    if (reviewVersion.equals("v1") && !response.text("patchType").equals("JSONPatch")) {
      throw new FailedException(
          name, "unsupported patch type \"" + response.text("patchType") + "\"");
    }
    try {
      if (Json.parse(Base64.getDecoder().decode(base64)) instanceof JsonArray operations) {
        return operations;
      }
    } catch (IllegalArgumentException | JsonSyntaxException e) {
      throw new FailedException(
          name, "received undecodable patch in webhook response: " + e.getMessage(), e);
    }
    throw new FailedException(
        name,
        "received undecodable patch in webhook response: json: cannot unmarshal object into Go"
            + " value of type jsonpatch.Patch");
  }

  private Status refusal(JsonObject status) {
    String denied = "admission webhook \"" + name + "\" denied the request";
    String message = status.text("message");
    String reason = status.text("reason");
    String said =
        !message.isEmpty()
            ? denied + ": " + message
            : !reason.isEmpty() ? denied + ": " + reason : denied + " without explanation";
    Status given = Status.of(status.with("message", new JsonString(said)));
    return new Status(
        Math.max(400, given.code()),
        reason,
        said,
        status.has("details") ? given.details() : Details.NONE);
  }
}
