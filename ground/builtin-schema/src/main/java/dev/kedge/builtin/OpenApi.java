package dev.kedge.builtin;

import dev.kedge.builtin.BuiltinResource.Subresource;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Schema;
import dev.kedge.model.Schema.Field;
import dev.kedge.model.Schema.ListType;
import dev.kedge.model.Schema.Rules;
import dev.kedge.model.Schema.Treatment;
import dev.kedge.model.Schema.Type;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Renders the OpenAPI documents of what is served: one v3 document per group and version ({@code
 * /openapi/v3/apis/apps/v1}) and the v2 document of everything ({@code /openapi/v2}). They are made
 * anew with every call, so callers keep them. One call, one thread.
 */
public final class OpenApi {
  private static final String META = "io.k8s.apimachinery.pkg.apis.meta.v1.";
  private static final String VERSION = "io.k8s.apimachinery.pkg.version.Info";
  private static final List<String> PRODUCED =
      List.of("application/json", "application/yaml", "application/vnd.kubernetes.protobuf");
  private static final List<String> PATCHES =
      List.of(
          "application/json-patch+json",
          "application/merge-patch+json",
          "application/strategic-merge-patch+json",
          "application/apply-patch+yaml");

  private static final String CONVENTIONS =
      "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";

  /** Its fields apiVersion, kind and metadata are described as those of every custom resource. */
  private static final GroupVersionKind POD = new GroupVersionKind("", "v1", "Pod");

  private static final GroupVersionKind LOG_OPTIONS =
      new GroupVersionKind("", "v1", "PodLogOptions");

  private static final Descriptions.Texts EMBEDDED =
      new Descriptions.Texts(
          "",
          Map.of(
              "apiVersion",
              "apiVersion defines the versioned schema of this representation of an object. More"
                  + " info: "
                  + CONVENTIONS
                  + "#resources",
              "kind",
              "kind is a string value representing the type of this object. In CamelCase. More"
                  + " info: "
                  + CONVENTIONS
                  + "#types-kinds",
              "metadata",
              "Standard object's metadata. More info: " + CONVENTIONS + "#metadata"));

  private final boolean v3;
  private final Descriptions descriptions = new Descriptions();
  private final Enumerations enumerations = new Enumerations();
  private final Map<String, JsonObject> definitions = new TreeMap<>();
  private final Map<String, Set<GroupVersionKind>> kinds = new LinkedHashMap<>();
  private final Map<String, Set<GroupVersionKind>> builtinKinds = new LinkedHashMap<>();
  private final Set<String> asked = new HashSet<>();
  private final Deque<Schema> waiting = new ArrayDeque<>();

  private OpenApi(boolean v3) {
    this.v3 = v3;
    for (BuiltinResource resource : BuiltinResources.all()) {
      GroupVersionKind kind = resource.type().groupVersionKind();
      builtinKinds.put(name(kind), Set.of(kind));
    }
  }

  /**
   * A served resource.
   *
   * @param schema of its documents, from {@link BuiltinSchemas} or from a CustomResourceDefinition
   */
  public record Resource(
      ResourceType type, Set<String> verbs, List<Subresource> subresources, Schema schema) {
    public Resource {
      verbs = Set.copyOf(verbs);
      subresources = List.copyOf(subresources);
    }

    /** A built-in resource. */
    public static Resource of(BuiltinResource resource) {
      return new Resource(
          resource.type(), resource.verbs(), resource.subresources(), resource.schema());
    }
  }

  /** The v3 document of one group and version; {@code resources} are those of it. */
  public static JsonObject v3(String group, String version, List<Resource> resources) {
    OpenApi api = new OpenApi(true);
    JsonObject.Builder paths = JsonObject.builder();
    if (resources.stream().map(Resource::type).anyMatch(OpenApi::isBuiltin)) {
      paths.put(discoveryPath(group, version), api.discovery(group, version));
    }
    paths.putAll(api.paths(resources));
    api.define(resources);
    return api.v3(paths.build());
  }

  /**
   * The v3 document of a path that discovery answers besides those of groups and versions: {@code
   * api}, {@code apis}, {@code apis/apps}, or of {@code version}.
   */
  public static JsonObject v3(String path) {
    OpenApi api = new OpenApi(true);
    JsonObject paths = JsonObject.of("/" + path + "/", api.root(path));
    api.define(List.of());
    return api.v3(paths);
  }

  private JsonObject v3(JsonObject paths) {
    return JsonObject.of(
        "openapi",
        "3.0.0",
        "info",
        JsonObject.of("title", "Kubernetes", "version", "v1.36.0"),
        "paths",
        paths,
        "components",
        JsonObject.of("schemas", object(definitions), "securitySchemes", securitySchemes()));
  }

  /** The v2 (swagger) document of everything served. */
  public static JsonObject v2(List<Resource> resources) {
    OpenApi api = new OpenApi(false);
    Map<String, JsonObject> discovery = new TreeMap<>();
    roots(resources.stream().map(Resource::type).toList())
        .forEach(path -> discovery.put("/" + path + "/", api.root(path)));
    for (Resource resource : resources) {
      ResourceType type = resource.type();
      if (isBuiltin(type)) {
        discovery.computeIfAbsent(
            discoveryPath(type.group(), type.version()),
            _ -> api.discovery(type.group(), type.version()));
      }
    }
    JsonObject.Builder paths = JsonObject.builder().putAll(object(discovery));
    paths.putAll(api.paths(resources));
    api.define(resources);
    return JsonObject.of(
        "swagger",
        "2.0",
        "info",
        JsonObject.of("title", "Kubernetes", "version", "v1.36.0"),
        "paths",
        paths.build(),
        "definitions",
        object(api.definitions),
        "securityDefinitions",
        securitySchemes(),
        "security",
        JsonArray.of(JsonObject.of("BearerToken", JsonArray.EMPTY)));
  }

  /**
   * The paths of {@link #v3(String)} where resources of these types are served. As upstream's,
   * documents say nothing of the discovery of custom resources.
   */
  public static Set<String> roots(Collection<ResourceType> types) {
    Set<String> paths = new TreeSet<>(Set.of("api", "apis", "version"));
    for (ResourceType type : types) {
      if (isBuiltin(type) && !type.group().isEmpty()) {
        paths.add("apis/" + type.group());
      }
    }
    return paths;
  }

  private static boolean isBuiltin(ResourceType type) {
    return BuiltinSchemas.has(name(type.groupVersionKind()));
  }

  private static JsonObject securitySchemes() {
    return JsonObject.of(
        "BearerToken",
        JsonObject.of(
            "type",
            "apiKey",
            "description",
            "Bearer Token authentication",
            "name",
            "authorization",
            "in",
            "header"));
  }

  private static JsonObject object(Map<String, JsonObject> map) {
    JsonObject.Builder builder = JsonObject.builder();
    map.forEach(builder::put);
    return builder.build();
  }

  // Definitions

  private void define(List<Resource> resources) {
    for (Resource resource : resources) {
      kind(resource.type().groupVersionKind());
      GroupVersionKind list = listKind(resource.type());
      kind(list);
      for (String everywhere : List.of("DeleteOptions", "WatchEvent")) {
        Set<GroupVersionKind> known =
            kinds.computeIfAbsent(META + everywhere, _ -> new LinkedHashSet<>());
        known.add(new GroupVersionKind("", "v1", everywhere));
        known.add(
            new GroupVersionKind(resource.type().group(), resource.type().version(), everywhere));
      }
      for (Subresource sub : resource.subresources()) {
        kind(sub.type().groupVersionKind());
      }
    }
    for (String kind :
        List.of("Status", "APIResourceList", "APIGroup", "APIGroupList", "APIVersions")) {
      kinds.put(META + kind, Set.of(new GroupVersionKind("", "v1", kind)));
    }
    for (Resource resource : resources) {
      if (!isBuiltin(resource.type())) {
        custom(resource);
      } else if (resource.verbs().contains("watch")) {
        // Nothing refers to it: a watch is told as a list with a parameter.
        reference(BuiltinSchemas.definition(META + "WatchEvent"));
      }
    }
    for (Schema next = waiting.poll(); next != null; next = waiting.poll()) {
      definitions.put(next.name(), extended(next.name(), body(next)));
    }
  }

  private void kind(GroupVersionKind kind) {
    kinds.computeIfAbsent(name(kind), _ -> new LinkedHashSet<>()).add(kind);
  }

  private static GroupVersionKind listKind(ResourceType type) {
    return new GroupVersionKind(type.group(), type.version(), type.kind() + "List");
  }

  /** The definition's name: that of a built-in kind, or the group's labels in reverse. */
  private static String name(GroupVersionKind kind) {
    String builtin = BuiltinSchemas.definitionName(kind);
    if (BuiltinSchemas.has(builtin)) {
      return builtin;
    }
    List<String> labels = new ArrayList<>(Arrays.asList(kind.group().split("\\.")));
    Collections.reverse(labels);
    return String.join(".", labels) + "." + kind.version() + "." + kind.kind();
  }

  private void custom(Resource resource) {
    GroupVersionKind kind = resource.type().groupVersionKind();
    String name = name(kind);
    Map<String, String> texts =
        new LinkedHashMap<>(descriptions.of(BuiltinSchemas.ofKind(POD)).fields());
    texts.keySet().retainAll(Set.of("apiVersion", "kind", "metadata"));
    Descriptions.Texts own = new Descriptions.Texts("", texts);
    // With properties, kubectl would refuse all others; without, it takes what the server takes.
    boolean free = !v3 && resource.schema().rules().preserveUnknown();
    definitions.put(
        name,
        extended(name, free ? JsonObject.of("type", "object") : body(resource.schema(), own)));
    String list = name(listKind(resource.type()));
    definitions.put(
        list,
        extended(
            list,
            JsonObject.of(
                "description",
                kind.kind() + "List is a list of " + kind.kind(),
                "type",
                "object",
                "required",
                List.of("items"),
                "properties",
                JsonObject.of(
                    "apiVersion",
                    text(texts.getOrDefault("apiVersion", "")),
                    "kind",
                    text(texts.getOrDefault("kind", "")),
                    "metadata",
                    described(
                        BuiltinSchemas.definition(META + "ListMeta"),
                        "Standard list metadata. More info: " + CONVENTIONS + "#types-kinds"),
                    "items",
                    JsonObject.of(
                        "description",
                        "List of " + resource.type().plural() + ". More info: " + CONVENTIONS,
                        "type",
                        "array",
                        "items",
                        JsonObject.of("$ref", path(name)))))));
  }

  private static JsonObject text(String description) {
    return JsonObject.builder()
        .putNonEmpty("description", description)
        .put("type", "string")
        .build();
  }

  private JsonObject described(Schema definition, String description) {
    JsonObject reference = reference(definition);
    return (v3 ? JsonObject.of("allOf", JsonArray.of(reference)) : reference)
        .with("description", description);
  }

  private JsonObject extended(String name, JsonObject body) {
    Set<GroupVersionKind> known =
        kinds.getOrDefault(name, builtinKinds.getOrDefault(name, Set.of()));
    return known.isEmpty()
        ? body
        : body.with(
            "x-kubernetes-group-version-kind",
            new JsonArray(known.stream().<JsonValue>map(OpenApi::gvk).toList()));
  }

  private static JsonObject gvk(GroupVersionKind kind) {
    return JsonObject.of("group", kind.group(), "kind", kind.kind(), "version", kind.version());
  }

  private String path(String definition) {
    return (v3 ? "#/components/schemas/" : "#/definitions/") + definition;
  }

  private JsonObject reference(Schema schema) {
    if (asked.add(schema.name())) {
      waiting.add(schema);
    }
    return JsonObject.of("$ref", path(schema.name()));
  }

  /** A schema in place: a reference for a definition, else its body. */
  private JsonObject render(Schema schema) {
    return isPlain(schema) ? body(schema) : reference(schema);
  }

  /** Named lists are wrapped in protobuf only; in JSON they are lists like any other. */
  private static boolean isPlain(Schema schema) {
    return schema.name().isEmpty() || schema.type() == Type.LIST;
  }

  private JsonObject body(Schema schema) {
    return schema.rules().embeddedResource()
        ? body(schema, EMBEDDED)
        : body(schema, descriptions.of(schema));
  }

  private JsonObject body(Schema schema, Descriptions.Texts texts) {
    JsonObject.Builder out = JsonObject.builder();
    out.putNonEmpty("description", texts.text().isEmpty() ? schema.description() : texts.text());
    if (!v3 && (schema.rules().nullable() || schema.rules().preserveUnknown())) {
      // v2 has neither null nor open objects; as upstream, it says nothing of such values rather
      // than something that kubectl would hold against them.
      if (schema.type() == Type.MAP) {
        out.put("additionalProperties", render(schema.item()));
      }
      rules(out, schema.rules(), schema.type());
      return out.build();
    }
    switch (schema.type()) {
      case OBJECT -> {
        out.put("type", "object");
        List<String> required = new ArrayList<>();
        JsonObject.Builder properties = JsonObject.builder();
        for (Field field : schema.fields().values()) {
          if (field.required() && (v3 || !field.schema().get().rules().nullable())) {
            required.add(field.name());
          }
          JsonObject property = field(field, texts);
          properties.put(field.name(), enumerations.in(schema.name(), field.name(), property));
        }
        if (schema.rules().embeddedResource()) {
          for (String name : List.of("kind", "apiVersion")) {
            if (!required.contains(name)) {
              required.add(name);
            }
          }
        }
        out.putNonEmpty("required", required);
        out.putNonEmpty("properties", properties.build());
      }
      case MAP -> {
        out.put("type", "object");
        out.put("additionalProperties", render(schema.item()));
      }
      case LIST -> {
        out.put("type", "array");
        out.put("items", render(schema.item()));
      }
      case STRING -> out.put("type", "string");
      case BYTES -> out.put("type", "string").put("format", "byte");
      case BOOLEAN -> out.put("type", "boolean");
      case INTEGER -> out.put("type", "integer");
      case NUMBER -> out.put("type", "number");
      case QUANTITY -> either(out, "string", "number");
      case INT_OR_STRING -> {
        if (schema.name().isEmpty()) {
          out.put("x-kubernetes-int-or-string", true);
        } else {
          either(out.put("format", "int-or-string"), "integer", "string");
        }
      }
      case TIME, MICRO_TIME -> out.put("type", "string").put("format", "date-time");
      case DURATION -> out.put("type", "string");
      case FIELDS_V1, RAW_EXTENSION -> out.put("type", "object");
      case ANY -> {}
    }
    if (schema.name().isEmpty() || schema.treatment().atomic()) {
      treatment(out, schema.treatment());
    }
    rules(out, schema.rules(), schema.type());
    return out.build();
  }

  /** v2 cannot say "either of two types": strings there, as upstream writes. */
  private void either(JsonObject.Builder out, String first, String second) {
    if (v3) {
      out.put("oneOf", JsonArray.of(JsonObject.of("type", first), JsonObject.of("type", second)));
    } else {
      out.put("type", "string");
    }
  }

  private void rules(JsonObject.Builder out, Rules rules, Type type) {
    boolean plain =
        switch (type) {
          case STRING, INTEGER, NUMBER, BOOLEAN -> true;
          default -> false;
        };
    if (plain) {
      out.putNonEmpty("format", rules.format());
    }
    if (rules.nullable() && v3) {
      out.put("nullable", true);
    }
    boolean free = type == Type.ANY || type == Type.RAW_EXTENSION || type == Type.FIELDS_V1;
    if (rules.preserveUnknown() && !free) {
      out.put("x-kubernetes-preserve-unknown-fields", true);
    }
    if (rules.embeddedResource()) {
      out.put("x-kubernetes-embedded-resource", true);
    }
    out.putNonEmpty("enum", rules.enumValues());
    JsonObject others = rules.openApi();
    if (!v3) {
      others = others.without("allOf").without("anyOf").without("oneOf").without("not");
    }
    out.putAll(others);
  }

  private JsonObject field(Field field, Descriptions.Texts texts) {
    Schema schema = field.schema().get();
    String builtinText = texts.fields().getOrDefault(field.name(), "");
    String text = builtinText.isEmpty() ? field.description() : builtinText;
    JsonObject.Builder out = JsonObject.builder();
    JsonValue published = texts.defaults().get(field.name());
    if (v3 && published != null) {
      out.put("default", published);
    }
    if (isPlain(schema)) {
      out.putAll(body(schema));
      // What a custom resource defaults is published; what built-in kinds do is in the texts.
      if (schema.rules() != Rules.NONE && field.number() == 0) {
        field.defaultValue().ifPresent(value -> out.put("default", value));
      }
    } else if (v3) {
      out.put("allOf", JsonArray.of(reference(schema)));
    } else {
      out.putAll(reference(schema));
    }
    out.putNonEmpty("description", text);
    // A struct that is atomic says so in its own definition.
    treatment(
        out,
        schema.name().isEmpty() || !schema.treatment().atomic()
            ? field.treatment()
            : new Treatment(
                field.treatment().listType(),
                field.treatment().listMapKeys(),
                false,
                field.treatment().patchStrategy(),
                field.treatment().patchMergeKey()));
    return out.build();
  }

  private static void treatment(JsonObject.Builder out, Treatment treatment) {
    if (treatment.listType() != ListType.ATOMIC) {
      out.put("x-kubernetes-list-type", treatment.listType().name().toLowerCase(Locale.ROOT));
      out.putNonEmpty("x-kubernetes-list-map-keys", treatment.listMapKeys());
    }
    if (treatment.atomic()) {
      out.put("x-kubernetes-map-type", "atomic");
    }
    out.putNonEmpty(
        "x-kubernetes-patch-strategy", String.join(",", new TreeSet<>(treatment.patchStrategy())));
    out.putNonEmpty("x-kubernetes-patch-merge-key", treatment.patchMergeKey());
  }

  // Paths

  private static String discoveryPath(String group, String version) {
    return group.isEmpty() ? "/api/" + version + "/" : "/apis/" + group + "/" + version + "/";
  }

  private JsonObject discovery(String group, String version) {
    return asked(
        "get available resources",
        "get" + camel(group.isEmpty() ? "core" : group) + camel(version) + "APIResources",
        META + "APIResourceList",
        tag(group, version));
  }

  private JsonObject root(String path) {
    return switch (path) {
      case "version" ->
          asked(
              "get the version information for this server", "getCodeVersion", VERSION, "version");
      case "api" ->
          asked("get available API versions", "getCoreAPIVersions", META + "APIVersions", "core");
      case "apis" ->
          asked("get available API versions", "getAPIVersions", META + "APIGroupList", "apis");
      default -> {
        String group = path.substring("apis/".length());
        yield asked(
            "get information of a group",
            "get" + camel(group) + "APIGroup",
            META + "APIGroup",
            tag(group));
      }
    };
  }

  private JsonObject asked(String text, String id, String answer, String tag) {
    return JsonObject.of(
        "get",
        operation(
            text,
            id,
            List.of(),
            Optional.empty(),
            Optional.of(BuiltinSchemas.definition(answer)),
            tag));
  }

  private JsonObject paths(List<Resource> resources) {
    Map<String, JsonObject> paths = new TreeMap<>();
    for (Resource resource : resources) {
      ResourceType type = resource.type();
      Set<String> verbs = resource.verbs();
      String kind = type.kind();
      String specified = "the specified " + kind;
      String collection = type.namespaced() ? type.path("{namespace}") : type.path("");
      JsonObject.Builder whole = JsonObject.builder();
      if (verbs.contains("list")) {
        whole.put("get", listing(resource, type.namespaced() ? "Namespaced" : "", ""));
      }
      if (verbs.contains("create")) {
        whole.put("post", action(resource, "post", "create", "create " + some(kind), ""));
      }
      if (verbs.contains("deletecollection")) {
        whole.put("delete", deleteCollection(resource));
      }
      put(paths, collection, whole, parameters(type, false));
      if (type.namespaced() && verbs.contains("list")) {
        put(
            paths,
            type.path(""),
            JsonObject.builder().put("get", listing(resource, "", "ForAllNamespaces")),
            List.of(query("pretty", "string")));
      }
      JsonObject.Builder single = JsonObject.builder();
      if (verbs.contains("get")) {
        single.put("get", action(resource, "get", "read", "read " + specified, ""));
      }
      if (verbs.contains("update")) {
        single.put("put", action(resource, "put", "replace", "replace " + specified, ""));
      }
      if (verbs.contains("patch")) {
        single.put(
            "patch", action(resource, "patch", "patch", "partially update " + specified, ""));
      }
      if (verbs.contains("delete")) {
        single.put("delete", action(resource, "delete", "delete", "delete " + some(kind), ""));
      }
      put(paths, collection + "/{name}", single, parameters(type, true));
      for (Subresource sub : resource.subresources()) {
        subresource(paths, resource, collection, sub);
      }
    }
    return object(paths);
  }

  private void subresource(
      Map<String, JsonObject> paths, Resource resource, String collection, Subresource sub) {
    boolean connect = sub.type().kind().endsWith("Options");
    JsonObject.Builder operations = JsonObject.builder();
    Resource target = new Resource(resource.type(), sub.verbs(), List.of(), resource.schema());
    if (connect) {
      connections(operations, resource, sub, camel(sub.name()));
    } else {
      Schema documents =
          sub.type().groupVersionKind().equals(resource.type().groupVersionKind())
              ? resource.schema()
              : BuiltinSchemas.ofKind(sub.type().groupVersionKind());
      for (String verb : new TreeSet<>(sub.verbs())) {
        String method =
            switch (verb) {
              case "create" -> "post";
              case "update" -> "put";
              default -> verb;
            };
        String word =
            switch (verb) {
              case "get" -> "read";
              case "update" -> "replace";
              default -> verb;
            };
        String kind = resource.type().kind();
        JsonObject operation =
            action(
                target,
                documents,
                sub.type().groupVersionKind(),
                method,
                word,
                (verb.equals("patch") ? "partially update" : word)
                    + " "
                    + sub.name()
                    + " of "
                    + (verb.equals("create") ? some(kind) : "the specified " + kind),
                camel(sub.name()));
        operations.put(
            method,
            sub.name().equals("log")
                ? operation.with("parameters", options(LOG_OPTIONS))
                : operation);
      }
    }
    List<JsonObject> parameters = names(resource.type(), true);
    if (!connect) {
      parameters.add(query("pretty", "string"));
    }
    put(paths, collection + "/{name}/" + sub.name(), operations, parameters);
    if (connect && sub.name().equals("proxy")) {
      parameters.add(parameter("path", "path", "string", "path to the resource"));
      JsonObject.Builder below = JsonObject.builder();
      connections(below, resource, sub, camel(sub.name()) + "WithPath");
      put(paths, collection + "/{name}/proxy/{path}", below, parameters);
    }
  }

  private void connections(
      JsonObject.Builder operations, Resource resource, Subresource sub, String suffix) {
    ResourceType type = resource.type();
    for (String method :
        sub.verbs().contains("delete")
            ? List.of("get", "head", "options", "post", "put", "patch", "delete")
            : List.of("get", "post")) {
      operations.put(
          method,
          described(
              operation(
                  "connect "
                      + method.toUpperCase(Locale.ROOT)
                      + " requests to "
                      + sub.name()
                      + " of "
                      + type.kind(),
                  id(
                      "connect",
                      resource,
                      camel(method) + (type.namespaced() ? "Namespaced" : ""),
                      suffix),
                  options(sub.type().groupVersionKind()),
                  Optional.empty(),
                  Optional.empty(),
                  tag(type.group(), type.version())),
              "connect",
              sub.type().groupVersionKind()));
    }
  }

  /** A kind with its article: "a Pod", "an Ingress", "Endpoints". */
  private static String some(String kind) {
    if (kind.endsWith("s") && !kind.endsWith("ss")) {
      return kind;
    }
    return ("AEIOU".indexOf(kind.charAt(0)) < 0 ? "a " : "an ") + kind;
  }

  /** The fields of an options kind as parameters of a query; lists are repeated ones. */
  private List<JsonObject> options(GroupVersionKind kind) {
    List<JsonObject> parameters = new ArrayList<>();
    Schema options = BuiltinSchemas.ofKind(kind);
    Descriptions.Texts texts = descriptions.of(options);
    for (Field field : options.fields().values()) {
      Schema schema = field.schema().get();
      Type type = schema.type() == Type.LIST ? schema.item().type() : schema.type();
      // As upstream's, documents leave out what is no scalar: the sinceTime of logs.
      if (field.number() > 0 && type != Type.TIME) {
        String told =
            switch (type) {
              case BOOLEAN -> "boolean";
              case INTEGER -> "integer";
              default -> "string";
            };
        parameters.add(
            parameter("query", field.name(), told, texts.fields().getOrDefault(field.name(), "")));
      }
    }
    return parameters;
  }

  private static void put(
      Map<String, JsonObject> paths,
      String path,
      JsonObject.Builder operations,
      List<JsonObject> parameters) {
    JsonObject made = operations.build();
    if (!made.isEmpty()) {
      paths.put(path, made.with("parameters", parameters));
    }
  }

  private List<JsonObject> parameters(ResourceType type, boolean named) {
    List<JsonObject> parameters = names(type, named);
    parameters.add(query("pretty", "string"));
    return parameters;
  }

  private List<JsonObject> names(ResourceType type, boolean named) {
    List<JsonObject> parameters = new ArrayList<>();
    if (named) {
      parameters.add(parameter("path", "name", "string", "name of the " + type.kind()));
    }
    if (type.namespaced()) {
      parameters.add(
          parameter(
              "path",
              "namespace",
              "string",
              "object name and auth scope, such as for teams and projects"));
    }
    return parameters;
  }

  private JsonObject query(String name, String type) {
    String text =
        switch (name) {
          case "pretty" -> "If 'true', then the output is pretty printed.";
          case "dryRun" -> "All: go through every stage, but store nothing.";
          case "fieldManager" -> "Name of whoever makes these changes; at most 128 characters.";
          case "fieldValidation" ->
              "How unknown and duplicate fields are taken: Ignore, Warn or Strict.";
          case "force" -> "For apply: take over fields that other managers own.";
          case "labelSelector" -> "Restrict to objects by their labels.";
          case "fieldSelector" -> "Restrict to objects by their fields.";
          case "limit" -> "The most items of one answer.";
          case "continue" -> "Where the last answer ended.";
          case "resourceVersion" -> "How fresh what is served must be.";
          case "resourceVersionMatch" -> "How resourceVersion is applied to lists.";
          case "timeoutSeconds" -> "How long a list or watch may take.";
          case "watch" -> "Follow changes instead of listing.";
          case "allowWatchBookmarks" -> "Ask for BOOKMARK events.";
          case "sendInitialEvents" -> "Begin a watch with the present objects.";
          case "gracePeriodSeconds" -> "Seconds before the object is deleted; 0 means at once.";
          case "orphanDependents" -> "Deprecated: use propagationPolicy.";
          case "propagationPolicy" -> "Orphan, Background or Foreground.";
          default -> "";
        };
    return parameter("query", name, type, text);
  }

  private JsonObject parameter(String in, String name, String type, String text) {
    JsonObject.Builder out = JsonObject.builder().put("name", name).put("in", in);
    out.putNonEmpty("description", text);
    if (in.equals("path")) {
      out.put("required", true);
    }
    if (v3) {
      out.put("schema", JsonObject.of("type", type, "uniqueItems", true));
    } else {
      out.put("type", type).put("uniqueItems", true);
    }
    return out.build();
  }

  private List<JsonObject> listParameters() {
    return List.of(
        query("continue", "string"),
        query("fieldSelector", "string"),
        query("labelSelector", "string"),
        query("limit", "integer"),
        query("resourceVersion", "string"),
        query("resourceVersionMatch", "string"),
        query("sendInitialEvents", "boolean"),
        query("timeoutSeconds", "integer"));
  }

  private List<JsonObject> deleteParameters() {
    return List.of(
        query("dryRun", "string"),
        query("gracePeriodSeconds", "integer"),
        query("orphanDependents", "boolean"),
        query("propagationPolicy", "string"));
  }

  private JsonObject listing(Resource resource, String scope, String suffix) {
    GroupVersionKind list = listKind(resource.type());
    List<JsonObject> parameters = new ArrayList<>(listParameters());
    parameters.add(query("allowWatchBookmarks", "boolean"));
    parameters.add(query("watch", "boolean"));
    return described(
        operation(
            (resource.verbs().contains("watch") ? "list or watch" : "list")
                + " objects of kind "
                + resource.type().kind(),
            id("list", resource, scope, suffix),
            parameters,
            Optional.empty(),
            listReference(list),
            tag(resource.type().group(), resource.type().version())),
        "list",
        resource.type().groupVersionKind());
  }

  /** The schema of a kind's list: built in, or to be defined under this name for custom ones. */
  private static Optional<Schema> listReference(GroupVersionKind list) {
    return Optional.of(named(list, BuiltinSchemas.find(list)));
  }

  /** A stand-in with a name only, for definitions that are made from a custom resource. */
  private static Schema named(GroupVersionKind kind, Optional<Schema> builtin) {
    return builtin.orElseGet(
        () ->
            new Schema(
                name(kind),
                Type.OBJECT,
                "",
                Map.of(),
                Optional.empty(),
                Treatment.DEFAULT,
                Rules.NONE));
  }

  private JsonObject deleteCollection(Resource resource) {
    List<JsonObject> parameters = new ArrayList<>(listParameters());
    parameters.addAll(deleteParameters());
    return described(
        operation(
            "delete collection of " + resource.type().kind(),
            id(
                "delete",
                resource,
                "Collection" + (resource.type().namespaced() ? "Namespaced" : ""),
                ""),
            parameters,
            Optional.of(BuiltinSchemas.definition(META + "DeleteOptions")),
            Optional.of(BuiltinSchemas.definition(META + "Status")),
            tag(resource.type().group(), resource.type().version())),
        "deletecollection",
        resource.type().groupVersionKind());
  }

  private JsonObject action(
      Resource resource, String method, String word, String text, String suffix) {
    return action(
        resource,
        resource.schema(),
        resource.type().groupVersionKind(),
        method,
        word,
        text,
        suffix);
  }

  private JsonObject action(
      Resource resource,
      Schema documents,
      GroupVersionKind kind,
      String method,
      String word,
      String text,
      String suffix) {
    Schema document = documents.name().isEmpty() ? named(kind, Optional.empty()) : documents;
    Schema status = BuiltinSchemas.definition(META + "Status");
    List<JsonObject> parameters =
        switch (method) {
          case "post", "put" ->
              List.of(
                  query("dryRun", "string"),
                  query("fieldManager", "string"),
                  query("fieldValidation", "string"));
          case "patch" ->
              List.of(
                  query("dryRun", "string"),
                  query("fieldManager", "string"),
                  query("fieldValidation", "string"),
                  query("force", "boolean"));
          case "delete" -> deleteParameters();
          default -> List.of();
        };
    Optional<Schema> body =
        switch (method) {
          case "post", "put" -> Optional.of(document);
          case "patch" -> Optional.of(BuiltinSchemas.definition(META + "Patch"));
          case "delete" -> Optional.of(BuiltinSchemas.definition(META + "DeleteOptions"));
          default -> Optional.empty();
        };
    return described(
        operation(
            text,
            id(word, resource, resource.type().namespaced() ? "Namespaced" : "", suffix),
            parameters,
            body,
            Optional.of(method.equals("delete") ? status : document),
            tag(resource.type().group(), resource.type().version()),
            method),
        method,
        kind);
  }

  private static JsonObject described(JsonObject operation, String action, GroupVersionKind kind) {
    return operation
        .with("x-kubernetes-action", action)
        .with("x-kubernetes-group-version-kind", gvk(kind));
  }

  private JsonObject operation(
      String text,
      String id,
      List<JsonObject> parameters,
      Optional<Schema> body,
      Optional<Schema> answer,
      String tag) {
    return operation(text, id, parameters, body, answer, tag, "");
  }

  private JsonObject operation(
      String text,
      String id,
      List<JsonObject> parameters,
      Optional<Schema> body,
      Optional<Schema> answer,
      String tag,
      String method) {
    boolean patch = method.equals("patch");
    JsonObject.Builder out =
        JsonObject.builder()
            .put("description", text)
            .put("operationId", id)
            .put("tags", List.of(tag));
    List<JsonObject> all = new ArrayList<>(parameters);
    if (v3) {
      body.ifPresent(
          schema -> {
            JsonObject.Builder content = JsonObject.builder();
            for (String media : patch ? PATCHES : List.of("*/*")) {
              content.put(media, JsonObject.of("schema", refer(schema)));
            }
            JsonObject.Builder request = JsonObject.builder().put("content", content.build());
            if (!method.equals("delete") && !method.isEmpty()) {
              request.put("required", true);
            }
            out.put("requestBody", request.build());
          });
    } else {
      out.put("consumes", patch ? PATCHES : List.of("*/*"));
      out.put("produces", answer.map(OpenApi::produced).orElse(List.of("*/*")));
      out.put("schemes", List.of("https"));
      body.ifPresent(
          schema ->
              all.addFirst(
                  JsonObject.of(
                      "name",
                      "body",
                      "in",
                      "body",
                      "required",
                      !method.equals("delete"),
                      "schema",
                      refer(schema))));
    }
    out.putNonEmpty("parameters", all);
    JsonObject.Builder responses = JsonObject.builder();
    responses.put("200", response("OK", answer));
    if (method.equals("post") || method.equals("put") || method.equals("patch")) {
      responses.put("201", response("Created", answer));
    }
    if (method.equals("post") || method.equals("delete")) {
      responses.put("202", response("Accepted", answer));
    }
    responses.put("401", JsonObject.of("description", "Unauthorized"));
    return out.put("responses", responses.build()).build();
  }

  private JsonObject response(String text, Optional<Schema> answer) {
    JsonObject.Builder out = JsonObject.builder().put("description", text);
    if (answer.isEmpty()) {
      return v3
          ? out.put(
                  "content",
                  JsonObject.of("*/*", JsonObject.of("schema", JsonObject.of("type", "string"))))
              .build()
          : out.put("schema", JsonObject.of("type", "string")).build();
    }
    JsonObject schema = refer(answer.get());
    if (!v3) {
      return out.put("schema", schema).build();
    }
    JsonObject.Builder content = JsonObject.builder();
    produced(answer.get()).forEach(media -> content.put(media, JsonObject.of("schema", schema)));
    return out.put("content", content.build()).build();
  }

  /** The version is no API object: it comes in one form. */
  private static List<String> produced(Schema answer) {
    return answer.name().equals(VERSION) ? List.of("application/json") : PRODUCED;
  }

  private JsonObject refer(Schema schema) {
    // Stand-ins for custom kinds are defined apart.
    return BuiltinSchemas.has(schema.name())
        ? reference(schema)
        : JsonObject.of("$ref", path(schema.name()));
  }

  private static String id(String word, Resource resource, String scope, String suffix) {
    ResourceType type = resource.type();
    return word
        + camel(type.group().isEmpty() ? "core" : type.group())
        + camel(type.version())
        + (type.namespaced() || !scope.equals("Namespaced") ? scope : "")
        + type.kind()
        + suffix;
  }

  private static String tag(String group, String version) {
    return tag(group.isEmpty() ? "core" : group) + "_" + version;
  }

  private static String tag(String group) {
    String camel = camel(group);
    return camel.substring(0, 1).toLowerCase(Locale.ROOT) + camel.substring(1);
  }

  /** {@code rbac.authorization.k8s.io} as RbacAuthorization, {@code v1} as V1. */
  private static String camel(String text) {
    StringBuilder out = new StringBuilder();
    for (String part : text.replace(".k8s.io", "").split("[.\\-]")) {
      if (!part.isEmpty()) {
        out.append(part.substring(0, 1).toUpperCase(Locale.ROOT)).append(part.substring(1));
      }
    }
    return out.toString();
  }
}
