package dev.kedge.registry;

import dev.kedge.model.ApiException;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonPatch;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.MergePatch;
import dev.kedge.model.ServerSideApply;
import dev.kedge.model.Status;
import dev.kedge.model.Status.Details;
import dev.kedge.model.StrategicMergePatch;
import dev.kedge.registry.Registry.PatchType;
import dev.kedge.registry.Registry.Request;
import dev.kedge.registry.Registry.WriteOptions;
import dev.kedge.registry.Writes.Proposed;
import dev.kedge.registry.Writes.Proposer;
import java.time.Clock;
import java.util.List;

/** What becomes of an object by a patch. Stateless but for the clock; any thread. */
final class Patches {
  private final Clock clock;

  Patches(Clock clock) {
    this.clock = clock;
  }

  /** Makes the next state of an object by a patch of any type. */
  Proposer proposer(
      Served served,
      Request request,
      Aspect aspect,
      PatchType type,
      JsonValue patch,
      WriteOptions options) {
    if (type == PatchType.STRATEGIC && served.info().custom()) {
      throw unsupportedType();
    }
    if (type == PatchType.APPLY) {
      return (old, warnings) -> {
        KubeObject config = configuration(served, request, patch);
        JsonObject applied = apply(served, old.json(), config, aspect, options);
        Documents.requireNoDuplicates(options, warnings);
        return new Proposed(new KubeObject(Documents.completed(served.info(), applied)), true);
      };
    }
    return (old, warnings) -> {
      JsonObject patched = patched(served.info(), old.json(), type, patch);
      Documents.Decoded decoded =
          type == PatchType.STRATEGIC
              ? Documents.decodeMerged(served.info(), patched, patch, options)
              : Documents.decodePatched(served.info(), patched, options);
      warnings.addAll(decoded.warnings());
      KubeObject object = decoded.object();
      if (!object.name().equals(old.name())) {
        throw ApiException.badRequest(
            "the name of the object ("
                + object.name()
                + ") does not match the name on the URL ("
                + old.name()
                + ")");
      }
      return new Proposed(ObjectRegistry.inNamespace(served, object, request.namespace()), false);
    };
  }

  /** The object that an apply creates. */
  KubeObject applyToNothing(
      Served served,
      Request request,
      JsonValue patch,
      WriteOptions options,
      List<String> warnings) {
    KubeObject config = configuration(served, request, patch);
    if (!config.uid().isEmpty()) {
      throw ApiException.conflict(
          served.group(),
          served.plural(),
          request.name(),
          "uid mismatch: the provided object specified uid "
              + config.uid()
              + ", and no existing object was found");
    }
    JsonObject applied = apply(served, JsonObject.EMPTY, config, Aspect.MAIN, options);
    Documents.requireNoDuplicates(options, warnings);
    return new KubeObject(Documents.completed(served.info(), applied));
  }

  private JsonObject apply(
      Served served, JsonObject live, KubeObject config, Aspect aspect, WriteOptions options) {
    return ServerSideApply.applied(
        live,
        config.json(),
        options.fieldManager(),
        options.force(),
        served.info().schema(),
        aspect.subresource(),
        clock.instant(),
        aspect.reset(served.stored()));
  }

  private static KubeObject configuration(Served served, Request request, JsonValue patch) {
    if (!(patch instanceof JsonObject config)) {
      throw ApiException.badRequest("error decoding YAML: not an object");
    }
    KubeObject object = new KubeObject(config);
    if (object.kind().isEmpty() || object.apiVersion().isEmpty()) {
      throw ApiException.badRequest(
          "invalid object type: " + object.apiVersion() + ", Kind=" + object.kind());
    }
    if (!object.kind().equals(served.kind())
        || !object.apiVersion().equals(served.info().type().apiVersion())) {
      throw ApiException.badRequest(
          "the kind in the apply configuration ("
              + object.groupVersionKind()
              + ") does not match the resource ("
              + served.info().type().groupVersionKind()
              + ")");
    }
    if (object.name().isEmpty()) {
      object = object.withMetadata("name", request.name());
    }
    if (!object.name().equals(request.name())) {
      throw ApiException.badRequest(
          "the name of the object ("
              + object.name()
              + ") does not match the name on the URL ("
              + request.name()
              + ")");
    }
    return ObjectRegistry.inNamespace(served, object, request.namespace());
  }

  /** A document with a JSON, merge or strategic patch applied. */
  JsonObject patched(ResourceInfo info, JsonObject document, PatchType type, JsonValue patch) {
    return switch (type) {
      case JSON -> {
        if (!(patch instanceof JsonArray)) {
          throw ApiException.badRequest(
              "error decoding patch: json: cannot unmarshal object into Go value of type"
                  + " jsonpatch.Patch");
        }
        if (JsonPatch.apply(document, patch) instanceof JsonObject object) {
          yield object;
        }
        throw ApiException.badRequest("the patched document is not an object");
      }
      case MERGE -> MergePatch.apply(document, patch);
      case STRATEGIC -> {
        if (info.custom()) {
          throw unsupportedType();
        }
        yield StrategicMergePatch.apply(document, patch, info.schema());
      }
      case APPLY -> throw new IllegalArgumentException("an apply is not a patch of a document");
    };
  }

  private static ApiException unsupportedType() {
    return new ApiException(
        new Status(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include:"
                + " application/json-patch+json, application/merge-patch+json,"
                + " application/apply-patch+yaml",
            Details.NONE));
  }
}
