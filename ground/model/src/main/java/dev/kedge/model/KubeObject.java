package dev.kedge.model;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A Kubernetes object: a JSON tree with {@code apiVersion}, {@code kind} and {@code metadata}, and
 * short names for what every reader asks of it. Nothing is copied.
 */
public record KubeObject(JsonObject json) {
  /**
   * An object of a kind with the given metadata names; {@code namespace} empty where there is none.
   */
  public static KubeObject of(GroupVersionKind kind, String namespace, String name) {
    return new KubeObject(
        JsonObject.of(
            "apiVersion",
            kind.apiVersion(),
            "kind",
            kind.kind(),
            "metadata",
            JsonObject.builder().put("name", name).putNonEmpty("namespace", namespace).build()));
  }

  /** Reads JSON text. */
  public static KubeObject parse(byte[] text) {
    return new KubeObject(Json.parseObject(text));
  }

  /** Reads a part of JSON text. */
  public static KubeObject parse(byte[] text, FieldFilter filter) {
    return new KubeObject(Json.parseObject(text, filter));
  }

  public String apiVersion() {
    return json.text("apiVersion");
  }

  public String kind() {
    return json.text("kind");
  }

  public GroupVersionKind groupVersionKind() {
    return GroupVersionKind.of(apiVersion(), kind());
  }

  public JsonObject metadata() {
    return json.object("metadata");
  }

  public JsonObject spec() {
    return json.object("spec");
  }

  public JsonObject status() {
    return json.object("status");
  }

  public String name() {
    return json.text("metadata", "name");
  }

  /** The namespace; empty for cluster-scoped objects. */
  public String namespace() {
    return json.text("metadata", "namespace");
  }

  public String uid() {
    return json.text("metadata", "uid");
  }

  public String resourceVersion() {
    return json.text("metadata", "resourceVersion");
  }

  public long generation() {
    return json.integer("metadata", "generation");
  }

  public Map<String, String> labels() {
    return json.map("metadata", "labels");
  }

  public Map<String, String> annotations() {
    return json.map("metadata", "annotations");
  }

  public Optional<String> annotation(String name) {
    return json.object("metadata", "annotations")
        .get(name)
        .map(value -> value instanceof JsonString s ? s.value() : "");
  }

  public List<String> finalizers() {
    return json.strings("metadata", "finalizers");
  }

  public List<JsonObject> ownerReferences() {
    return json.objects("metadata", "ownerReferences");
  }

  /** The owner reference with {@code controller: true}. */
  public Optional<JsonObject> controller() {
    return ownerReferences().stream().filter(owner -> owner.flag("controller")).findFirst();
  }

  /** Whether deletion was asked for. */
  public boolean deleting() {
    return !json.text("metadata", "deletionTimestamp").isEmpty();
  }

  /** {@code namespace/name}, or {@code name} for cluster-scoped objects. */
  public ObjectKey key() {
    return new ObjectKey(namespace(), name());
  }

  /** This object with one field of its root set. */
  public KubeObject with(String name, Object value) {
    return new KubeObject(json.with(name, value));
  }

  /** This object with the value at a path set. */
  public KubeObject withPath(List<String> path, Object value) {
    return new KubeObject(json.withPath(path, value));
  }

  /** This object with the metadata field set. */
  public KubeObject withMetadata(String name, Object value) {
    return new KubeObject(json.with("metadata", metadata().with(name, value)));
  }

  /** This object with another status. */
  public KubeObject withStatus(JsonObject status) {
    return new KubeObject(json.with("status", status));
  }

  @Override
  public String toString() {
    return json.toString();
  }
}
