package dev.kedge.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.model.ApiException;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.registry.Registry.FieldValidation;
import dev.kedge.registry.Registry.WriteOptions;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

/** Addresses and ports that Services are given. */
class ServicesTest {
  @AutoClose private final Cluster cluster = new Cluster().withDefaults();

  private KubeObject service(String name, String spec) {
    return cluster.create(
        "{kind: Service, metadata: {name: %s, namespace: default}, spec: {ports: [{port: 80}], %s}}"
            .formatted(name, spec));
  }

  @Test
  void givesAddresses() {
    KubeObject kubernetes = service("kubernetes", "clusterIP: 10.43.0.1");
    assertThat(kubernetes.spec().strings("clusterIPs")).containsExactly("10.43.0.1");
    Set<String> seen = new HashSet<>();
    for (int i = 0; i < 20; i++) {
      KubeObject made = service("web-" + i, "selector: {a: b}");
      assertThat(made.spec().text("clusterIP")).startsWith("10.43.");
      assertThat(made.spec().strings("ipFamilies")).containsExactly("IPv4");
      assertThat(made.spec().text("ipFamilyPolicy")).isEqualTo("SingleStack");
      assertThat(seen.add(made.spec().text("clusterIP"))).isTrue();
    }
    assertThat(service("head", "clusterIP: None").spec().strings("clusterIPs"))
        .containsExactly("None");
  }

  @Test
  void seesWhatOtherServersOnTheSameStoreGaveAndTookBack() {
    Settings settings = Settings.of("10.43.0.0/28").shared(true);
    try (ObjectRegistry one = Cluster.open(cluster.store, settings);
        ObjectRegistry other = Cluster.open(cluster.store, settings)) {
      Set<String> addresses = new HashSet<>();
      for (int i = 0; i < 12; i++) {
        ObjectRegistry server = i % 2 == 0 ? one : other;
        addresses.add(create(server, "web-" + i, "ports: [{port: 80}]").spec().text("clusterIP"));
      }
      assertThat(addresses).hasSize(12);
      create(one, "ports", "clusterIP: None, ports: [{port: 80}]");
      for (int i = 0; i < 3; i++) {
        delete(other, "web-" + i);
      }
      create(one, "port", "type: NodePort, ports: [{port: 80, nodePort: 30080}]");
      assertThatThrownBy(
              () -> create(other, "same", "type: NodePort, ports: [{port: 80, nodePort: 30080}]"))
          .hasMessageContaining("provided port is already allocated");
      delete(other, "port");
      create(one, "again", "type: NodePort, ports: [{port: 80, nodePort: 30080}]");
    }
  }

  private KubeObject create(ObjectRegistry server, String name, String spec) {
    KubeObject service =
        Cluster.object(
            ("{kind: Service, metadata: {name: %s, namespace: default}," + " spec: {%s}}")
                .formatted(name, spec));
    return server
        .create(
            cluster.request(Resources.SERVICES, "default", "", ""),
            service.json(),
            WriteOptions.by("test"))
        .object()
        .tree();
  }

  private void delete(ObjectRegistry server, String name) {
    server.delete(
        cluster.request(Resources.SERVICES, "default", name, ""), Registry.DeleteOptions.DEFAULT);
  }

  @Test
  void refusesAddressesInUseOrOutOfRange() {
    service("one", "clusterIP: 10.43.9.9");
    assertThatThrownBy(() -> service("two", "clusterIP: 10.43.9.9"))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(422))
        .hasMessage(
            "Service \"two\" is invalid: spec.clusterIPs: Invalid value: [\"10.43.9.9\"]: failed to"
                + " allocate IP 10.43.9.9: provided IP is already allocated");
    assertThatThrownBy(() -> service("two", "clusterIP: 10.44.0.1"))
        .hasMessageContaining("is not in the valid range. The range of valid IPs is 10.43.0.0/16");
    assertThatThrownBy(() -> service("two", "clusterIP: 10.43.0.1"))
        .hasMessageContaining("provided IP is already allocated");
    // A refused Service leaves nothing behind.
    cluster.delete(Resources.SERVICES, "default", "one");
    service("two", "clusterIP: 10.43.9.9");
  }

  @Test
  void keepsAddressesOverUpdatesAndRestarts() {
    KubeObject made = service("web", "type: NodePort");
    long port = made.spec().objects("ports").getFirst().integer("nodePort");
    assertThat(port).isBetween(30000L, 32767L);
    KubeObject sent =
        Cluster.object(
            "{kind: Service, metadata: {name: web, namespace: default},"
                + " spec: {type: NodePort, ports: [{port: 80}], selector: {a: c}}}");
    KubeObject updated = cluster.update(sent);
    assertThat(updated.spec().text("clusterIP")).isEqualTo(made.spec().text("clusterIP"));
    assertThat(updated.spec().objects("ports").getFirst().integer("nodePort")).isEqualTo(port);
    try (ObjectRegistry again = Cluster.open(cluster.store)) {
      assertThatThrownBy(
              () ->
                  again.create(
                      cluster.request(Resources.SERVICES, "default", "", ""),
                      Cluster.object(
                              "{kind: Service, metadata: {name: two, namespace: default},"
                                  + " spec: {type: NodePort, ports: [{port: 80, nodePort: %d}]}}"
                                      .formatted(port))
                          .json(),
                      Cluster.options(FieldValidation.STRICT, false)))
          .hasMessage(
              "Service \"two\" is invalid: spec.ports[0].nodePort: Invalid value: %d: provided port"
                      .formatted(port)
                  + " is already allocated");
    }
    KubeObject plain = cluster.update(updated.withPath(List.of("spec", "type"), "ClusterIP"));
    assertThat(plain.spec().objects("ports").getFirst().has("nodePort")).isFalse();
  }

  @Test
  void dryRunsTakeNothing() {
    cluster.registry.create(
        cluster.request(Resources.SERVICES, "default", "", ""),
        Cluster.object(
                "{kind: Service, metadata: {name: two, namespace: default},"
                    + " spec: {clusterIP: 10.43.1.1, ports: [{port: 80}]}}")
            .json(),
        Cluster.options(FieldValidation.STRICT, true));
    service("two", "clusterIP: 10.43.1.1");
  }

  @Test
  void refusesWhatIsNotConfigured() {
    assertThatThrownBy(() -> service("two", "ipFamilyPolicy: RequireDualStack"))
        .hasMessage(
            "Service \"two\" is invalid: spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\":"
                + " this cluster is not configured for dual-stack services");
  }
}
