package dev.kedge.registry;

import dev.kedge.model.ApiException;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Registry.PatchType;
import dev.kedge.registry.Registry.Request;
import dev.kedge.registry.Registry.WriteOptions;
import dev.kedge.registry.Registry.Written;
import dev.kedge.registry.Writes.Change;
import dev.kedge.registry.Writes.Proposed;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/** The scale subresource: an autoscaling/v1 Scale made of the object's own fields. Any thread. */
final class Scales implements Forms.Lens {
  private final Patches patches;
  private final Map<String, Paths> custom = new ConcurrentHashMap<>();

  /**
   * Where a kind keeps its numbers.
   *
   * @param selector empty where there is none
   */
  record Paths(List<String> replicas, List<String> statusReplicas, List<String> selector) {
    static final Paths WORKLOAD =
        new Paths(
            List.of("spec", "replicas"),
            List.of("status", "replicas"),
            List.of("spec", "selector"));
  }

  Scales(Patches patches) {
    this.patches = patches;
  }

  /** Sets the paths of a custom resource's version. */
  void custom(String apiVersion, String plural, Paths paths) {
    custom.put(apiVersion + "/" + plural, paths);
  }

  private Paths paths(Served served) {
    return served.stored().custom()
        ? custom.getOrDefault(
            served.info().type().apiVersion() + "/" + served.plural(), Paths.WORKLOAD)
        : Paths.WORKLOAD;
  }

  /**
   * The Scale of an object.
   *
   * @param stored with its resource version
   */
  ServedObject read(Served served, KubeObject stored) {
    return ServedObject.of(scale(served, served.converter().toServed(stored)));
  }

  Written update(
      Writes writes, Served served, Request request, JsonObject body, WriteOptions options) {
    Documents.Decoded decoded = Documents.decode(scaleInfo(request), body, options);
    KubeObject scale = decoded.object();
    if (!scale.name().isEmpty() && !scale.name().equals(request.name())) {
      throw ApiException.badRequest(
          "the name of the object ("
              + scale.name()
              + ") does not match the name on the URL ("
              + request.name()
              + ")");
    }
    return write(
        writes,
        served,
        request,
        options,
        (old, warnings) -> {
          warnings.addAll(decoded.warnings());
          return scale;
        });
  }

  Written patch(
      Writes writes,
      Served served,
      Request request,
      PatchType type,
      JsonValue patch,
      WriteOptions options) {
    ResourceInfo info = scaleInfo(request);
    return write(
        writes,
        served,
        request,
        options,
        (old, warnings) -> {
          KubeObject scale = scale(served, old);
          if (type == PatchType.APPLY) {
            // A Scale has one field to apply; everything else in it is the server's.
            JsonObject config = patch instanceof JsonObject object ? object : JsonObject.EMPTY;
            return config.object("spec").has("replicas")
                ? scale.withPath(List.of("spec", "replicas"), config.integer("spec", "replicas"))
                : scale;
          }
          JsonObject patched = patches.patched(info, scale.json(), type, patch);
          Documents.Decoded decoded = Documents.decodePatched(info, patched, options);
          warnings.addAll(decoded.warnings());
          return decoded.object();
        });
  }

  @Override
  public GroupVersionKind kind(Served served) {
    return new GroupVersionKind("autoscaling", "v1", "Scale");
  }

  @Override
  public KubeObject show(Served served, KubeObject stored) {
    return scale(served, served.converter().toServed(stored));
  }

  @Override
  public KubeObject take(Served served, KubeObject changed, KubeObject stored) {
    return served
        .converter()
        .toStored(
            served
                .converter()
                .toServed(stored)
                .withPath(paths(served).replicas(), changed.json().integer("spec", "replicas")));
  }

  private interface ScaleChange {
    KubeObject scale(KubeObject old, List<String> warnings);
  }

  private Written write(
      Writes writes, Served served, Request request, WriteOptions options, ScaleChange change) {
    Written written =
        writes.change(
            new Change(
                served,
                request.namespace(),
                request.name(),
                Aspect.MAIN,
                options,
                request.user(),
                false,
                false,
                "scale",
                this),
            (old, warnings) -> {
              KubeObject scale = change.scale(old, warnings);
              long replicas = scale.json().integer("spec", "replicas");
              if (replicas < 0) {
                throw ApiException.invalid(
                    "autoscaling",
                    "Scale",
                    request.name(),
                    List.of(
                        new Cause(
                            "FieldValueInvalid",
                            "Invalid value: " + replicas + ": must be greater than or equal to 0",
                            "spec.replicas")));
              }
              KubeObject object = old.withPath(paths(served).replicas(), replicas);
              if (!scale.resourceVersion().isEmpty()) {
                object = object.withMetadata("resourceVersion", scale.resourceVersion());
              }
              if (!scale.uid().isEmpty()) {
                object = object.withMetadata("uid", scale.uid());
              }
              return new Proposed(object, false);
            },
            () -> {
              throw ApiException.notFound(served.group(), served.plural(), request.name());
            });
    return new Written(
        ServedObject.of(scale(served, written.object().tree())), false, written.warnings());
  }

  private static ResourceInfo scaleInfo(Request request) {
    ResourceInfo info = request.resource();
    ResourceInfo.Subresource sub =
        info.subresource("scale")
            .orElseThrow(
                () ->
                    ApiException.notFound(
                        info.type().group(), info.type().plural() + "/scale", request.name()));
    return new ResourceInfo(
        sub.type(),
        "scale",
        List.of(),
        List.of(),
        sub.verbs(),
        List.of(),
        Documents.builtin(sub.type()),
        List.of(),
        false);
  }

  private KubeObject scale(Served served, KubeObject object) {
    Paths paths = paths(served);
    JsonObject json = object.json();
    JsonObject.Builder metadata = JsonObject.builder();
    for (String field :
        List.of("name", "namespace", "uid", "resourceVersion", "creationTimestamp")) {
      metadata.putNonEmpty(field, object.metadata().get(field).orElse(JsonNull.NULL));
    }
    return new KubeObject(
        JsonObject.of(
            "kind",
            "Scale",
            "apiVersion",
            "autoscaling/v1",
            "metadata",
            metadata.build(),
            "spec",
            JsonObject.of("replicas", number(json, paths.replicas())),
            "status",
            JsonObject.builder()
                .put("replicas", number(json, paths.statusReplicas()))
                .putNonEmpty("selector", selector(json, paths.selector()))
                .build()));
  }

  private static long number(JsonObject json, List<String> path) {
    return path.isEmpty() ? 0 : json.integer(path.toArray(String[]::new));
  }

  private static String selector(JsonObject json, List<String> path) {
    if (path.isEmpty()) {
      return "";
    }
    return switch (json.find(path.toArray(String[]::new)).orElse(JsonNull.NULL)) {
      case JsonString text -> text.value();
      case JsonObject object when object.has("matchLabels") || object.has("matchExpressions") ->
          LabelSelector.of(object).toString();
      case JsonObject labels -> {
        List<String> terms = new ArrayList<>();
        labels.names().stream().sorted().forEach(name -> terms.add(name + "=" + labels.text(name)));
        yield terms.stream().collect(Collectors.joining(","));
      }
      default -> "";
    };
  }
}
