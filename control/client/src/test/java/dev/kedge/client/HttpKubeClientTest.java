package dev.kedge.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.apiserver.ApiServer;
import dev.kedge.apiserver.HealthChecks;
import dev.kedge.apiserver.OpenApiDocuments;
import dev.kedge.apiserver.ServiceAccess;
import dev.kedge.client.KubeClient.DeleteOptions;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.client.ObjectWatch.EventType;
import dev.kedge.http.HttpServer;
import dev.kedge.http.HttpServer.Listen;
import dev.kedge.http.Tls;
import dev.kedge.http.TlsIdentity;
import dev.kedge.identity.Authenticator;
import dev.kedge.identity.Authorizer;
import dev.kedge.identity.Authorizer.Decision;
import dev.kedge.identity.ClusterCertificates;
import dev.kedge.identity.Credential;
import dev.kedge.identity.RbacAuthorizer;
import dev.kedge.identity.ServiceAccountTokens.IssuedToken;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.registry.Identity;
import dev.kedge.registry.ObjectRegistry;
import dev.kedge.registry.Settings;
import dev.kedge.registry.admission.AdmissionPlugins;
import dev.kedge.store.Store;
import dev.kedge.store.sql.SqliteStore;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The client and the informers against a real API server over TLS, by a written kubeconfig. */
@Timeout(240)
class HttpKubeClientTest {
  @TempDir Path directory;
  private Store store;
  private ObjectRegistry registry;
  private HttpServer http;
  private HttpKubeClient client;

  @BeforeEach
  void start() throws Exception {
    ClusterCertificates certificates =
        ClusterCertificates.open(directory.resolve("tls"), Clock.systemUTC());
    store = SqliteStore.open(directory.resolve("state.db"), SqliteStore.Options.FAST);
    RbacAuthorizer rbac = new RbacAuthorizer();
    Authorizer everything = (_, _) -> new Decision(true, "");
    Authenticator authenticator =
        new Authenticator(
            certificates.clientAuthority().chain(),
            certificates.requestHeaderAuthority().chain(),
            Set.of(),
            List.of(),
            false,
            Clock.systemUTC());
    registry =
        new ObjectRegistry(
            store,
            Settings.of("10.43.0.0/16"),
            new Identity(
                everything,
                rbac,
                authenticator::review,
                request -> new IssuedToken("token", Instant.now().plus(request.life()))),
            AdmissionPlugins.standard(everything, rbac),
            Clock.systemUTC());
    registry.start();
    ApiServer api =
        new ApiServer(
            new ApiServer.Parts(
                registry,
                authenticator,
                everything,
                Optional.empty(),
                _ -> Optional.empty(),
                ServiceAccess.NONE,
                () -> {
                  throw new IllegalStateException("no aggregated APIs here");
                },
                HealthChecks.PING,
                OpenApiDocuments.rendered(),
                List.of(),
                Optional.empty(),
                certificates.serverAuthority().bundlePem(),
                ApiServer.Settings.of("v1.36.2+kedge1", "127.0.0.1:6443")));
    Credential serving =
        certificates.serving("serving-kube-apiserver", "kedge", List.of("localhost", "127.0.0.1"));
    http =
        HttpServer.start(
            Listen.tls(
                "127.0.0.1",
                0,
                Tls.of(
                    () -> new TlsIdentity(serving.chain(), serving.key()),
                    certificates.clientAuthority()::chain)),
            api);
    Path file = directory.resolve("kubeconfig.yaml");
    dev.kedge.identity.Kubeconfig.write(
        file,
        "rw-------",
        "https://127.0.0.1:" + http.port(),
        certificates.serverAuthority().bundlePem(),
        certificates.client("client-admin", "system:admin", "system:masters"));
    client = Kubeconfig.read(file).client("test/1");
    client.create(
        Resources.NAMESPACES,
        KubeObject.of(Resources.NAMESPACES.groupVersionKind(), "", "default"));
  }

  @AfterEach
  void stop() {
    client.close();
    http.close();
    registry.close();
    store.close();
  }

  @Test
  void writesAreReadAndFailuresAreTheServersOwn() {
    KubeObject made = client.create(Resources.CONFIG_MAPS, map("a", "1"));
    assertThat(client.get(Resources.CONFIG_MAPS, "default", "a")).isEqualTo(made);
    assertThat(client.find(Resources.CONFIG_MAPS, "default", "b")).isEmpty();
    KubeObject patched =
        client.patch(
            Resources.CONFIG_MAPS,
            "default",
            "a",
            Patch.merge(JsonObject.of("data", JsonObject.of("value", "2"))));
    assertThat(patched.json().text("data", "value")).isEqualTo("2");
    assertThatThrownBy(() -> client.update(Resources.CONFIG_MAPS, made))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.isConflict()).isTrue());
    assertThat(client.list(Resources.CONFIG_MAPS, "", Selection.ALL).items())
        .allMatch(object -> object.kind().equals("ConfigMap"));
    client.delete(Resources.CONFIG_MAPS, "default", "a", DeleteOptions.DEFAULT.withUid(made.uid()));
    assertThatThrownBy(() -> client.get(Resources.CONFIG_MAPS, "default", "a"))
        .hasMessage("configmaps \"a\" not found");
  }

  @Test
  void aWatchStreamsAndEndsWhenItIsClosed() throws InterruptedException {
    String version = client.list(Resources.CONFIG_MAPS, "", Selection.ALL).resourceVersion();
    try (ObjectWatch watch =
        client.watch(Resources.CONFIG_MAPS, "default", Selection.ALL, version)) {
      client.create(Resources.CONFIG_MAPS, map("a", "1"));
      ObjectWatch.Event event = watch.next().orElseThrow();
      assertThat(event.type()).isEqualTo(EventType.ADDED);
      assertThat(event.object().name()).isEqualTo("a");
      Thread.startVirtualThread(watch::close);
      assertThat(watch.next()).isEmpty();
    }
  }

  @Test
  void anInformerFollowsAndKnowsItsOwnWrites() throws InterruptedException {
    try (SharedInformers informers = new SharedInformers(client)) {
      Informer informer = informers.of(Resources.CONFIG_MAPS);
      informer.awaitSynced();
      LinkedBlockingQueue<String> told = new LinkedBlockingQueue<>();
      informer.listen(
          (before, after) ->
              told.add(
                  after.map(object -> "+" + object.name()).orElse("")
                      + before.map(object -> "-" + object.name()).orElse("")));
      client.create(Resources.CONFIG_MAPS, map("a", "1"));
      assertThat(
              informer.await(
                  Duration.ofSeconds(60), () -> informer.get("default", "a").isPresent()))
          .isTrue();
      assertThat(told.poll(60, TimeUnit.SECONDS)).isEqualTo("+a");
      assertThat(informer.inNamespace("default")).hasSize(1);
      assertThat(informer.controlledBy("")).hasSize(1);
      client.delete(Resources.CONFIG_MAPS, "default", "a", DeleteOptions.DEFAULT);
      assertThat(told.poll(60, TimeUnit.SECONDS)).contains("-a");
      assertThat(informer.all()).isEmpty();
    }
  }

  private static KubeObject map(String name, String value) {
    return KubeObject.of(Resources.CONFIG_MAPS.groupVersionKind(), "default", name)
        .with("data", JsonObject.of("value", value));
  }
}
