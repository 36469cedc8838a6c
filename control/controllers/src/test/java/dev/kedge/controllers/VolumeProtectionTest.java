package dev.kedge.controllers;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Claims and volumes stay as long as they are used, and go afterwards. */
@Timeout(240)
class VolumeProtectionTest {
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
  void aClaimOutlivesThePodsThatUseIt() {
    cluster.create(
        """
        apiVersion: v1
        kind: PersistentVolumeClaim
        metadata: {name: data, namespace: default}
        spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
        """);
    cluster.create(
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: user, namespace: default}
        spec:
          nodeName: elsewhere
          containers: [{name: main, image: a}]
          volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
        """);
    cluster.awaitPresent(
        Resources.PODS, "default", "user", pod -> !pod.spec().text("nodeName").isEmpty());
    cluster.client.delete(
        Resources.PERSISTENT_VOLUME_CLAIMS, "default", "data", DeleteOptions.DEFAULT);
    assertThat(cluster.client.get(Resources.PERSISTENT_VOLUME_CLAIMS, "default", "data").deleting())
        .isTrue();
    cluster.client.delete(
        Resources.PODS, "default", "user", DeleteOptions.DEFAULT.withGracePeriodSeconds(0));
    cluster.awaitGone(Resources.PERSISTENT_VOLUME_CLAIMS, "default", "data");
  }

  @Test
  void aVolumeGoesWhenItIsNotBound() {
    KubeObject volume =
        cluster.create(
            """
            apiVersion: v1
            kind: PersistentVolume
            metadata: {name: disk}
            spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /x}}
            """);
    assertThat(volume.finalizers()).containsExactly("kubernetes.io/pv-protection");
    cluster.client.delete(Resources.PERSISTENT_VOLUMES, "", "disk", DeleteOptions.DEFAULT);
    cluster.awaitGone(Resources.PERSISTENT_VOLUMES, "", "disk");
  }
}
