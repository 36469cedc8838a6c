package dev.kedge.registry;

import static dev.kedge.registry.Cluster.CONFIG_MAPS;
import static dev.kedge.registry.Cluster.object;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.registry.Registry.DeleteOptions;
import dev.kedge.registry.Registry.FieldValidation;
import dev.kedge.registry.Registry.ListOptions;
import dev.kedge.registry.Registry.ServedList;
import dev.kedge.registry.Registry.ServedWatch;
import dev.kedge.registry.Registry.WatchEvent;
import dev.kedge.registry.Registry.WatchOptions;
import dev.kedge.registry.Registry.WriteOptions;
import dev.kedge.registry.Registry.Written;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

/** Create, read, change, list, watch and delete, on ConfigMaps: what all kinds have in common. */
class ObjectsTest {
  @AutoClose private final Cluster cluster = new Cluster().withDefaults();

  private KubeObject map(String name, String value) {
    return object(
        "{kind: ConfigMap, metadata: {name: %s, namespace: default, labels: {app: %s}}, data: {a: %s}}"
            .formatted(name, name, value));
  }

  @Test
  void createsAndReads() {
    KubeObject made = cluster.created(map("one", "x")).object().tree();
    assertThat(made.uid()).hasSize(36);
    assertThat(made.metadata().text("creationTimestamp"))
        .matches("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ");
    assertThat(made.resourceVersion()).isNotEmpty();
    assertThat(made.metadata().objects("managedFields")).hasSize(1);
    KubeObject read = cluster.get(CONFIG_MAPS, "default", "one");
    assertThat(read).isEqualTo(made);
    byte[] json =
        cluster
            .registry
            .get(cluster.request(CONFIG_MAPS, "default", "one", ""), Registry.GetOptions.LATEST)
            .json();
    assertThat(new String(json, StandardCharsets.UTF_8))
        .startsWith("{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{");
    assertThatThrownBy(() -> cluster.created(map("one", "y")))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(409))
        .hasMessage("configmaps \"one\" already exists");
  }

  @Test
  void saysWhatIsWrong() {
    assertThatThrownBy(() -> cluster.get(CONFIG_MAPS, "default", "none"))
        .hasMessage("configmaps \"none\" not found");
    assertThatThrownBy(() -> cluster.created(map("Bad_Name", "x")))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(422))
        .hasMessageStartingWith("ConfigMap \"Bad_Name\" is invalid: metadata.name: Invalid value");
    assertThatThrownBy(
            () -> cluster.create("{kind: ConfigMap, metadata: {name: a, namespace: nowhere}}"))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(404))
        .hasMessage("namespaces \"nowhere\" not found");
    KubeObject unknown =
        object("{kind: ConfigMap, metadata: {name: a, namespace: default}, foo: 1}");
    assertThatThrownBy(
            () -> cluster.created(unknown, Cluster.options(FieldValidation.STRICT, false)))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(400))
        .hasMessage(
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error:"
                + " unknown field \"foo\"");
    Written warned = cluster.created(unknown, Cluster.options(FieldValidation.WARN, false));
    assertThat(warned.warnings()).containsExactly("unknown field \"foo\"");
    assertThat(warned.object().tree().json().has("foo")).isFalse();
  }

  @Test
  void generatesNames() {
    KubeObject template =
        object("{kind: ConfigMap, metadata: {generateName: web-, namespace: default}}");
    String first = cluster.created(template).object().tree().name();
    String second = cluster.created(template).object().tree().name();
    assertThat(first).matches("web-[a-z0-9]{5}");
    assertThat(second).isNotEqualTo(first);
  }

  @Test
  void updatesOnlyTheVersionThatWasRead() {
    KubeObject old = cluster.created(map("one", "x")).object().tree();
    KubeObject changed = cluster.update(old.withPath(List.of("data", "a"), "y"));
    assertThat(changed.json().text("data", "a")).isEqualTo("y");
    assertThat(changed.uid()).isEqualTo(old.uid());
    assertThatThrownBy(() -> cluster.update(old.withPath(List.of("data", "a"), "z")))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(409))
        .hasMessage(
            "Operation cannot be fulfilled on configmaps \"one\": the object has been modified;"
                + " please apply your changes to the latest version and try again");
    KubeObject unconditional = cluster.update(map("one", "z"));
    assertThat(unconditional.json().text("data", "a")).isEqualTo("z");
  }

  @Test
  void writesNothingWhenNothingChanges() {
    KubeObject old = cluster.created(map("one", "x")).object().tree();
    long before = cluster.store.currentRevision();
    KubeObject same = cluster.update(old);
    assertThat(same.resourceVersion()).isEqualTo(old.resourceVersion());
    assertThat(cluster.store.currentRevision()).isEqualTo(before);
  }

  @Test
  void dryRunsLeaveNoTrace() {
    long before = cluster.store.currentRevision();
    WriteOptions dry = Cluster.options(FieldValidation.STRICT, true);
    Written written = cluster.created(map("one", "x"), dry);
    assertThat(written.created()).isTrue();
    assertThat(written.object().tree().resourceVersion()).isEmpty();
    assertThat(cluster.store.currentRevision()).isEqualTo(before);
    KubeObject real = cluster.created(map("one", "x")).object().tree();
    cluster.registry.update(
        cluster.request(CONFIG_MAPS, "default", "one", ""), map("one", "y").json(), dry);
    cluster.delete(
        CONFIG_MAPS,
        "default",
        "one",
        new DeleteOptions(Optional.empty(), "", Optional.empty(), "", "", true));
    assertThat(cluster.get(CONFIG_MAPS, "default", "one")).isEqualTo(real);
  }

  @Test
  void listsInPages() {
    List<String> names = new ArrayList<>();
    for (int i = 0; i < 7; i++) {
      cluster.created(map("map-" + i, "x"));
      names.add("map-" + i);
    }
    List<String> seen = new ArrayList<>();
    String token = "";
    String version = "";
    do {
      ServedList page =
          cluster.registry.list(
              cluster.request(CONFIG_MAPS, "default", "", ""),
              new ListOptions("", "", "", "", 3, token));
      page.items().forEach(item -> seen.add(item.tree().name()));
      if (version.isEmpty()) {
        version = page.resourceVersion();
        assertThat(page.remaining()).isEqualTo(4);
        // What comes after the first page was read does not show in the others.
        cluster.created(map("map-9", "x"));
      }
      assertThat(page.resourceVersion()).isEqualTo(version);
      token = page.continueToken();
    } while (!token.isEmpty());
    assertThat(seen).containsExactlyElementsOf(names);
  }

  @Test
  void selectsByLabelsAndFields() {
    cluster.created(map("one", "x"));
    cluster.created(map("two", "x"));
    assertThat(names("app=one", "")).containsExactly("one");
    assertThat(names("app in (one,two),app!=one", "")).containsExactly("two");
    assertThat(names("", "metadata.name=two")).containsExactly("two");
    assertThat(names("", "metadata.name!=two")).containsExactly("one");
    assertThatThrownBy(() -> names("", "data.a=x"))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(400))
        .hasMessage("field label not supported: data.a");
  }

  private List<String> names(String labels, String fields) {
    return cluster
        .registry
        .list(
            cluster.request(CONFIG_MAPS, "default", "", ""),
            new ListOptions(labels, fields, "", "", 0, ""))
        .items()
        .stream()
        .map(item -> item.tree().name())
        .toList();
  }

  @Test
  void watchesWithoutGap() throws InterruptedException {
    KubeObject one = cluster.created(map("one", "x")).object().tree();
    try (ServedWatch watch = cluster.watch(CONFIG_MAPS, "default", "")) {
      cluster.update(one.withPath(List.of("data", "a"), "y"));
      cluster.delete(CONFIG_MAPS, "default", "one");
      List<WatchEvent> events = new ArrayList<>();
      while (events.size() < 3) {
        events.addAll(watch.take(Duration.ofSeconds(60)));
      }
      assertThat(events.stream().map(event -> event.type().toString()))
          .containsExactly("ADDED", "MODIFIED", "DELETED");
      assertThat(events.get(1).object().tree().json().text("data", "a")).isEqualTo("y");
      long last = Long.parseLong(events.get(2).object().tree().resourceVersion());
      assertThat(last)
          .isGreaterThan(Long.parseLong(events.get(1).object().tree().resourceVersion()));
    }
    try (ServedWatch later = cluster.watch(CONFIG_MAPS, "default", one.resourceVersion())) {
      assertThat(later.take(Duration.ofSeconds(60)).getFirst().type())
          .isEqualTo(WatchEvent.Type.MODIFIED);
    }
  }

  @Test
  void streamsTheInitialList() throws InterruptedException {
    cluster.created(map("one", "x"));
    try (ServedWatch watch =
        cluster.registry.watch(
            cluster.request(CONFIG_MAPS, "default", "", ""),
            new WatchOptions("", "", "", "NotOlderThan", true, Optional.of(true)))) {
      List<WatchEvent> events = watch.take(Duration.ofSeconds(60));
      assertThat(events).hasSize(2);
      KubeObject mark = events.get(1).object().tree();
      assertThat(events.get(1).type()).isEqualTo(WatchEvent.Type.BOOKMARK);
      assertThat(mark.annotation("k8s.io/initial-events-end")).contains("true");
      assertThat(mark.kind()).isEqualTo("ConfigMap");
    }
  }

  @Test
  void finalizersHoldAnObjectBack() {
    cluster.create(
        "{kind: ConfigMap, metadata: {name: held, namespace: default, finalizers:"
            + " [example.com/x]}}");
    assertThat(cluster.delete(CONFIG_MAPS, "default", "held").finished()).isFalse();
    KubeObject held = cluster.get(CONFIG_MAPS, "default", "held");
    assertThat(held.deleting()).isTrue();
    assertThat(held.metadata().integerOr(-1, "deletionGracePeriodSeconds")).isZero();
    assertThatThrownBy(
            () ->
                cluster.update(
                    held.withMetadata("finalizers", List.of("example.com/x", "example.com/y"))))
        .hasMessageContaining("no new finalizers can be added if the object is being deleted");
    cluster.update(new KubeObject(held.json().withoutPath(List.of("metadata", "finalizers"))));
    assertThatThrownBy(() -> cluster.get(CONFIG_MAPS, "default", "held"))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.isNotFound()).isTrue());
  }

  @Test
  void deletionKeepsToItsPreconditions() {
    KubeObject one = cluster.created(map("one", "x")).object().tree();
    assertThatThrownBy(
            () ->
                cluster.delete(
                    CONFIG_MAPS,
                    "default",
                    "one",
                    new DeleteOptions(Optional.empty(), "", Optional.empty(), "other", "", false)))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(409))
        .hasMessage(
            "Operation cannot be fulfilled on configmaps \"one\": Precondition failed: UID in"
                + " precondition: other, UID in object meta: "
                + one.uid());
    assertThat(
            cluster
                .delete(
                    CONFIG_MAPS,
                    "default",
                    "one",
                    new DeleteOptions(
                        Optional.empty(), "Foreground", Optional.empty(), one.uid(), "", false))
                .finished())
        .isFalse();
    assertThat(cluster.get(CONFIG_MAPS, "default", "one").finalizers())
        .containsExactly("foregroundDeletion");
  }

  @Test
  void deletesCollections() {
    cluster.created(map("one", "x"));
    cluster.created(map("two", "x"));
    cluster.registry.deleteCollection(
        cluster.request(CONFIG_MAPS, "default", "", ""),
        new ListOptions("app=one", "", "", "", 0, ""),
        DeleteOptions.DEFAULT);
    assertThat(names("", "")).containsExactly("two");
  }

  @Test
  void namespacesGoByTheirOwnFinalizer() {
    KubeObject made = cluster.create("{kind: Namespace, metadata: {name: shop}}");
    assertThat(made.spec().strings("finalizers")).containsExactly("kubernetes");
    assertThat(made.labels()).containsEntry("kubernetes.io/metadata.name", "shop");
    cluster.delete(Resources.NAMESPACES, "", "shop");
    KubeObject going = cluster.get(Resources.NAMESPACES, "", "shop");
    assertThat(going.status().text("phase")).isEqualTo("Terminating");
    assertThatThrownBy(
            () -> cluster.create("{kind: ConfigMap, metadata: {name: a, namespace: shop}}"))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(403))
        .hasMessage(
            "configmaps \"a\" is forbidden: unable to create new content in namespace shop because"
                + " it is being terminated");
    cluster.update(going.with("spec", JsonObject.EMPTY), "finalize");
    assertThatThrownBy(() -> cluster.get(Resources.NAMESPACES, "", "shop"))
        .hasMessage("namespaces \"shop\" not found");
    assertThatThrownBy(() -> cluster.delete(Resources.NAMESPACES, "", "default"))
        .hasMessage("namespaces \"default\" is forbidden: this namespace may not be deleted");
  }
}
