package dev.kedge.registry;

import dev.kedge.identity.Authorizer.Decision;
import dev.kedge.identity.RbacAuthorizer;
import dev.kedge.identity.ServiceAccountTokens.IssuedToken;
import dev.kedge.identity.TokenAuthenticator.Authenticated;
import dev.kedge.identity.TokenAuthenticator.InvalidTokenException;
import dev.kedge.identity.User;
import dev.kedge.model.Duplicates;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.registry.Registry.DeleteOptions;
import dev.kedge.registry.Registry.Deleted;
import dev.kedge.registry.Registry.FieldValidation;
import dev.kedge.registry.Registry.GetOptions;
import dev.kedge.registry.Registry.ListOptions;
import dev.kedge.registry.Registry.PatchType;
import dev.kedge.registry.Registry.Request;
import dev.kedge.registry.Registry.ServedList;
import dev.kedge.registry.Registry.ServedWatch;
import dev.kedge.registry.Registry.WatchOptions;
import dev.kedge.registry.Registry.WriteOptions;
import dev.kedge.registry.Registry.Written;
import dev.kedge.registry.admission.AdmissionPlugins;
import dev.kedge.store.Store;
import dev.kedge.store.sql.SqliteStore;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.util.Comparator;
import java.util.Optional;

/** A registry over a real SQLite file, and short names for asking it things. */
final class Cluster implements AutoCloseable {
  static final User ADMIN = User.of("admin", "system:masters", "system:authenticated");

  final Store store;
  final ObjectRegistry registry;
  private final Path file;

  Cluster() {
    try {
      file = Files.createTempDirectory("kedge-registry").resolve("state.db");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    store = SqliteStore.open(file, SqliteStore.Options.FAST);
    registry = open(store);
  }

  static ObjectRegistry open(Store store) {
    return open(store, Settings.of("10.43.0.0/16"));
  }

  static ObjectRegistry open(Store store, Settings settings) {
    RbacAuthorizer rbac = new RbacAuthorizer();
    Identity identity =
        new Identity(
            rbac,
            rbac,
            (token, audiences) -> {
              if (!token.equals("known")) {
                throw new InvalidTokenException("not a known token");
              }
              return new Authenticated(User.of("jane", "devs"), audiences);
            },
            request ->
                new IssuedToken(
                    "token of " + request.namespace() + "/" + request.name(),
                    Instant.now().plus(request.life())));
    ObjectRegistry registry =
        new ObjectRegistry(
            store,
            settings,
            identity,
            AdmissionPlugins.standard((user, attributes) -> new Decision(false, ""), rbac),
            Clock.systemUTC());
    registry.start();
    return registry;
  }

  /** With the default namespace and its service account. */
  Cluster withDefaults() {
    create("{kind: Namespace, metadata: {name: default}}");
    create("{kind: ServiceAccount, metadata: {name: default, namespace: default}}");
    return this;
  }

  ResourceInfo info(ResourceType type) {
    return registry
        .catalog()
        .find(type.group(), type.version(), type.plural())
        .orElseThrow(() -> new AssertionError("not served: " + type));
  }

  Request request(ResourceType type, String namespace, String name, String subresource) {
    return new Request(info(type), namespace, name, subresource, ADMIN);
  }

  /** Creates an object given in flow style; apiVersion v1 where none is given. */
  KubeObject create(String text) {
    return created(object(text)).object().tree();
  }

  Written created(KubeObject object) {
    return created(object, WriteOptions.by("test"));
  }

  Written created(KubeObject object, WriteOptions options) {
    ResourceInfo info = registry.catalog().ofKind(object.groupVersionKind()).orElseThrow();
    return registry.create(
        new Request(info, object.namespace(), "", "", ADMIN), object.json(), options);
  }

  KubeObject update(KubeObject object) {
    return update(object, "");
  }

  KubeObject update(KubeObject object, String subresource) {
    ResourceInfo info = registry.catalog().ofKind(object.groupVersionKind()).orElseThrow();
    return registry
        .update(
            new Request(info, object.namespace(), object.name(), subresource, ADMIN),
            object.json(),
            WriteOptions.by("test"))
        .object()
        .tree();
  }

  KubeObject get(ResourceType type, String namespace, String name) {
    return registry.get(request(type, namespace, name, ""), GetOptions.LATEST).tree();
  }

  ServedList list(ResourceType type, String namespace) {
    return registry.list(request(type, namespace, "", ""), ListOptions.ALL);
  }

  ServedWatch watch(ResourceType type, String namespace, String resourceVersion) {
    return registry.watch(
        request(type, namespace, "", ""),
        new WatchOptions("", "", resourceVersion, "", true, Optional.empty()));
  }

  KubeObject patch(
      ResourceType type, String namespace, String name, PatchType patchType, String patch) {
    return patch(type, namespace, name, "", patchType, patch, "test");
  }

  KubeObject patch(
      ResourceType type,
      String namespace,
      String name,
      String subresource,
      PatchType patchType,
      String patch,
      String manager) {
    return registry
        .patch(
            request(type, namespace, name, subresource),
            patchType,
            Json.parse(patch),
            WriteOptions.by(manager))
        .object()
        .tree();
  }

  Deleted delete(ResourceType type, String namespace, String name) {
    return delete(type, namespace, name, DeleteOptions.DEFAULT);
  }

  Deleted delete(ResourceType type, String namespace, String name, DeleteOptions options) {
    return registry.delete(request(type, namespace, name, ""), options);
  }

  static DeleteOptions grace(long seconds) {
    return new DeleteOptions(Optional.of(seconds), "", Optional.empty(), "", "", false);
  }

  static WriteOptions options(FieldValidation validation, boolean dryRun) {
    return new WriteOptions("test", false, dryRun, validation, Duplicates.NONE);
  }

  /** Reads an object in relaxed notation: unquoted names, single words as values. */
  static KubeObject object(String text) {
    JsonObject json = Relaxed.parse(text);
    if (json.text("apiVersion").isEmpty()) {
      json = json.with("apiVersion", "v1");
    }
    return new KubeObject(json);
  }

  static final ResourceType CONFIG_MAPS = Resources.CONFIG_MAPS;

  @Override
  public void close() {
    registry.close();
    store.close();
    try (var files = Files.walk(file.getParent())) {
      for (Path path : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
