package dev.kedge.controllers;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(240)
class OwnershipTest {
  private TestCluster cluster;

  @BeforeEach
  void start() {
    cluster = new TestCluster();
  }

  @AfterEach
  void stop() {
    cluster.close();
  }

  @Test
  void dependentsGoInTheBackground() {
    KubeObject owner = map("owner", Optional.empty());
    KubeObject child = map("child", Optional.of(owner));
    map("grandchild", Optional.of(child));
    delete("owner", "Background");
    cluster.awaitGone(Resources.CONFIG_MAPS, "default", "grandchild");
    cluster.awaitGone(Resources.CONFIG_MAPS, "default", "child");
  }

  @Test
  void aForegroundDeletionWaitsForDependentsThatBlockIt() {
    KubeObject owner = map("owner", Optional.empty());
    map("child", Optional.of(owner));
    cluster.client.patch(
        Resources.CONFIG_MAPS,
        "default",
        "child",
        dev.kedge.client.KubeClient.Patch.merge(
            dev.kedge.model.Json.parseObject("{\"metadata\":{\"finalizers\":[\"test/hold\"]}}")));
    delete("owner", "Foreground");
    cluster.awaitPresent(Resources.CONFIG_MAPS, "default", "child", KubeObject::deleting);
    assertThat(cluster.client.get(Resources.CONFIG_MAPS, "default", "owner").finalizers())
        .containsExactly("foregroundDeletion");
    cluster.client.patch(
        Resources.CONFIG_MAPS,
        "default",
        "child",
        dev.kedge.client.KubeClient.Patch.merge(
            dev.kedge.model.Json.parseObject("{\"metadata\":{\"finalizers\":null}}")));
    cluster.awaitGone(Resources.CONFIG_MAPS, "default", "child");
    cluster.awaitGone(Resources.CONFIG_MAPS, "default", "owner");
  }

  @Test
  void aCircleOfOwnersDoesNotBlockItself() {
    KubeObject first = map("first", Optional.empty());
    KubeObject second = map("second", Optional.of(first));
    KubeObject third = map("third", Optional.of(second));
    cluster.client.patch(
        Resources.CONFIG_MAPS,
        "default",
        "first",
        dev.kedge.client.KubeClient.Patch.merge(
            dev.kedge.model.Json.parseObject(
                """
                {"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap",
                  "name":"third","uid":"%s","blockOwnerDeletion":true}]}}
                """
                    .formatted(third.uid()))));
    delete("first", "Foreground");
    for (String name : java.util.List.of("first", "second", "third")) {
      cluster.awaitGone(Resources.CONFIG_MAPS, "default", name);
    }
  }

  @Test
  void orphansStay() {
    KubeObject owner = map("owner", Optional.empty());
    map("child", Optional.of(owner));
    delete("owner", "Orphan");
    cluster.awaitGone(Resources.CONFIG_MAPS, "default", "owner");
    cluster.awaitPresent(
        Resources.CONFIG_MAPS, "default", "child", c -> c.ownerReferences().isEmpty());
  }

  @Test
  void anObjectWhoseOwnerNeverExistedGoes() {
    KubeObject owner = map("owner", Optional.empty());
    map("child", Optional.of(owner.withMetadata("uid", "00000000-0000-0000-0000-000000000000")));
    cluster.awaitGone(Resources.CONFIG_MAPS, "default", "child");
    assertThat(cluster.client.find(Resources.CONFIG_MAPS, "default", "owner")).isPresent();
  }

  @Test
  void deletingADeploymentTakesItsPods() {
    cluster.node("node-1");
    cluster.create(
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web, namespace: default}
        spec:
          replicas: 2
          selector: {matchLabels: {app: web}}
          template:
            metadata: {labels: {app: web}}
            spec: {containers: [{name: web, image: "nginx:1"}]}
        """);
    cluster.awaitPresent(
        Resources.DEPLOYMENTS, "default", "web", d -> d.status().integer("readyReplicas") == 2);
    cluster.client.delete(Resources.DEPLOYMENTS, "default", "web", DeleteOptions.background());
    org.awaitility.Awaitility.await()
        .atMost(java.time.Duration.ofMinutes(1))
        .until(() -> cluster.pods("default", _ -> true).isEmpty());
  }

  @Test
  void nodesGetTheirShareOfThePodNetwork() {
    cluster.node("node-1");
    cluster.node("node-2");
    cluster.awaitPresent(
        Resources.NODES, "", "node-1", n -> n.spec().text("podCIDR").equals("10.42.0.0/24"));
    cluster.awaitPresent(
        Resources.NODES, "", "node-2", n -> n.spec().text("podCIDR").equals("10.42.1.0/24"));
  }

  private KubeObject map(String name, Optional<KubeObject> owner) {
    KubeObject map = KubeObject.of(Resources.CONFIG_MAPS.groupVersionKind(), "default", name);
    return cluster.client.create(
        Resources.CONFIG_MAPS,
        owner
            .map(
                o ->
                    map.withMetadata(
                        "ownerReferences",
                        java.util.List.of(Owners.controllerReference(Resources.CONFIG_MAPS, o))))
            .orElse(map));
  }

  private void delete(String name, String policy) {
    cluster.client.delete(
        Resources.CONFIG_MAPS,
        "default",
        name,
        new DeleteOptions(Optional.empty(), policy, "", ""));
  }

  @Test
  void anOwnerInAnotherNamespaceIsNone() {
    KubeObject owner = map("owner", Optional.empty());
    // What came after the owner is known to the collector: so is the owner.
    map("decoy", Optional.of(owner.withMetadata("uid", "00000000-0000-0000-0000-000000000000")));
    cluster.awaitGone(Resources.CONFIG_MAPS, "default", "decoy");
    cluster.create(
        """
        kind: ConfigMap
        metadata:
          name: stranger
          namespace: kube-public
          ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: owner, uid: %s}]
        """
            .formatted(owner.uid()));
    cluster.awaitGone(Resources.CONFIG_MAPS, "kube-public", "stranger");
    cluster.awaitEvent(
        "stranger",
        "OwnerRefInvalidNamespace",
        "ownerRef [v1/ConfigMap, namespace: kube-public, name: owner, uid: "
            + owner.uid()
            + "] does not exist in namespace \"kube-public\"");
    assertThat(cluster.client.find(Resources.CONFIG_MAPS, "default", "owner")).isPresent();
  }

  @Test
  void aKindThatIsGoneAgainHoldsUpNoOther() {
    cluster.ghost(new ResourceType("example.com", "v1", "ghosts", "Ghost", true));
    cluster.create(
        """
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata: {name: pets.example.com}
        spec:
          group: example.com
          scope: Namespaced
          names: {plural: pets, kind: Pet}
          versions:
          - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
        """);
    ResourceType pets = new ResourceType("example.com", "v1", "pets", "Pet", true);
    cluster.create(
        "{apiVersion: example.com/v1, kind: Pet, metadata: {name: a, namespace: default}}");
    cluster.client.delete(
        pets, "default", "a", new DeleteOptions(Optional.empty(), "Orphan", "", ""));
    cluster.awaitGone(pets, "default", "a");
  }

  @Test
  void anObjectOfNoNamespaceOutlivesAnOwnerThatHasOne() {
    KubeObject owner = map("owner", Optional.empty());
    cluster.create(
        """
        apiVersion: scheduling.k8s.io/v1
        kind: PriorityClass
        value: 1
        metadata:
          name: cluster-wide
          ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: owner, uid: %s}]
        """
            .formatted(owner.uid()));
    cluster.awaitEvent(
        "cluster-wide",
        "OwnerRefInvalidNamespace",
        "ownerRef [v1/ConfigMap, namespace: , name: owner, uid: "
            + owner.uid()
            + "] does not exist in namespace \"\"");
    assertThat(cluster.client.find(Resources.PRIORITY_CLASSES, "", "cluster-wide")).isPresent();
  }
}
