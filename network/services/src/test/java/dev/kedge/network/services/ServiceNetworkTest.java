package dev.kedge.network.services;

import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.kedge.model.Resources;
import dev.kedge.network.pods.NetworkLab;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Real connections through real rules: a node, its pods, an outside world. */
class ServiceNetworkTest {
  private static final String ADDRESS = "10.43.0.50";

  @TempDir Path directory;
  private NetworkLab lab;
  private TestInformers informers;
  private ServiceNetwork network;
  private String a;
  private String b;

  @BeforeEach
  void open() throws Exception {
    lab = new NetworkLab(directory);
    a = lab.addPod("a");
    b = lab.addPod("b");
    lab.addPod("client");
    lab.serve("a", 8080, "a");
    lab.serve("b", 8080, "b");
    lab.outside().require("", "ip", "route", "add", "10.43.0.0/16", "via", NetworkLab.NODE);
    informers = new TestInformers();
    network = start();
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(lab.connect("client", a, 8080)).isEqualTo("a"));
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(lab.connect("client", b, 8080)).isEqualTo("b"));
  }

  @AfterEach
  void close() throws Exception {
    if (network != null) {
      network.close();
    }
    if (lab != null) {
      lab.close();
    }
  }

  @Test
  void clusterAddressReachesEveryEndpointFromPodNodeAndOutside() {
    service("\"type\":\"ClusterIP\"");
    endpoints(a, b);

    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(lab.connect("client", ADDRESS, 80)).isIn("a", "b"));
    assertThat(answers("client", ADDRESS, 80, 30)).containsExactlyInAnyOrder("a", "b");
    assertThat(answers("node", ADDRESS, 80, 10)).isSubsetOf("a", "b");
    assertThat(answers("outside", ADDRESS, 80, 10)).isSubsetOf("a", "b");
    // Itself, through its own Service.
    assertThat(answers("a", ADDRESS, 80, 30)).containsExactlyInAnyOrder("a", "b");
    assertThat(connect("client", ADDRESS, 81)).isEqualTo("refused");
  }

  @Test
  void changesOfEndpointsAreFollowed() {
    service("\"type\":\"ClusterIP\"");
    endpoints();
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("client", ADDRESS, 80)).isEqualTo("refused"));
    assertThat(connect("node", ADDRESS, 80)).isEqualTo("refused");

    endpoints(a);
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("client", ADDRESS, 80)).isEqualTo("a"));
    endpoints(b);
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("client", ADDRESS, 80)).isEqualTo("b"));
    assertThat(answers("client", ADDRESS, 80, 10)).containsExactly("b");

    informers.delete(Resources.SERVICES, "default", "web");
    await().atMost(ofMinutes(1)).until(() -> !rules().contains("default/web/tcp/80 {\n\t\tip"));
    assertThat(connect("client", ADDRESS, 80)).isNotIn("a", "b");
    service("\"type\":\"ClusterIP\"");
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("client", ADDRESS, 80)).isEqualTo("b"));
  }

  @Test
  void nodePortAnswersOnEveryAddressOfTheNode() {
    service("\"type\":\"NodePort\"", 30080);
    endpoints(a);

    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("outside", NetworkLab.NODE, 30080)).isEqualTo("a"));
    assertThat(connect("node", NetworkLab.NODE, 30080)).isEqualTo("a");
    assertThat(connect("node", "127.0.0.1", 30080)).isEqualTo("a");
    assertThat(connect("client", NetworkLab.NODE, 30080)).isEqualTo("a");

    endpoints();
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(
            () -> assertThat(connect("outside", NetworkLab.NODE, 30080)).isEqualTo("refused"));
  }

  @Test
  void localTrafficPolicyUsesOnlyEndpointsOfThisNode() {
    service("\"type\":\"NodePort\",\"externalTrafficPolicy\":\"Local\"", 30080);
    slice(endpoint(a, "other"), endpoint(b, "here"));

    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("outside", NetworkLab.NODE, 30080)).isEqualTo("b"));
    assertThat(answers("outside", NetworkLab.NODE, 30080, 15)).containsExactly("b");
    assertThat(answers("client", NetworkLab.NODE, 30080, 30)).containsExactlyInAnyOrder("a", "b");

    slice(endpoint(a, "other"));
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(
            () -> assertThat(connect("outside", NetworkLab.NODE, 30080)).isEqualTo("timeout"));
    assertThat(connect("client", NetworkLab.NODE, 30080)).isEqualTo("a");
  }

  @Test
  void loadBalancerAndExternalAddressesAnswerOnTheServicesPort() {
    informers.put(
        Resources.SERVICES,
        """
        {"metadata":{"namespace":"default","name":"web"},"spec":{"type":"LoadBalancer",
        "clusterIP":"10.43.0.50","externalIPs":["10.43.200.1"],
        "loadBalancerSourceRanges":["192.168.77.0/24"],
        "ports":[{"port":80,"protocol":"TCP","targetPort":8080}]},
        "status":{"loadBalancer":{"ingress":[{"ip":"192.168.77.1","ipMode":"VIP"}]}}}\
        """);
    endpoints(a);

    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("outside", NetworkLab.NODE, 80)).isEqualTo("a"));
    assertThat(connect("outside", "10.43.200.1", 80)).isEqualTo("a");
    assertThat(connect("client", NetworkLab.NODE, 80)).as("not in the ranges").isEqualTo("timeout");
  }

  @Test
  void endpointMayBeTheNodeItself() throws Exception {
    // As the Service "kubernetes" is, whose endpoint is the API server on the node.
    lab.serve("node", 9443, "api");
    service("\"type\":\"ClusterIP\"");
    informers.put(
        Resources.ENDPOINT_SLICES,
        """
        {"metadata":{"namespace":"default","name":"web-x",
        "labels":{"kubernetes.io/service-name":"web"}},"addressType":"IPv4",
        "endpoints":[{"addresses":["192.168.77.1"]}],
        "ports":[{"name":"","port":9443,"protocol":"TCP"}]}\
        """);

    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("client", ADDRESS, 80)).isEqualTo("api"));
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("node", ADDRESS, 80)).isEqualTo("api"));
  }

  @Test
  void affinityKeepsAClientAtItsEndpoint() {
    service(
        "\"type\":\"ClusterIP\",\"sessionAffinity\":\"ClientIP\","
            + "\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":60}}");
    endpoints(a, b);

    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("client", ADDRESS, 80)).isIn("a", "b"));
    Set<String> first = answers("client", ADDRESS, 80, 15);
    assertThat(first).hasSize(1);
    // Another change must not make it forget.
    slice(endpoint(a, "here"), endpoint(b, "here"), endpoint("10.42.0.99", "here"));
    await().atMost(ofMinutes(1)).until(() -> rules().contains("10.42.0.99"));
    assertThat(answers("client", ADDRESS, 80, 15)).isEqualTo(first);

    service("\"type\":\"ClusterIP\"");
    endpoints(a, b);
    await().atMost(ofMinutes(1)).until(() -> !rules().contains("numgen random mod 3"));
    assertThat(answers("client", ADDRESS, 80, 30)).hasSize(2);
  }

  @Test
  void hostPortsLeadToThePod() {
    informers.put(
        Resources.PODS,
        """
        {"metadata":{"namespace":"default","name":"a"},"spec":{"nodeName":"here","containers":[
        {"name":"c","ports":[{"containerPort":8080,"hostPort":8888,"protocol":"TCP"},
        {"containerPort":8080,"hostPort":8889,"hostIP":"192.168.77.1"}]}]},
        "status":{"phase":"Running","podIP":"%s"}}\
        """
            .formatted(a));

    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("outside", NetworkLab.NODE, 8888)).isEqualTo("a"));
    assertThat(connect("outside", NetworkLab.NODE, 8889)).isEqualTo("a");
    assertThat(connect("node", "127.0.0.1", 8888)).isEqualTo("a");
    assertThat(connect("node", "127.0.0.1", 8889)).isEqualTo("refused");

    informers.delete(Resources.PODS, "default", "a");
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(
            () -> assertThat(connect("outside", NetworkLab.NODE, 8888)).isEqualTo("refused"));
  }

  @Test
  void endpointsThatEndServeWhileThereAreNoOthers() {
    service("\"type\":\"ClusterIP\"");
    slice(
        """
        {"addresses":["%s"],"nodeName":"here",
        "conditions":{"ready":false,"serving":true,"terminating":true}}\
        """
            .formatted(a));
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("client", ADDRESS, 80)).isEqualTo("a"));
    slice(
        """
        {"addresses":["%s"],"nodeName":"here",
        "conditions":{"ready":false,"serving":true,"terminating":true}}\
        """
            .formatted(a),
        endpoint(b, "here"));
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("client", ADDRESS, 80)).isEqualTo("b"));
    assertThat(answers("client", ADDRESS, 80, 10)).containsExactly("b");
  }

  @Test
  void udpThatIsTrackedTowardsAGoneEndpointIsForgotten() throws Exception {
    String udp =
        """
        {"metadata":{"namespace":"default","name":"udp"},"spec":{"type":"ClusterIP",
        "clusterIP":"10.43.0.53","ports":[{"port":53,"protocol":"UDP"}]}}\
        """;
    informers.put(Resources.SERVICES, udp);
    udpEndpoint(a);
    await().atMost(ofMinutes(1)).until(() -> rules().contains(a + ":5353"));
    lab.in("client").require("", "bash", "-c", "echo hello > /dev/udp/10.43.0.53/53");
    assertThat(tracked()).contains("src=" + a);

    udpEndpoint(b);
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(tracked()).doesNotContain("src=" + a));
    lab.in("client").require("", "bash", "-c", "echo hello > /dev/udp/10.43.0.53/53");
    assertThat(tracked()).contains("src=" + b);
  }

  private void udpEndpoint(String address) {
    informers.put(
        Resources.ENDPOINT_SLICES,
        """
        {"metadata":{"namespace":"default","name":"udp-x",
        "labels":{"kubernetes.io/service-name":"udp"}},"addressType":"IPv4",
        "endpoints":[%s],"ports":[{"name":"","port":5353,"protocol":"UDP"}]}\
        """
            .formatted(endpoint(address, "here")));
  }

  /** Connections of the Service that connection tracking knows. */
  private String tracked() throws InterruptedException {
    return lab.node().run("", "conntrack", "-L", "-p", "udp", "--orig-dst", "10.43.0.53").out();
  }

  @Test
  void restartReplacesTheTableAndRemovingLeavesNothing() throws Exception {
    service("\"type\":\"ClusterIP\"");
    endpoints(a);
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("client", ADDRESS, 80)).isEqualTo("a"));
    String before = rules();

    network.close();
    assertThat(connect("client", ADDRESS, 80)).isEqualTo("a");
    network = start();
    assertThat(rules()).isEqualTo(before);

    // Somebody flushes everything: the next change heals it.
    lab.node().require("", "nft", "delete", "table", "ip", "kedge");
    endpoints(b);
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("client", ADDRESS, 80)).isEqualTo("b"));

    network.close();
    ServiceNetwork.remove(lab.node());
    assertThat(lab.node().require("", "nft", "list", "tables")).doesNotContain("ip kedge\n");
  }

  @Test
  void thousandServicesAreQuick() {
    long began = System.nanoTime();
    for (int i = 0; i < 1000; i++) {
      informers.put(
          Resources.SERVICES,
          """
          {"metadata":{"namespace":"default","name":"s%d"},"spec":{"type":"ClusterIP",
          "clusterIP":"10.43.%d.%d","ports":[{"port":80,"protocol":"TCP"}]}}\
          """
              .formatted(i, 10 + i / 200, 1 + i % 200));
      informers.put(
          Resources.ENDPOINT_SLICES,
          """
          {"metadata":{"namespace":"default","name":"s%1$d-x",
          "labels":{"kubernetes.io/service-name":"s%1$d"}},"addressType":"IPv4",
          "endpoints":[{"addresses":["10.42.1.%2$d"],"nodeName":"other"}],
          "ports":[{"port":8080,"protocol":"TCP"}]}\
          """
              .formatted(i, 1 + i % 200));
    }
    service("\"type\":\"ClusterIP\"");
    endpoints(a);
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(connect("client", ADDRESS, 80)).isEqualTo("a"));
    System.out.printf("1,000 Services more: %d ms%n", (System.nanoTime() - began) / 1_000_000);
    began = System.nanoTime();
    endpoints(b);
    await()
        .atMost(ofMinutes(1))
        .pollInterval(java.time.Duration.ofMillis(2))
        .untilAsserted(() -> assertThat(connect("client", ADDRESS, 80)).isEqualTo("b"));
    System.out.printf(
        "one change among them: %d ms with the connection%n",
        (System.nanoTime() - began) / 1_000_000);
  }

  private ServiceNetwork start() throws Exception {
    ServiceNetwork started =
        new ServiceNetwork(
            new ServiceNetwork.Settings("here", NetworkLab.CLUSTER_CIDR, Set.of("10.43.0.10")),
            informers,
            lab.node());
    started.start();
    started.awaitProgrammed();
    return started;
  }

  private String rules() throws InterruptedException {
    return lab.node().require("", "nft", "list", "table", "ip", "kedge");
  }

  private String connect(String from, String address, int port) {
    try {
      return lab.connect(from, address, port);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private Set<String> answers(String from, String address, int port, int times) {
    Set<String> answers = new HashSet<>();
    for (int i = 0; i < times; i++) {
      answers.add(connect(from, address, port));
    }
    return answers;
  }

  private void service(String spec) {
    service(spec, 0);
  }

  private void service(String spec, int nodePort) {
    informers.put(
        Resources.SERVICES,
        """
        {"metadata":{"namespace":"default","name":"web"},"spec":{%s,"clusterIP":"10.43.0.50",
        "ports":[{"port":80,"protocol":"TCP","targetPort":8080%s}]}}\
        """
            .formatted(spec, nodePort == 0 ? "" : ",\"nodePort\":" + nodePort));
  }

  private void endpoints(String... addresses) {
    String[] endpoints = new String[addresses.length];
    for (int i = 0; i < addresses.length; i++) {
      endpoints[i] = endpoint(addresses[i], "here");
    }
    slice(endpoints);
  }

  private static String endpoint(String address, String node) {
    return "{\"addresses\":[\"%s\"],\"nodeName\":\"%s\",\"conditions\":{\"ready\":true}}"
        .formatted(address, node);
  }

  private void slice(String... endpoints) {
    informers.put(
        Resources.ENDPOINT_SLICES,
        """
        {"metadata":{"namespace":"default","name":"web-x",
        "labels":{"kubernetes.io/service-name":"web"}},"addressType":"IPv4",
        "endpoints":[%s],"ports":[{"name":"","port":8080,"protocol":"TCP"}]}\
        """
            .formatted(String.join(",", endpoints)));
  }
}
