package dev.kedge.apiserver;

import dev.kedge.apiserver.AuditPolicy.Decision;
import dev.kedge.apiserver.AuditPolicy.Level;
import dev.kedge.apiserver.AuditPolicy.Step;
import dev.kedge.identity.User;
import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Status;
import dev.kedge.model.Times;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * One request as the audit log tells it ({@code audit.k8s.io/v1 Event}), filled in on its way. For
 * the request's thread only.
 */
final class AuditEvent {
  private static final int LONGEST_AGENT = 1024;

  private final AuditLog log;
  private final Decision decision;
  private final Call call;
  private final User user;
  private final Instant received = Instant.now();
  private final Map<String, String> annotations = new TreeMap<>();
  private Optional<User> impersonated = Optional.empty();
  private Optional<JsonValue> request = Optional.empty();
  private Optional<Supplier<JsonObject>> response = Optional.empty();
  private Optional<Status> failure = Optional.empty();
  private boolean broken;

  AuditEvent(AuditLog log, Decision decision, Call call) {
    this.log = log;
    this.decision = decision;
    this.call = call;
    this.user = call.user();
  }

  /** Who the user acts as. */
  void impersonated(User other) {
    impersonated = Optional.of(other);
  }

  void annotate(String name, String value) {
    annotations.put(name, value);
  }

  /** What was sent. */
  void request(JsonValue object) {
    request = Optional.of(object);
  }

  /** What is answered; asked for only if it is to be written. */
  void response(Supplier<JsonObject> object) {
    response = Optional.of(object);
  }

  /** What is answered in place of what was asked for. */
  void failed(Status status) {
    failure = Optional.of(status);
  }

  /** The handler failed in a way that nobody foresaw. */
  void broken() {
    broken = true;
  }

  /** Writes the event as it is at the end of a request. */
  void complete() {
    write(broken ? Step.PANIC : Step.RESPONSE_COMPLETE);
  }

  /** Writes the event as it is now, unless this step is to be left out. */
  void write(Step step) {
    if (!decision.omitted().contains(step)) {
      log.write(Json.write(json(step)));
    }
  }

  private JsonObject json(Step step) {
    RequestInfo info = call.info();
    String query = call.rawQuery();
    JsonObject.Builder event =
        JsonObject.builder()
            .put("kind", "Event")
            .put("apiVersion", "audit.k8s.io/v1")
            .put("level", decision.level().shown())
            .put("auditID", call.auditId())
            .put("stage", step.shown())
            .put("requestURI", call.path() + (query.isEmpty() ? "" : "?" + query))
            .put("verb", info.verb())
            .put("user", user(user));
    impersonated.ifPresent(other -> event.put("impersonatedUser", user(other)));
    event.put("sourceIPs", sources());
    String agent = call.header("User-Agent");
    event.putNonEmpty(
        "userAgent", agent.length() > LONGEST_AGENT ? agent.substring(0, LONGEST_AGENT) : agent);
    if (info.resourceRequest()) {
      event.put("objectRef", objectRef(info));
    }
    if (step != Step.REQUEST_RECEIVED) {
      event.put("responseStatus", status());
    }
    if (decision.level().compareTo(Level.REQUEST) >= 0) {
      request.ifPresent(object -> event.put("requestObject", shown(object)));
    }
    boolean complete = step == Step.RESPONSE_COMPLETE;
    if (decision.level() == Level.REQUEST_RESPONSE && complete) {
      if (failure.isPresent()) {
        event.put("responseObject", failure.get().json());
      } else {
        response.ifPresent(object -> event.put("responseObject", shown(object.get())));
      }
    }
    event.put("requestReceivedTimestamp", Times.microText(received));
    event.put("stageTimestamp", Times.microText(Instant.now()));
    if (!annotations.isEmpty()) {
      event.put("annotations", JsonValue.of(annotations));
    }
    return event.build();
  }

  private static JsonObject user(User user) {
    JsonObject.Builder extra = JsonObject.builder();
    new TreeMap<>(user.extra()).forEach(extra::put);
    return JsonObject.builder()
        .putNonEmpty("username", user.name())
        .putNonEmpty("uid", user.uid())
        .putNonEmpty("groups", user.groups())
        .putNonEmpty("extra", extra.build())
        .build();
  }

  /** As proxies on the way tell, the nearest last. */
  private List<String> sources() {
    String own = call.remoteAddress();
    return Stream.concat(
            call.headers().values("X-Forwarded-For").stream()
                .flatMap(line -> Stream.of(line.split(",")))
                .map(String::strip)
                .filter(address -> address.matches("[0-9a-fA-F.:]{2,45}")),
            Stream.of(own.isEmpty() ? "127.0.0.1" : own))
        .distinct()
        .toList();
  }

  private JsonObject objectRef(RequestInfo info) {
    JsonObject meta =
        request
            .filter(JsonObject.class::isInstance)
            .map(object -> ((JsonObject) object).object("metadata"))
            .orElse(JsonObject.EMPTY);
    return JsonObject.builder()
        .putNonEmpty("resource", info.resource())
        .putNonEmpty(
            "namespace", info.namespace().isEmpty() ? meta.text("namespace") : info.namespace())
        .putNonEmpty("name", info.name().isEmpty() ? meta.text("name") : info.name())
        .putNonEmpty("uid", meta.text("uid"))
        .putNonEmpty("apiGroup", info.group())
        .putNonEmpty("apiVersion", info.version())
        .putNonEmpty("resourceVersion", meta.text("resourceVersion"))
        .putNonEmpty("subresource", info.subresource())
        .build();
  }

  private JsonObject status() {
    if (failure.isPresent()) {
      return failure.get().json().without("kind").without("apiVersion");
    }
    boolean early = call.status() == 0;
    JsonObject.Builder status = JsonObject.builder().put("metadata", JsonObject.EMPTY);
    if (early) {
      status.put("status", "Success").put("message", "Connection closed early");
    }
    return status.put("code", early ? 200 : call.status()).build();
  }

  private JsonValue shown(JsonValue value) {
    return decision.omitManagedFields() ? withoutManagedFields(value) : value;
  }

  private static JsonValue withoutManagedFields(JsonValue value) {
    if (!(value instanceof JsonObject object)) {
      return value;
    }
    JsonObject bare =
        object.find("metadata", "managedFields").isPresent()
            ? object.withoutPath(List.of("metadata", "managedFields"))
            : object;
    return bare.has("items")
        ? bare.with(
            "items",
            bare.array("items").items().stream()
                .map(AuditEvent::withoutManagedFields)
                .collect(JsonArray.collector()))
        : bare;
  }
}
