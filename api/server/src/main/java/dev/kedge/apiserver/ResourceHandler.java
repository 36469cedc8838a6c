package dev.kedge.apiserver;

import dev.kedge.apiserver.Bodies.Decoded;
import dev.kedge.apiserver.Form.Shape;
import dev.kedge.http.Headers;
import dev.kedge.model.ApiException;
import dev.kedge.model.Duplicates;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Status;
import dev.kedge.registry.Registry;
import dev.kedge.registry.Registry.DeleteOptions;
import dev.kedge.registry.Registry.Deleted;
import dev.kedge.registry.Registry.GetOptions;
import dev.kedge.registry.Registry.ListOptions;
import dev.kedge.registry.Registry.PatchType;
import dev.kedge.registry.Registry.Request;
import dev.kedge.registry.Registry.ServedList;
import dev.kedge.registry.Registry.WriteOptions;
import dev.kedge.registry.Registry.Written;
import dev.kedge.registry.ResourceInfo;
import dev.kedge.registry.ResourceInfo.Subresource;
import dev.kedge.registry.ServedObject;
import java.io.IOException;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Requests on resources: reads what is asked from URL and body, lets the registry do it, and writes
 * its answer. Any thread.
 */
final class ResourceHandler {
  /** Kinds whose deletion answers with the object even when it is gone. */
  private static final Set<String> RETURNED_WHEN_DELETED =
      Set.of(
          "pods",
          "persistentvolumes",
          "persistentvolumeclaims",
          "podtemplates",
          "resourcequotas",
          "serviceaccounts",
          "services");

  private final Registry registry;
  private final Bodies bodies;
  private final Renderer renderer;
  private final Watches watches;

  ResourceHandler(Registry registry, Bodies bodies, Renderer renderer, Watches watches) {
    this.registry = registry;
    this.bodies = bodies;
    this.renderer = renderer;
    this.watches = watches;
  }

  void handle(Call call, ResourceInfo resource) throws Exception {
    RequestInfo info = call.info();
    requireScope(call, resource);
    requireVerb(info, resource);
    call.warn(Deprecations.of(resource.type()));
    // The name that a field selector asks for is for the authoriser only.
    String name =
        Set.of("list", "watch", "deletecollection").contains(info.verb()) ? "" : info.name();
    Request request =
        new Request(resource, info.namespace(), name, info.subresource(), call.user());
    switch (info.verb()) {
      case "get" -> get(call, request);
      case "list" -> list(call, request);
      case "watch" -> watches.follow(call, request, info.forcedWatch() ? pathName(info) : "");
      case "create" -> create(call, request);
      case "update" -> update(call, request);
      case "patch" -> patch(call, request);
      case "delete" -> delete(call, request);
      case "deletecollection" -> deleteCollection(call, request);
      default -> throw notAllowed(info);
    }
  }

  /** In old watch URLs the object's name is in the path. */
  private static String pathName(RequestInfo info) {
    return info.path().endsWith("/" + info.name()) ? info.name() : "";
  }

  private void get(Call call, Request request) throws IOException {
    Form form = form(call, request, false);
    ServedObject object =
        registry.get(request, new GetOptions(call.query().text("resourceVersion")));
    one(call, 200, request, object, form);
  }

  private void list(Call call, Request request) throws IOException {
    Form form = form(call, request, true);
    ServedList list = registry.list(request, Options.list(call.query()));
    audited(call, request, list);
    list(call, request, list, form);
  }

  private void create(Call call, Request request) throws IOException {
    Form form = form(call, request, false);
    ResourceType type = documents(request);
    Decoded body = bodies.object(call, type.kind());
    WriteOptions options = options("CreateOptions", call, Optional.empty(), body.duplicates());
    JsonObject object = ofKind(body.object(), type, request);
    written(call, request, registry.create(request, object, options), 201, form);
  }

  private void update(Call call, Request request) throws IOException {
    Form form = form(call, request, false);
    ResourceType type = documents(request);
    Decoded body = bodies.object(call, type.kind());
    WriteOptions options = options("UpdateOptions", call, Optional.empty(), body.duplicates());
    JsonObject object = ofKind(body.object(), type, request);
    written(call, request, registry.update(request, object, options), 200, form);
  }

  private void patch(Call call, Request request) throws IOException {
    Form form = form(call, request, false);
    MediaType media = MediaType.parse(call.header("Content-Type"));
    boolean custom = request.resource().custom();
    PatchType type =
        switch (media.name()) {
          case "application/json-patch+json" -> PatchType.JSON;
          case "application/merge-patch+json" -> PatchType.MERGE;
          case "application/strategic-merge-patch+json" -> {
            if (custom) {
              throw Answers.unsupportedMediaType(patchTypes(true));
            }
            yield PatchType.STRATEGIC;
          }
          case "application/apply-patch+yaml" -> PatchType.APPLY;
          default -> throw Answers.unsupportedMediaType(patchTypes(custom));
        };
    byte[] bytes = Bodies.read(call);
    Set<String> duplicates = new LinkedHashSet<>();
    JsonValue patch;
    if (type == PatchType.APPLY) {
      patch = Bodies.yaml(bytes, documents(request).kind(), duplicates);
    } else {
      try {
        patch = Json.parse(bytes, duplicates);
      } catch (JsonSyntaxException e) {
        throw ApiException.badRequest("error decoding patch: " + e.getMessage());
      }
    }
    call.audit().ifPresent(event -> event.request(patch));
    WriteOptions options =
        options(
            "PatchOptions",
            call,
            Optional.of(type),
            type == PatchType.APPLY ? Bodies.inYaml(duplicates) : Bodies.inJson(duplicates));
    written(call, request, registry.patch(request, type, patch, options), 200, form);
  }

  private static String patchTypes(boolean custom) {
    return "application/json-patch+json, application/merge-patch+json, "
        + (custom ? "" : "application/strategic-merge-patch+json, ")
        + "application/apply-patch+yaml";
  }

  private void delete(Call call, Request request) throws IOException {
    Form form = form(call, request, false);
    DeleteOptions options = Options.delete(call.query(), deleteBody(call));
    Deleted deleted = registry.delete(request, options);
    call.warn(deleted.warnings());
    ResourceType type = request.resource().type();
    if (!deleted.finished() || RETURNED_WHEN_DELETED.contains(type.groupResource())) {
      one(call, 200, request, deleted.object(), form);
      return;
    }
    KubeObject object = deleted.object().tree();
    JsonObject status =
        JsonObject.of(
            "kind",
            "Status",
            "apiVersion",
            "v1",
            "metadata",
            JsonObject.EMPTY,
            "status",
            "Success",
            "details",
            JsonObject.builder()
                .put("name", object.name())
                .putNonEmpty("group", type.group())
                .put("kind", type.plural())
                .put("uid", object.uid())
                .build());
    Form plain = new Form(form.mediaType(), Shape.OBJECT, form.version(), form.pretty());
    Answers.bytes(
        call,
        200,
        form.mediaType(),
        renderer.one(request.resource(), ServedObject.of(new KubeObject(status)), plain, ""));
  }

  private void deleteCollection(Call call, Request request) throws IOException {
    Form form = form(call, request, true);
    ListOptions list = Options.list(call.query());
    ServedList deleted =
        registry.deleteCollection(request, list, Options.delete(call.query(), deleteBody(call)));
    list(call, request, deleted, form);
  }

  private JsonObject deleteBody(Call call) throws IOException {
    String header = call.header("Content-Type");
    boolean plain = MediaType.parse(header).name().equals(MediaType.JSON) || header.isEmpty();
    if (plain) {
      byte[] bytes = Bodies.read(call);
      if (bytes.length == 0) {
        return JsonObject.EMPTY;
      }
      JsonValue value = Bodies.json(bytes, "DeleteOptions", new LinkedHashSet<>());
      call.audit().ifPresent(event -> event.request(value));
      return value instanceof JsonObject object ? object : JsonObject.EMPTY;
    }
    return bodies.object(call, "DeleteOptions").object();
  }

  private void written(Call call, Request request, Written written, int status, Form form)
      throws IOException {
    call.warn(written.warnings());
    one(call, written.created() ? 201 : status == 201 ? 201 : 200, request, written.object(), form);
  }

  private void list(Call call, Request request, ServedList list, Form form) throws IOException {
    AnswerStream out = new AnswerStream(call, 200, Headers.of("Content-Type", form.mediaType()));
    renderer.list(request.resource(), list, form, include(call), out);
    out.close();
  }

  private static void audited(Call call, Request request, ServedList list) {
    call.audit()
        .ifPresent(
            event ->
                event.response(
                    () ->
                        JsonObject.of(
                            "kind",
                            request.resource().type().kind() + "List",
                            "apiVersion",
                            request.resource().type().apiVersion(),
                            "metadata",
                            JsonObject.of("resourceVersion", list.resourceVersion()),
                            "items",
                            list.items().stream().map(item -> item.glance().json()).toList())));
  }

  private void one(Call call, int status, Request request, ServedObject object, Form form)
      throws IOException {
    call.audit().ifPresent(event -> event.response(() -> object.tree().json()));
    Answers.bytes(
        call,
        status,
        form.mediaType(),
        renderer.one(request.resource(), object, form, include(call)));
  }

  /** Kinds that are only asked, such as access reviews, have no rows and no metadata to show. */
  private Form form(Call call, Request request, boolean list) {
    return Form.of(
        call,
        renderer.hasProtobuf(request.resource()),
        request.resource().verbs().contains("get")
            && Set.of("", "status", "scale").contains(request.subresource()),
        list);
  }

  /** What of the objects goes into the rows of a table. */
  static String include(Call call) {
    String include = call.query().text("includeObject");
    return switch (include) {
      case "", "Metadata" -> "Metadata";
      case "None", "Object" -> include;
      default ->
          throw ApiException.badRequest("unrecognized includeObject value: \"" + include + "\"");
    };
  }

  private static WriteOptions options(
      String kind, Call call, Optional<PatchType> patch, Duplicates duplicates) {
    return Options.write(kind, call.query(), call.header("User-Agent"), patch, duplicates);
  }

  /** The type of the documents that a request's body holds. */
  private static ResourceType documents(Request request) {
    return request.subresource().isEmpty()
        ? request.resource().type()
        : request
            .resource()
            .subresource(request.subresource())
            .map(Subresource::type)
            .orElse(request.resource().type());
  }

  /** The body with its kind; a body that leaves it out is of the kind that is expected. */
  private static JsonObject ofKind(JsonObject body, ResourceType type, Request request) {
    String kind = body.text("kind");
    String apiVersion = body.text("apiVersion");
    if (kind.isEmpty() && apiVersion.isEmpty()) {
      return JsonObject.builder()
          .put("kind", type.kind())
          .put("apiVersion", type.apiVersion())
          .putAll(body.without("kind").without("apiVersion"))
          .build();
    }
    if (kind.isEmpty()) {
      throw ApiException.badRequest(
          "Object 'Kind' is missing in '" + abbreviated(Json.write(body)) + "'");
    }
    if (!kind.equals(type.kind())) {
      throw ApiException.badRequest(
          kind
              + " in version \""
              + shortVersion(apiVersion)
              + "\" cannot be handled as a "
              + type.kind()
              + ": expected "
              + type.apiVersion()
              + " "
              + type.kind());
    }
    if (!apiVersion.isEmpty() && !apiVersion.equals(type.apiVersion())) {
      // Scales are written in the versions of several groups.
      if (!request.subresource().isEmpty()) {
        return body.with("apiVersion", type.apiVersion());
      }
      throw ApiException.badRequest(
          "the API version in the data ("
              + apiVersion
              + ") does not match the expected API version ("
              + type.apiVersion()
              + ")");
    }
    return body.with("apiVersion", type.apiVersion());
  }

  private static String shortVersion(String apiVersion) {
    return apiVersion.substring(apiVersion.indexOf('/') + 1);
  }

  private static String abbreviated(String text) {
    return text.length() <= 256 ? text : text.substring(0, 256) + "...";
  }

  /** Namespaced resources are asked for in a namespace, or as a whole; others without one. */
  private static void requireScope(Call call, ResourceInfo resource) {
    RequestInfo info = call.info();
    boolean collection = Set.of("list", "watch").contains(info.verb());
    boolean named = !info.namespace().isEmpty();
    boolean isNamespace = resource.type().groupResource().equals("namespaces");
    if (resource.type().namespaced() ? !named && !collection : named && !isNamespace) {
      if (resource.type().namespaced() && info.verb().matches("create|deletecollection")) {
        throw notAllowed(info);
      }
      throw new ApiException(
          new Status(
              404,
              "NotFound",
              "the server could not find the requested resource",
              Status.Details.NONE));
    }
  }

  private static void requireVerb(RequestInfo info, ResourceInfo resource) {
    if (info.subresource().isEmpty()) {
      if (!resource.verbs().contains(info.verb())) {
        throw notAllowed(info);
      }
      return;
    }
    Subresource sub =
        resource
            .subresource(info.subresource())
            .orElseThrow(
                () ->
                    new ApiException(
                        new Status(
                            404,
                            "NotFound",
                            "the server could not find the requested resource",
                            Status.Details.NONE)));
    if (!sub.verbs().contains(info.verb())) {
      throw notAllowed(info);
    }
  }

  static ApiException notAllowed(RequestInfo info) {
    return new ApiException(
        new Status(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
            new Status.Details("", info.group(), info.resource(), "", List.of(), 0)));
  }
}
