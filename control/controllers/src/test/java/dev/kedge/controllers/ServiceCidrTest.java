package dev.kedge.controllers;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Networks and addresses of Services as objects. */
@Timeout(120)
class ServiceCidrTest {
  private TestCluster cluster;

  @BeforeEach
  void start() {
    cluster = new TestCluster();
  }

  @AfterEach
  void stop() {
    cluster.close();
  }

  private static boolean ready(KubeObject cidr, String status) {
    return cidr.status().objects("conditions").stream()
        .anyMatch(
            condition ->
                condition.text("type").equals("Ready") && condition.text("status").equals(status));
  }

  private KubeObject service(String name, String spec) {
    return cluster.create(
        "{apiVersion: v1, kind: Service, metadata: {name: "
            + name
            + ", namespace: default}, spec: {ports: [{port: 80}], "
            + spec
            + "}}");
  }

  @Test
  void theDefaultIsThereAndComesBack() {
    cluster.awaitPresent(Resources.SERVICE_CIDRS, "", "kubernetes", cidr -> ready(cidr, "True"));
    KubeObject made = cluster.client.get(Resources.SERVICE_CIDRS, "", "kubernetes");
    assertThat(made.spec().strings("cidrs")).containsExactly("10.43.0.0/16");
    assertThat(made.finalizers()).containsExactly("networking.k8s.io/service-cidr-finalizer");
  }

  @Test
  void eachAddressOfAServiceIsAnObjectWhileItLasts() {
    String address = service("web", "selector: {a: b}").spec().text("clusterIP");
    service("headless", "clusterIP: None");
    cluster.awaitPresent(Resources.IP_ADDRESSES, "", address, _ -> true);
    KubeObject object = cluster.client.get(Resources.IP_ADDRESSES, "", address);
    assertThat(object.spec().object("parentRef"))
        .isEqualTo(JsonObject.of("resource", "services", "namespace", "default", "name", "web"));
    assertThat(object.metadata().text("labels", "ipaddress.kubernetes.io/managed-by"))
        .isEqualTo("ipallocator.k8s.io");
    // One that somebody removes comes back; that of a removed Service goes.
    cluster.client.delete(Resources.IP_ADDRESSES, "", address, DeleteOptions.DEFAULT);
    cluster.awaitPresent(
        Resources.IP_ADDRESSES, "", address, other -> !other.uid().equals(object.uid()));
    cluster.client.delete(Resources.SERVICES, "default", "web", DeleteOptions.DEFAULT);
    cluster.awaitGone(Resources.IP_ADDRESSES, "", address);
  }

  @Test
  void anAddedRangeIsGivenOutAndStaysWhileItIsUsed() {
    cluster.create(
        "{apiVersion: networking.k8s.io/v1, kind: ServiceCIDR, metadata: {name: more},"
            + " spec: {cidrs: [10.96.7.0/24]}}");
    cluster.awaitPresent(Resources.SERVICE_CIDRS, "", "more", cidr -> ready(cidr, "True"));
    KubeObject service = service("there", "clusterIP: 10.96.7.9");
    assertThat(service.spec().strings("clusterIPs")).containsExactly("10.96.7.9");
    cluster.awaitPresent(Resources.IP_ADDRESSES, "", "10.96.7.9", _ -> true);

    cluster.client.delete(Resources.SERVICE_CIDRS, "", "more", DeleteOptions.DEFAULT);
    cluster.awaitPresent(Resources.SERVICE_CIDRS, "", "more", cidr -> ready(cidr, "False"));
    cluster.client.delete(Resources.SERVICES, "default", "there", DeleteOptions.DEFAULT);
    cluster.awaitGone(Resources.SERVICE_CIDRS, "", "more");
  }
}
