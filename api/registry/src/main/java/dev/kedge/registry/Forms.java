package dev.kedge.registry;

import dev.kedge.model.ApiException;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Schema;
import dev.kedge.model.ServerSideApply;
import dev.kedge.registry.AdmissionPlugin.Asked;
import dev.kedge.registry.AdmissionPlugin.Version;
import dev.kedge.registry.Registry.DeleteOptions;
import dev.kedge.registry.Registry.FieldValidation;
import dev.kedge.registry.Registry.WriteOptions;
import java.util.List;
import java.util.Optional;

/** What a request asked for, made when a plugin wants to know. Immutable. */
final class Forms implements Asked {
  private final CatalogHolder catalogs;
  private final Served served;
  private final Lens lens;
  private final JsonObject options;

  /** How the documents of a request show the stored object. Stateless. */
  interface Lens {
    /** The object itself. */
    Lens WHOLE =
        new Lens() {
          @Override
          public GroupVersionKind kind(Served served) {
            return served.info().type().groupVersionKind();
          }

          @Override
          public KubeObject show(Served served, KubeObject stored) {
            return served.converter().toServed(stored);
          }

          @Override
          public KubeObject take(Served served, KubeObject changed, KubeObject stored) {
            return Writes.normalizedStored(
                served, new KubeObject(Documents.completed(served.info(), changed.json())));
          }
        };

    /** Kind of the documents in a version. */
    GroupVersionKind kind(Served served);

    /** A stored object as a document. */
    KubeObject show(Served served, KubeObject stored);

    /** The stored object with a document's changes. */
    KubeObject take(Served served, KubeObject changed, KubeObject stored);

    /** Documents that are not part of the stored object, such as an Eviction. */
    static Lens of(GroupVersionKind document, Schema schema) {
      return new Lens() {
        @Override
        public GroupVersionKind kind(Served served) {
          return document;
        }

        @Override
        public KubeObject show(Served served, KubeObject stored) {
          return stored;
        }

        @Override
        public KubeObject take(Served served, KubeObject changed, KubeObject stored) {
          return new KubeObject(Documents.completed(document, schema, changed.json()));
        }
      };
    }
  }

  Forms(CatalogHolder catalogs, Served served, Lens lens, JsonObject options) {
    this.catalogs = catalogs;
    this.served = served;
    this.lens = lens;
    this.options = options;
  }

  @Override
  public Version version() {
    return version(served);
  }

  private Version version(Served one) {
    return new Version(one.info().type(), lens.kind(one));
  }

  @Override
  public List<Version> equivalents() {
    return catalogs.current().versions(served.stored()).stream()
        .filter(other -> !other.info().type().equals(served.info().type()))
        .map(this::version)
        .toList();
  }

  @Override
  public KubeObject show(Version version, KubeObject stored) {
    return lens.show(served(version), stored);
  }

  @Override
  public KubeObject take(Version version, KubeObject changed, KubeObject stored) {
    try {
      return lens.take(served(version), changed, stored);
    } catch (ApiException e) {
      throw ApiException.internal(e.status().message(), e);
    }
  }

  @Override
  public KubeObject merge(Version version, KubeObject shown, JsonObject configuration) {
    Schema schema =
        lens == Lens.WHOLE ? served(version).info().schema() : Documents.builtin(version.kind());
    return new KubeObject(
        ServerSideApply.merged(
            shown.json(),
            configuration
                .with("apiVersion", version.kind().apiVersion())
                .with("kind", version.kind().kind()),
            schema));
  }

  private Served served(Version version) {
    return version.resource().equals(served.info().type())
        ? served
        : catalogs
            .current()
            .served(version.resource())
            .orElseThrow(
                () ->
                    ApiException.internal(
                        "unable to convert to " + version.resource() + ": unknown kind"));
  }

  @Override
  public JsonObject options() {
    return options;
  }

  /** Options of a create, update or patch; {@code kind} is such as {@code CreateOptions}. */
  static JsonObject options(String kind, WriteOptions options) {
    JsonObject.Builder json = options(kind, options.dryRun());
    if (options.force()) {
      json.put("force", true);
    }
    json.putNonEmpty("fieldManager", options.fieldManager());
    if (options.fieldValidation() != FieldValidation.IGNORE) {
      json.put(
          "fieldValidation",
          options.fieldValidation() == FieldValidation.STRICT ? "Strict" : "Warn");
    }
    return json.build();
  }

  static JsonObject options(DeleteOptions options) {
    JsonObject.Builder json = options("DeleteOptions", options.dryRun());
    options.gracePeriodSeconds().ifPresent(seconds -> json.put("gracePeriodSeconds", seconds));
    json.putNonEmpty("propagationPolicy", options.propagationPolicy());
    Optional<Boolean> orphan = options.orphanDependents();
    orphan.ifPresent(value -> json.put("orphanDependents", value));
    json.putNonEmpty(
        "preconditions",
        JsonObject.builder()
            .putNonEmpty("uid", options.uid())
            .putNonEmpty("resourceVersion", options.resourceVersion())
            .build());
    return json.build();
  }

  private static JsonObject.Builder options(String kind, boolean dryRun) {
    JsonObject.Builder json =
        JsonObject.builder().put("kind", kind).put("apiVersion", "meta.k8s.io/v1");
    if (dryRun) {
      json.put("dryRun", JsonArray.of("All"));
    }
    return json;
  }
}
