package dev.kedge.network.services;

import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.ObjectWatch;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.SystemTimeline;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class NodeBalancerTest {
  private TestInformers informers;
  private StatusClient client;
  private SystemTimeline timeline;
  private Events events;
  private NodeBalancer balancer;

  @BeforeEach
  void open() {
    informers = new TestInformers();
    client = new StatusClient(informers);
    timeline = new SystemTimeline();
    events = new Events(client, "service-lb", "", timeline);
    node("n1", "True", "{\"type\":\"InternalIP\",\"address\":\"192.168.1.1\"}");
    node(
        "n2",
        "True",
        "{\"type\":\"InternalIP\",\"address\":\"192.168.1.2\"},"
            + "{\"type\":\"ExternalIP\",\"address\":\"203.0.113.2\"}");
    balancer = new NodeBalancer(client, informers, events, timeline, Set.of(6443));
    balancer.start();
  }

  @AfterEach
  void close() {
    balancer.close();
    events.close();
    timeline.close();
  }

  @Test
  void givesTheAddressesOfReadyNodesAndFollowsThem() {
    service("web", "2026-01-01T00:00:00Z", "\"type\":\"LoadBalancer\"", 8080);
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(
            () -> assertThat(addresses("web")).containsExactly("192.168.1.1", "203.0.113.2"));

    node("n2", "Unknown", "{\"type\":\"InternalIP\",\"address\":\"192.168.1.2\"}");
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(addresses("web")).containsExactly("192.168.1.1"));
  }

  @Test
  void onlyNodesWithEndpointsWhereTrafficStaysLocal() {
    service(
        "web",
        "2026-01-01T00:00:00Z",
        "\"type\":\"LoadBalancer\",\"externalTrafficPolicy\":\"Local\"",
        8080);
    informers.put(
        Resources.ENDPOINT_SLICES,
        """
        {"metadata":{"namespace":"default","name":"web-x",
        "labels":{"kubernetes.io/service-name":"web"}},"addressType":"IPv4",
        "endpoints":[{"addresses":["10.42.0.5"],"nodeName":"n1"}],"ports":[{"port":80}]}\
        """);
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(addresses("web")).containsExactly("192.168.1.1"));
  }

  @Test
  void aPortBelongsToTheOldestServiceAndNeverToKedgesOwn() {
    service("first", "2026-01-01T00:00:00Z", "\"type\":\"LoadBalancer\"", 8080);
    service("second", "2026-01-02T00:00:00Z", "\"type\":\"LoadBalancer\"", 8080);
    service("api", "2026-01-03T00:00:00Z", "\"type\":\"LoadBalancer\"", 6443);

    await().atMost(ofMinutes(1)).untilAsserted(() -> assertThat(addresses("first")).hasSize(2));
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(
            () ->
                assertThat(client.eventMessages)
                    .contains(
                        "port 8080/TCP of the nodes is used by Service default/first",
                        "port 6443/TCP of the nodes is used by kedge itself"));
    assertThat(addresses("second")).isEmpty();
    assertThat(addresses("api")).isEmpty();

    informers.delete(Resources.SERVICES, "default", "first");
    await().atMost(ofMinutes(1)).untilAsserted(() -> assertThat(addresses("second")).hasSize(2));
  }

  @Test
  void whatIsNoLongerBalancedLosesItsAddresses() {
    service("web", "2026-01-01T00:00:00Z", "\"type\":\"LoadBalancer\"", 8080);
    service(
        "other",
        "2026-01-01T00:00:00Z",
        "\"type\":\"LoadBalancer\",\"loadBalancerClass\":\"example.com/lb\"",
        9090);
    await().atMost(ofMinutes(1)).untilAsserted(() -> assertThat(addresses("web")).hasSize(2));
    KubeObject before = informers.of(Resources.SERVICES).get("default", "web").orElseThrow();
    informers.put(
        Resources.SERVICES,
        new KubeObject(before.json().with("spec", before.spec().with("type", "ClusterIP")))
            .json()
            .toString());
    await().atMost(ofMinutes(1)).untilAsserted(() -> assertThat(addresses("web")).isEmpty());
    assertThat(addresses("other")).isEmpty();
  }

  private List<String> addresses(String name) {
    return informers
        .of(Resources.SERVICES)
        .get("default", name)
        .map(service -> service.status().objects("loadBalancer", "ingress"))
        .orElse(List.of())
        .stream()
        .map(ingress -> ingress.text("ip"))
        .toList();
  }

  private void service(String name, String created, String spec, int port) {
    informers.put(
        Resources.SERVICES,
        """
        {"apiVersion":"v1","kind":"Service","metadata":{"namespace":"default","name":"%s",
        "creationTimestamp":"%s"},"spec":{%s,"clusterIP":"10.43.0.9",
        "ports":[{"port":%d,"protocol":"TCP"}]}}\
        """
            .formatted(name, created, spec, port));
  }

  private void node(String name, String ready, String addresses) {
    informers.put(
        Resources.NODES,
        """
        {"metadata":{"name":"%s"},"status":{"addresses":[%s],
        "conditions":[{"type":"Ready","status":"%s"}]}}\
        """
            .formatted(name, addresses, ready));
  }

  /** Puts patched status into the informers, keeps events, and can do nothing else. */
  private static final class StatusClient implements KubeClient {
    private final TestInformers informers;
    private final List<String> eventMessages = new CopyOnWriteArrayList<>();

    StatusClient(TestInformers informers) {
      this.informers = informers;
    }

    @Override
    public KubeObject patch(ResourceType type, String namespace, String name, Patch patch) {
      if (type.equals(Resources.EVENTS)) {
        // The same event once more.
        return KubeObject.of(type.groupVersionKind(), namespace, name);
      }
      Informer informer = informers.of(type);
      KubeObject object = informer.get(namespace, name).orElseThrow();
      assertThat(patch.subresource()).isEqualTo("status");
      JsonObject status = ((JsonObject) patch.body()).object("status");
      informers.put(type, object.json().with("status", status).toString());
      return object;
    }

    @Override
    public KubeObject create(ResourceType type, KubeObject object) {
      eventMessages.add(object.json().text("message") + object.json().text("note"));
      return object;
    }

    @Override
    public KubeObject get(ResourceType type, String namespace, String name) {
      throw new UnsupportedOperationException();
    }

    @Override
    public ObjectList list(ResourceType type, String namespace, Selection selection) {
      throw new UnsupportedOperationException();
    }

    @Override
    public ObjectWatch watch(
        ResourceType type, String namespace, Selection selection, String resourceVersion) {
      throw new UnsupportedOperationException();
    }

    @Override
    public KubeObject update(ResourceType type, KubeObject object) {
      throw new UnsupportedOperationException();
    }

    @Override
    public KubeObject updateSubresource(ResourceType type, KubeObject object, String subresource) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void delete(ResourceType type, String namespace, String name, DeleteOptions options) {
      throw new UnsupportedOperationException();
    }

    @Override
    public KubeObject getSubresource(
        ResourceType type, String namespace, String name, String subresource) {
      throw new UnsupportedOperationException();
    }

    @Override
    public KubeObject createSubresource(
        ResourceType type, String namespace, String name, String subresource, KubeObject body) {
      throw new UnsupportedOperationException();
    }
  }
}
