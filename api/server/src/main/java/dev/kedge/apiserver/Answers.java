package dev.kedge.apiserver;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.kedge.http.Headers;
import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Status;
import dev.kedge.model.Yaml;
import java.io.IOException;

/** Writes answers. Stateless. */
final class Answers {
  private Answers() {}

  /** Answers with a failure; JSON, which every client reads, whatever it accepts. */
  static void failure(Call call, Status status) throws IOException {
    call.audit().ifPresent(event -> event.failed(status));
    Headers headers = Headers.of("Content-Type", MediaType.JSON);
    if (status.details().retryAfterSeconds() > 0) {
      headers = headers.and("Retry-After", Long.toString(status.details().retryAfterSeconds()));
    }
    byte[] body =
        pretty(call) ? prettyJson(status.json()) : withLineFeed(Json.bytes(status.json()));
    call.respond(status.code(), headers, body);
  }

  /** Answers with text, as upstream does outside resources. */
  static void text(Call call, int status, String text) throws IOException {
    call.respond(
        status,
        Headers.of(
            "Content-Type", "text/plain; charset=utf-8", "X-Content-Type-Options", "nosniff"),
        text.getBytes(UTF_8));
  }

  /** Answers 404 as a path that nobody serves. */
  static void noSuchPath(Call call) throws IOException {
    text(call, 404, "404 page not found\n");
  }

  /** Answers with a document that is made on the spot, in JSON or, where asked for, YAML. */
  static void document(Call call, int status, JsonObject document) throws IOException {
    for (MediaType clause : MediaType.accepted(call.headers().values("Accept"))) {
      if (clause.accepts(MediaType.JSON)) {
        bytes(
            call,
            status,
            MediaType.JSON,
            pretty(call) ? prettyJson(document) : withLineFeed(Json.bytes(document)));
        return;
      }
      if (clause.accepts(MediaType.YAML)) {
        bytes(call, status, MediaType.YAML, Yaml.write(document).getBytes(UTF_8));
        return;
      }
    }
    throw notAcceptable();
  }

  /** Answers with a body, compressed if it is large and the client accepts that. */
  static void bytes(Call call, int status, String type, byte[] body) throws IOException {
    bytes(call, status, Headers.of("Content-Type", type), body);
  }

  /** As above, with further headers. */
  static void bytes(Call call, int status, Headers headers, byte[] body) throws IOException {
    if (body.length >= AnswerStream.COMPRESSED_FROM && acceptsGzip(call)) {
      AnswerStream out = new AnswerStream(call, status, headers);
      out.write(body);
      out.close();
    } else {
      call.respond(status, headers, body);
    }
  }

  static ApiException notAcceptable() {
    return new ApiException(
        new Status(
            406,
            "NotAcceptable",
            "only the following media types are accepted: application/json, application/yaml,"
                + " application/vnd.kubernetes.protobuf",
            Status.Details.NONE));
  }

  static ApiException unsupportedMediaType(String accepted) {
    return new ApiException(
        new Status(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: "
                + accepted,
            Status.Details.NONE));
  }

  static boolean acceptsGzip(Call call) {
    for (MediaType clause : MediaType.accepted(call.headers().values("Accept-Encoding"))) {
      if (clause.name().equals("gzip")) {
        return true;
      }
    }
    return false;
  }

  /** Whether a person reads: asked for, or a tool that shows raw answers. */
  static boolean pretty(Call call) {
    if (call.query().first("pretty").isPresent()) {
      return Options.flag(call.query(), "pretty");
    }
    String agent = call.header("User-Agent");
    return agent.startsWith("curl") || agent.startsWith("Wget") || agent.startsWith("Mozilla/5.0");
  }

  /** JSON with an indent of two, as upstream's servers write it. */
  static byte[] prettyJson(JsonValue value) {
    StringBuilder out = new StringBuilder();
    pretty(value, "", out);
    return out.append('\n').toString().getBytes(UTF_8);
  }

  private static void pretty(JsonValue value, String indent, StringBuilder out) {
    String inner = indent + "  ";
    switch (value) {
      case JsonObject object when !object.isEmpty() -> {
        for (int i = 0; i < object.size(); i++) {
          out.append(i == 0 ? "{\n" : ",\n").append(inner);
          out.append(Json.write(JsonValue.of(object.nameAt(i)))).append(": ");
          pretty(object.valueAt(i), inner, out);
        }
        out.append('\n').append(indent).append('}');
      }
      case JsonArray array when !array.isEmpty() -> {
        for (int i = 0; i < array.size(); i++) {
          out.append(i == 0 ? "[\n" : ",\n").append(inner);
          pretty(array.items().get(i), inner, out);
        }
        out.append('\n').append(indent).append(']');
      }
      default -> out.append(Json.write(value));
    }
  }

  static byte[] withLineFeed(byte[] json) {
    byte[] line = java.util.Arrays.copyOf(json, json.length + 1);
    line[json.length] = '\n';
    return line;
  }
}
