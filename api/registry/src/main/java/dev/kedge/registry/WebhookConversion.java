package dev.kedge.registry;

import dev.kedge.model.ApiException;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Status;
import dev.kedge.registry.WebhookCalls.CallException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Translates the versions of one custom resource by asking its conversion webhook. What was
 * translated for one reader is kept a while for the others. Any thread.
 */
final class WebhookConversion {
  private static final Duration TIMEOUT = Duration.ofSeconds(30);
  private static final int KEPT = 2048;
  private static final List<String> REVIEW_VERSIONS = List.of("v1", "v1beta1");

  private final WebhookCalls calls;
  private final Objects objects;
  private final JsonObject clientConfig;
  private final String reviewVersion;

  /** What became of a document. */
  private record Kept(KubeObject source, KubeObject converted) {}

  private final Map<String, Kept> kept =
      new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Kept> eldest) {
          return size() > KEPT;
        }
      };

  /**
   * @param webhook a definition's {@code spec.conversion.webhook}
   */
  WebhookConversion(WebhookCalls calls, Objects objects, JsonObject webhook) {
    this.calls = calls;
    this.objects = objects;
    this.clientConfig = webhook.object("clientConfig");
    this.reviewVersion =
        webhook.strings("conversionReviewVersions").stream()
            .filter(REVIEW_VERSIONS::contains)
            .findFirst()
            .orElse("v1");
  }

  /** Between a served version and the stored one. */
  Converter between(ResourceInfo served, ResourceInfo stored) {
    return new Converter() {
      @Override
      public KubeObject toStored(KubeObject document) {
        return convert(List.of(document), stored).getFirst();
      }

      @Override
      public KubeObject toServed(KubeObject document) {
        return convert(List.of(document), served).getFirst();
      }

      @Override
      public List<KubeObject> toServed(List<KubeObject> documents) {
        return convert(documents, served);
      }

      @Override
      public boolean together() {
        return true;
      }
    };
  }

  private List<KubeObject> convert(List<KubeObject> documents, ResourceInfo to) {
    String desired = to.type().apiVersion();
    List<KubeObject> converted = new ArrayList<>(documents);
    List<Integer> places = new ArrayList<>();
    List<KubeObject> asked = new ArrayList<>();
    for (int i = 0; i < documents.size(); i++) {
      KubeObject document = documents.get(i);
      if (document.apiVersion().equals(desired)) {
        continue;
      }
      KubeObject known = known(document, desired);
      if (known == null) {
        places.add(i);
        asked.add(document);
      } else {
        converted.set(i, known);
      }
    }
    if (asked.isEmpty()) {
      return converted;
    }
    List<KubeObject> answers = ask(asked, desired);
    for (int i = 0; i < answers.size(); i++) {
      KubeObject document = asked.get(i);
      KubeObject fitted = checked(document, answers.get(i), to, i);
      keep(document, desired, fitted);
      converted.set(places.get(i), fitted);
    }
    return converted;
  }

  private static String key(KubeObject document, String desired) {
    return desired + " " + document.apiVersion() + " " + document.uid();
  }

  private @Nullable KubeObject known(KubeObject document, String desired) {
    synchronized (kept) {
      Kept known = kept.get(key(document, desired));
      return known != null && known.source().equals(document) ? known.converted() : null;
    }
  }

  private void keep(KubeObject document, String desired, KubeObject converted) {
    if (!document.uid().isEmpty()) {
      synchronized (kept) {
        kept.put(key(document, desired), new Kept(document, converted));
      }
    }
  }

  private List<KubeObject> ask(List<KubeObject> documents, String desired) {
    GroupVersionKind kind = documents.getFirst().groupVersionKind();
    String uid = UUID.randomUUID().toString();
    JsonObject review =
        JsonObject.of(
            "kind",
            "ConversionReview",
            "apiVersion",
            "apiextensions.k8s.io/" + reviewVersion,
            "request",
            JsonObject.of(
                "uid",
                uid,
                "desiredAPIVersion",
                desired,
                "objects",
                new JsonArray(documents.stream().<JsonValue>map(KubeObject::json).toList())));
    JsonObject answer;
    try {
      answer = calls.post(clientConfig, review, TIMEOUT, objects);
    } catch (CallException e) {
      throw failed(kind, "failed: " + e.getMessage());
    }
    JsonObject response = answer.object("response");
    if (!answer.has("response")) {
      throw failed(kind, "failed: no response provided");
    }
    if (reviewVersion.equals("v1")) {
      if (!answer.text("apiVersion").equals("apiextensions.k8s.io/v1")
          || !answer.text("kind").equals("ConversionReview")) {
        throw failed(
            kind,
            "failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview,"
                + " got "
                + answer.text("apiVersion")
                + ", Kind="
                + answer.text("kind"));
      }
      if (!response.text("uid").equals(uid)) {
        throw failed(
            kind,
            "failed: expected response.uid=\"" + uid + "\", got \"" + response.text("uid") + "\"");
      }
    }
    JsonObject result = response.object("result");
    if (!result.text("status").equals("Success")) {
      throw failed(
          kind,
          "failed: "
              + (result.text("message").isEmpty()
                  ? "response.result.status was '" + result.text("status") + "', not 'Success'"
                  : result.text("message")));
    }
    List<JsonObject> converted = response.objects("convertedObjects");
    if (converted.size() != documents.size()) {
      throw failed(kind, "returned " + converted.size() + " objects, expected " + documents.size());
    }
    return converted.stream().map(KubeObject::new).toList();
  }

  private static KubeObject checked(
      KubeObject document, KubeObject converted, ResourceInfo to, int index) {
    GroupVersionKind kind = document.groupVersionKind();
    String at = "returned invalid converted object at index " + index + ": ";
    String desired = to.type().apiVersion();
    if (!converted.apiVersion().equals(desired)) {
      throw failed(
          kind,
          at
              + "invalid groupVersion (expected "
              + desired
              + ", received "
              + converted.apiVersion()
              + ")");
    }
    if (!converted.kind().equals(document.kind())) {
      throw failed(
          kind,
          at
              + "invalid kind (expected "
              + document.kind()
              + ", received "
              + converted.kind()
              + ")");
    }
    same(kind, at, "name", document.name(), converted.name());
    same(kind, at, "namespace", document.namespace(), converted.namespace());
    same(kind, at, "UID", document.uid(), converted.uid());
    String metadataAt = "returned invalid metadata in object at index " + index + ": ";
    if (!converted.json().has("metadata")) {
      throw failed(kind, metadataAt + "missing metadata in converted object");
    }
    // Of the metadata only these are the webhook's to change.
    JsonObject metadata = document.metadata();
    for (String field : List.of("labels", "annotations")) {
      JsonObject given = converted.metadata().object(field);
      given.forEach(
          (name, value) -> {
            if (!(value instanceof JsonString)) {
              throw failed(
                  kind,
                  metadataAt
                      + "metadata."
                      + field
                      + "["
                      + name
                      + "] must be a string, but is "
                      + value.typeName()
                      + " in converted object");
            }
          });
      metadata = given.isEmpty() ? metadata.without(field) : metadata.with(field, given);
    }
    return new KubeObject(Documents.completed(to, converted.with("metadata", metadata).json()));
  }

  private static void same(
      GroupVersionKind kind, String at, String what, String before, String after) {
    if (!before.equals(after)) {
      throw failed(kind, at + "must have the same " + what + ": " + before + " != " + after);
    }
  }

  private static ApiException failed(GroupVersionKind kind, String why) {
    return new ApiException(
        new Status(500, "", "conversion webhook for " + kind + " " + why, Status.Details.NONE));
  }
}
