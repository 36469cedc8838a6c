package dev.kedge.server;

import static dev.kedge.server.TestServers.client;
import static dev.kedge.server.TestServers.start;
import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kedge.client.HttpKubeClient;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.http.ClientTls;
import dev.kedge.http.Pem;
import dev.kedge.http.TlsIdentity;
import dev.kedge.lifecycle.UserException;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.model.Yaml;
import dev.kedge.store.Store;
import dev.kedge.store.etcd.EtcdCluster;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Servers without agents on one machine, each with an etcd of its own: joining, losing one, coming
 * back, and what goes wrong.
 */
@Timeout(240)
class HighAvailabilityTest {
  private static final List<String> NAMES = List.of("one", "two", "three", "alone");
  private static final String TOKEN = "a-secret-of-this-test";

  @TempDir private Path directory;

  @BeforeEach
  void requireEtcd() {
    assumeTrue(
        Stream.of(System.getenv("PATH").split(":", -1))
            .anyMatch(place -> Files.isExecutable(Path.of(place, "etcd"))),
        "etcd is not installed (Debian package etcd-server)");
  }

  /** A server to be. */
  private ServerConfig config(String name, Datastore datastore, Optional<URI> join, boolean init) {
    return TestServers.config(
        directory,
        name,
        // Each its own, as on machines of their own.
        "127.0.0." + (NAMES.indexOf(name) + 1),
        datastore,
        TestServers.cluster(TOKEN, join, init),
        ServerConfig.Snapshots.DEFAULT);
  }

  private ServerConfig alone(String name) {
    return config(name, Datastore.EMBEDDED, Optional.empty(), false);
  }

  private ServerConfig first(String name) {
    return config(name, Datastore.EMBEDDED, Optional.empty(), true);
  }

  private ServerConfig joining(String name, ServerConfig server) {
    return config(name, Datastore.EMBEDDED, Optional.of(url(server)), false);
  }

  private static URI url(ServerConfig server) {
    return URI.create("https://127.0.0.1:" + server.httpsPort());
  }

  private static KubeObject configMap(String name) {
    return KubeObject.of(Resources.CONFIG_MAPS.groupVersionKind(), "default", name)
        .with("data", JsonObject.of("a", "b"));
  }

  private static String leader(HttpKubeClient client) {
    return client
        .find(Resources.LEASES, "kube-system", "kedge")
        .map(lease -> lease.spec().text("holderIdentity"))
        .orElse("");
  }

  private static List<String> addresses(HttpKubeClient client) {
    return client
        .find(Resources.ENDPOINT_SLICES, "default", "kubernetes")
        .map(
            slice ->
                slice.json().objects("endpoints").stream()
                    .flatMap(endpoint -> endpoint.strings("addresses").stream())
                    .toList())
        .orElse(List.of());
  }

  @Test
  void theClusterGoesOnWithoutOneOfThreeServers() throws Exception {
    ServerConfig one = first("one");
    try (KedgeServer serverOne = start(one)) {
      ServerConfig two = joining("two", one);
      ServerConfig three = joining("three", one);
      try (KedgeServer _ = start(two);
          KedgeServer _ = start(three);
          HttpKubeClient atThree = client(three);
          HttpKubeClient atOne = client(one);
          HttpKubeClient atTwo = client(two)) {
        await().atMost(ofMinutes(1)).until(() -> leader(atOne).startsWith("one_"));
        atOne.create(Resources.CONFIG_MAPS, configMap("before"));
        assertThat(atTwo.find(Resources.CONFIG_MAPS, "default", "before")).isPresent();
        await()
            .atMost(Duration.ofSeconds(60))
            .until(() -> addresses(atTwo).equals(List.of("127.0.0.1", "127.0.0.2", "127.0.0.3")));

        // As if the machine was gone, but for the Lease, which is given back; its expiry has tests.
        long etcd =
            Long.parseLong(Files.readString(one.etcdDir().resolveSibling("etcd.pid")).strip());
        ProcessHandle.of(etcd).orElseThrow().destroyForcibly();
        Thread closing = Thread.ofVirtual().start(serverOne::close);
        List<String> acknowledged = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
          String name = "during-" + i;
          try {
            atTwo.create(Resources.CONFIG_MAPS, configMap(name));
            acknowledged.add(name);
          } catch (ApiException e) {
            assertThat(e.status().code()).as(e.status().message()).isGreaterThanOrEqualTo(500);
          }
        }
        closing.join();
        assertThat(acknowledged).hasSizeGreaterThan(40);
        for (String name : acknowledged) {
          assertThat(atThree.find(Resources.CONFIG_MAPS, "default", name)).isPresent();
        }
        await()
            .atMost(Duration.ofSeconds(60))
            .until(() -> !leader(atTwo).isEmpty() && !leader(atTwo).startsWith("one_"));
        // Whoever leads now does what controllers do.
        atTwo.create(
            Resources.DEPLOYMENTS,
            new KubeObject(
                (JsonObject)
                    Yaml.parse(
                        """
                        apiVersion: apps/v1
                        kind: Deployment
                        metadata: {name: web, namespace: default}
                        spec:
                          selector: {matchLabels: {app: web}}
                          template:
                            metadata: {labels: {app: web}}
                            spec: {containers: [{name: web, image: web}]}
                        """)));
        await()
            .atMost(Duration.ofSeconds(60))
            .until(
                () ->
                    atTwo
                            .list(Resources.PODS, "default", Selection.labels("app=web"))
                            .items()
                            .size()
                        == 1);

        await()
            .atMost(Duration.ofSeconds(60))
            .until(() -> addresses(atTwo).equals(List.of("127.0.0.2", "127.0.0.3")));

        try (KedgeServer _ = start(one);
            HttpKubeClient again = client(one)) {
          assertThat(again.find(Resources.CONFIG_MAPS, "default", acknowledged.getLast()))
              .isPresent();
        }

        // The member goes with its node.
        assertThat(Joining.ask(url(two), ClusterToken.parse(TOKEN)).etcd()).hasSize(3);
        await().atMost(ofMinutes(1)).until(() -> !leader(atTwo).startsWith("one_"));
        atTwo.create(Resources.NODES, KubeObject.of(Resources.NODES.groupVersionKind(), "", "one"));
        await()
            .atMost(Duration.ofSeconds(60))
            .until(
                () -> {
                  if (atTwo.find(Resources.NODES, "", "one").isPresent()) {
                    atTwo.delete(Resources.NODES, "", "one", DeleteOptions.DEFAULT);
                  }
                  return Joining.ask(url(two), ClusterToken.parse(TOKEN)).etcd().size() == 2;
                });
      }
    }
  }

  @Test
  void whoMayNotJoinIsToldWhy() throws Exception {
    ServerConfig one = first("one");
    ServerConfig alone = alone("alone");
    try (KedgeServer _ = start(one)) {
      String full = Files.readString(one.tokenFile());
      assertThat(full).matches("K10[0-9a-f]{64}::server:" + TOKEN + "\n");
      assertThat(Joining.ask(url(one), ClusterToken.parse(full)).etcd()).hasSize(1);
      refused(one, "another", "refuses the token");
      try (KedgeServer _ = start(alone)) {
        refused(alone, full, "not of the cluster that the token is for");
        refused(alone, TOKEN, "start it again with --cluster-init");
      }
      assertThatThrownBy(() -> start(joining("alone", one)))
          .isInstanceOf(UserException.class)
          .hasMessageContaining("belongs to another cluster");
    }
    refused(one, TOKEN, "cannot be reached");
  }

  private static void refused(ServerConfig server, String token, String why) {
    assertThatThrownBy(() -> Joining.ask(url(server), ClusterToken.parse(token)))
        .isInstanceOf(UserException.class)
        .hasMessageContaining(why);
  }

  @Test
  void anEtcdElsewhereIsCheckedBeforeAnythingIsWritten() throws Exception {
    ServerConfig one = first("one");
    try (KedgeServer _ = start(one)) {
      Path tls = one.tlsDir();
      Optional<Path> authority = Optional.of(tls.resolve("etcd-ca.crt"));
      Optional<Path> certificate = Optional.of(tls.resolve("etcd-client.crt"));
      Optional<Path> key = Optional.of(tls.resolve("etcd-client.key"));
      String https = "https://127.0.0.1:" + one.cluster().etcdClientPort();

      refused(
          new Datastore(https, Optional.of(tls.resolve("client-ca.crt")), certificate, key),
          "shows a certificate of another authority; give its authority with --datastore-cafile");
      refused(
          new Datastore(https, authority, Optional.empty(), Optional.empty()),
          "asks for a client certificate; give one with --datastore-certfile");
      refused(
          new Datastore(
              https,
              authority,
              Optional.of(tls.resolve("client-admin.crt")),
              Optional.of(tls.resolve("client-admin.key"))),
          "does not accept the certificate in --datastore-certfile");
      refused(
          new Datastore(
              https.replace("https", "http"), Optional.empty(), Optional.empty(), Optional.empty()),
          "begin its URL with https://");
      Datastore right = new Datastore(https, authority, certificate, key);
      byte[] sealed;
      try (Store store = right.open(directory.resolve("unused"))) {
        sealed = store.get(BootstrapData.KEY).orElseThrow().value();
      }

      makesRoom(one);

      // Another server on the same datastore, with and without the token of the cluster.
      ServerConfig two = config("two", right, Optional.empty(), false);
      try (KedgeServer _ = start(two);
          HttpKubeClient atTwo = client(two);
          HttpKubeClient atOne = client(one)) {
        atTwo.create(Resources.CONFIG_MAPS, configMap("shared"));
        assertThat(atOne.find(Resources.CONFIG_MAPS, "default", "shared")).isPresent();
        assertThat(two.tlsDir().resolve("server-ca.crt"))
            .hasSameTextualContentAs(tls.resolve("server-ca.crt"));
      }
      assertThatThrownBy(() -> BootstrapData.unseal(sealed, ClusterToken.parse("another")))
          .isInstanceOf(UserException.class)
          .hasMessageContaining("was made with another token");
    }
  }

  private static void makesRoom(ServerConfig server) throws IOException {
    Path tls = server.tlsDir();
    TlsIdentity client =
        Pem.identity(
            Files.readString(tls.resolve("etcd-client.crt")),
            Files.readString(tls.resolve("etcd-client.key")));
    List<URI> urls = List.of(URI.create("https://127.0.0.1:" + server.cluster().etcdClientPort()));
    try (EtcdCluster cluster =
        new EtcdCluster(
            urls,
            ClientTls.trusting(
                Pem.certificates(Files.readString(tls.resolve("etcd-ca.crt"))),
                Optional.of(client)))) {
      cluster.defragment();
      assertThat(cluster.status().leader()).isNotZero();
    }
  }

  private void refused(Datastore datastore, String why) {
    assertThatThrownBy(() -> datastore.open(directory.resolve("unused")))
        .isInstanceOf(UserException.class)
        .hasMessageStartingWith("etcd at http")
        .hasMessageContaining(why);
  }

  @Test
  void aServerAloneBecomesTheFirstOfSeveral() {
    ServerConfig alone = alone("one");
    try (KedgeServer _ = start(alone);
        HttpKubeClient client = client(alone)) {
      client.create(Resources.CONFIG_MAPS, configMap("old"));
    }
    ServerConfig first = first("one");
    try (KedgeServer _ = start(first);
        HttpKubeClient client = client(first)) {
      assertThat(client.find(Resources.CONFIG_MAPS, "default", "old")).isPresent();
      assertThat(first.databaseFile()).doesNotExist();
    }
  }
}
