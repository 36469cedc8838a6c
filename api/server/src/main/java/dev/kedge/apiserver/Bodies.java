package dev.kedge.apiserver;

import dev.kedge.http.BodyTooLargeException;
import dev.kedge.http.BrokenBodyException;
import dev.kedge.model.ApiException;
import dev.kedge.model.Duplicates;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Yaml;
import java.io.IOException;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** Reads the bodies of requests. Stateless. */
final class Bodies {
  /** Largest body that is read, in bytes, as upstream. */
  static final int LIMIT = 3 * 1024 * 1024;

  private static final long PATIENCE = 16L * 1024 * 1024;

  private static final String ACCEPTED =
      "application/json, application/yaml, application/vnd.kubernetes.protobuf";

  private final ProtobufForms protobuf;

  Bodies(ProtobufForms protobuf) {
    this.protobuf = protobuf;
  }

  /** An object and what stood twice in its text. */
  record Decoded(JsonObject object, Duplicates duplicates) {}

  /** The whole body. */
  static byte[] read(Call call) throws IOException {
    try {
      return call.readBody(LIMIT);
    } catch (BrokenBodyException e) {
      throw new ApiException(ApiException.badRequest("unexpected EOF").status(), e);
    } catch (BodyTooLargeException _) {
      // Most clients look at an answer only once their body is sent; a little more patience than
      // the limit lets them have it.
      call.body().skip(PATIENCE);
      throw ApiException.tooLarge("Request entity too large: limit is " + LIMIT);
    }
  }

  /**
   * The body as one object.
   *
   * @param kind named in the failure
   */
  Decoded object(Call call, String kind) throws IOException {
    String header = call.header("Content-Type");
    MediaType type = MediaType.parse(header.isEmpty() ? MediaType.JSON : header);
    Set<String> repeated = new LinkedHashSet<>();
    JsonValue value;
    switch (type.name()) {
      case MediaType.JSON -> value = json(read(call), kind, repeated);
      case MediaType.YAML -> value = yaml(read(call), kind, repeated);
      case MediaType.PROTOBUF -> value = protobuf.read(read(call));
      default -> throw Answers.unsupportedMediaType(ACCEPTED);
    }
    call.audit().ifPresent(event -> event.request(value));
    if (value instanceof JsonObject object) {
      return new Decoded(
          object, type.name().equals(MediaType.YAML) ? inYaml(repeated) : inJson(repeated));
    }
    throw unrecognized(kind, "couldn't get version/kind; the body is " + value.typeName());
  }

  static Duplicates inJson(Set<String> repeated) {
    return new Duplicates(List.copyOf(repeated), List.of());
  }

  static Duplicates inYaml(Set<String> repeated) {
    return new Duplicates(List.of(), List.copyOf(repeated));
  }

  /** JSON of any shape. */
  static JsonValue json(byte[] bytes, String kind, Set<String> duplicates) {
    try {
      return Json.parse(bytes, duplicates);
    } catch (JsonSyntaxException e) {
      throw unrecognized(kind, "couldn't get version/kind; json parse error: " + e.getMessage());
    }
  }

  /** YAML of any shape. */
  static JsonValue yaml(byte[] bytes, String kind, Set<String> duplicates) {
    try {
      return Yaml.parse(bytes, duplicates);
    } catch (JsonSyntaxException e) {
      throw unrecognized(kind, "couldn't get version/kind; yaml parse error: " + e.getMessage());
    }
  }

  private static ApiException unrecognized(String kind, String why) {
    return ApiException.badRequest(
        "the object provided is unrecognized (must be of type " + kind + "): " + why);
  }
}
