package dev.kedge.apiserver;

import dev.kedge.apiserver.Aggregator.Remotes;
import dev.kedge.http.Headers;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.registry.Catalog;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/**
 * The OpenAPI documents: {@code /openapi/v2}, the index at {@code /openapi/v3}, and a document per
 * group and version. Each is made when first asked for and kept until the catalogue changes. Any
 * thread.
 */
final class OpenApiHandler {
  private final Supplier<Catalog> catalogs;
  private final Supplier<Remotes> remotes;
  private final OpenApiDocuments documents;
  private final String program;
  private volatile Made made;

  private static final class Made {
    final Catalog catalog;
    final Remotes remotes;
    final Map<String, Supplier<JsonObject>> v3;
    final Map<String, Document> ready = new ConcurrentHashMap<>();

    Made(Catalog catalog, Remotes remotes, Map<String, Supplier<JsonObject>> v3) {
      this.catalog = catalog;
      this.remotes = remotes;
      this.v3 = v3;
    }
  }

  private record Document(byte[] bytes, String tag) {}

  /**
   * A handler.
   *
   * @param program names the program's version: documents of built-in kinds change with it alone
   */
  OpenApiHandler(
      Supplier<Catalog> catalogs,
      Supplier<Remotes> remotes,
      OpenApiDocuments documents,
      String program) {
    this.catalogs = catalogs;
    this.remotes = remotes;
    this.documents = documents;
    this.program = program;
    Catalog catalog = catalogs.get();
    this.made = new Made(catalog, remotes.get(), documents.v3(catalog));
  }

  private Made current() {
    Catalog catalog = catalogs.get();
    Remotes others = remotes.get();
    Made known = made;
    if (known.catalog.version() != catalog.version()
        || known.remotes.version() != others.version()) {
      known = new Made(catalog, others, documents.v3(catalog));
      made = known;
    }
    return known;
  }

  /** The paths below {@code /openapi/v3/}. */
  Set<String> paths() {
    return current().v3.keySet();
  }

  /** Answers a path that begins with {@code openapi}. */
  void handle(Call call, Stage.Next next, List<String> path) throws Exception {
    String version = path.size() > 1 ? path.get(1) : "";
    if (version.equals("v2") && path.size() == 2) {
      v2(call);
    } else if (version.equals("v3") && path.size() == 2) {
      index(call);
    } else if (version.equals("v3")) {
      v3(call, next, String.join("/", path.subList(2, path.size())));
    } else {
      next.handle(call);
    }
  }

  private void v2(Call call) throws Exception {
    for (MediaType clause : MediaType.accepted(call.headers().values("Accept"))) {
      if (clause.accepts(MediaType.JSON)) {
        respond(call, v2(), Headers.of("Content-Type", MediaType.JSON, "Vary", "Accept"));
        return;
      }
      if (clause.name().equals(OpenApiProtobuf.MEDIA_TYPE)
          || clause.name().equals(OpenApiProtobuf.OLD_MEDIA_TYPE)) {
        respond(
            call,
            v2Protobuf(),
            Headers.of("Content-Type", OpenApiProtobuf.MEDIA_TYPE, "Vary", "Accept"));
        return;
      }
    }
    Answers.text(call, 406, "not acceptable\n");
  }

  private Document v2() {
    Made known = current();
    return known.ready.computeIfAbsent(
        "v2", _ -> document(RemoteOpenApi.merged(documents.v2(known.catalog), known.remotes)));
  }

  private Document v2Protobuf() {
    Made known = current();
    return known.ready.computeIfAbsent(
        "v2 protobuf",
        _ -> {
          byte[] bytes =
              OpenApiProtobuf.of(RemoteOpenApi.merged(documents.v2(known.catalog), known.remotes));
          return new Document(bytes, Discovery.tag(bytes));
        });
  }

  private void index(Call call) throws Exception {
    Made known = current();
    JsonObject.Builder paths = JsonObject.builder();
    known.v3.keySet().stream()
        .sorted()
        .forEach(
            path ->
                paths.put(
                    path,
                    JsonObject.of(
                        "serverRelativeURL",
                        "/openapi/v3/" + path + "?hash=" + hash(known, path))));
    known
        .remotes
        .all()
        .values()
        .forEach(
            api -> {
              if (!api.served().v3Path().isEmpty()) {
                paths.put(
                    api.version().path().substring(1),
                    JsonObject.of("serverRelativeURL", api.served().v3Path()));
              }
            });
    Answers.bytes(
        call,
        200,
        MediaType.JSON,
        Answers.withLineFeed(Json.bytes(JsonObject.of("paths", paths.build()))));
  }

  private void v3(Call call, Stage.Next next, String path) throws Exception {
    Made known = current();
    for (RemoteApi api : known.remotes.all().values()) {
      if (("/" + path).equals(api.version().path())) {
        api.forward(call);
        return;
      }
    }
    if (!known.v3.containsKey(path)) {
      next.handle(call);
      return;
    }
    Document document = made(known, path);
    String asked = call.query().text("hash");
    String hash = hash(known, path);
    if (!asked.isEmpty() && !asked.equals(hash)) {
      call.respond(
          301, Headers.of("Location", "/openapi/v3/" + path + "?hash=" + hash), new byte[0]);
      return;
    }
    Headers headers = Headers.of("Content-Type", MediaType.JSON, "Vary", "Accept");
    if (!asked.isEmpty()) {
      // What an address with a hash stands for never changes.
      headers = headers.and("Cache-Control", "public, immutable");
    }
    respond(call, document, headers);
  }

  private static void respond(Call call, Document document, Headers headers) throws Exception {
    Headers tagged = headers.and("ETag", document.tag());
    if (call.headers().values("If-None-Match").contains(document.tag())) {
      call.respond(304, tagged.without("Content-Type"), new byte[0]);
      return;
    }
    Answers.bytes(call, 200, tagged, document.bytes());
  }

  /**
   * Names a version of a document. Those of built-in kinds need not be made for that; those of
   * custom resources are, for a restart may bring other definitions under the same numbers.
   */
  private String hash(Made known, String path) {
    boolean custom =
        known.catalog.all().stream()
            .anyMatch(
                info ->
                    info.custom()
                        && path.equals(
                            "apis/" + info.type().group() + "/" + info.type().version()));
    String tag =
        custom
            ? made(known, path).tag()
            : Discovery.tag((path + "@" + program).getBytes(StandardCharsets.UTF_8));
    return tag.substring(1, tag.length() - 1);
  }

  private static Document made(Made known, String path) {
    Supplier<JsonObject> make = known.v3.get(path);
    return known.ready.computeIfAbsent(
        path, _ -> document(make == null ? JsonObject.EMPTY : make.get()));
  }

  private static Document document(JsonObject document) {
    byte[] json = Json.bytes(document);
    return new Document(json, Discovery.tag(json));
  }
}
