package dev.kedge.identity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.identity.ServiceAccountTokens.Bound;
import dev.kedge.identity.ServiceAccountTokens.TokenRequest;
import dev.kedge.identity.TokenAuthenticator.InvalidTokenException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import java.security.KeyPair;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ServiceAccountTokensTest {
  private static final Instant NOW = Instant.parse("2026-03-01T00:00:00Z");
  private static final String ISSUER = "https://kubernetes.default.svc.cluster.local";

  private final KeyPair key = CertificateAuthority.newKeyPair();
  private final Map<String, KubeObject> objects = new HashMap<>();

  @BeforeEach
  void objects() {
    put(Resources.SERVICE_ACCOUNTS, "ns", "builder", "uid-sa");
    put(Resources.PODS, "ns", "p", "uid-pod");
  }

  @Test
  void aBoundTokenTellsItsAccountAndPod() throws Exception {
    String token = podToken();
    User user = tokens(NOW).authenticate(token, List.of()).orElseThrow().user();
    assertThat(user.name()).isEqualTo("system:serviceaccount:ns:builder");
    assertThat(user.uid()).isEqualTo("uid-sa");
    assertThat(user.groups())
        .containsExactly("system:serviceaccounts", "system:serviceaccounts:ns");
    assertThat(user.extra())
        .containsEntry("authentication.kubernetes.io/pod-name", List.of("p"))
        .containsEntry("authentication.kubernetes.io/node-name", List.of("n1"))
        .containsKey("authentication.kubernetes.io/credential-id");
  }

  @Test
  void aBoundTokenDiesWithItsPodItsAccountAndItsTime() {
    String token = podToken();
    assertThatThrownBy(() -> tokens(NOW.plusSeconds(3601)).authenticate(token, List.of()))
        .isInstanceOf(InvalidTokenException.class)
        .hasMessage("service account token has expired");
    assertThatThrownBy(() -> tokens(NOW).authenticate(token, List.of("vault")))
        .hasMessageContaining("invalid for the target audiences [\"vault\"]");
    objects.remove("pods/ns/p");
    assertThatThrownBy(() -> tokens(NOW).authenticate(token, List.of()))
        .hasMessage("Pod ns/p has been deleted");
    put(Resources.PODS, "ns", "p", "uid-other");
    assertThatThrownBy(() -> tokens(NOW).authenticate(token, List.of()))
        .hasMessage("Pod UID (uid-other) does not match claim (uid-pod)");
    objects.remove("serviceaccounts/ns/builder");
    assertThatThrownBy(() -> tokens(NOW).authenticate(token, List.of()))
        .hasMessage("ServiceAccount ns/builder has been deleted");
  }

  @Test
  void tokensOfOtherKeysAndChangedTokensAreRefused() throws Exception {
    String token = podToken();
    KeyPair other = CertificateAuthority.newKeyPair();
    ServiceAccountTokens others =
        new ServiceAccountTokens(
            ISSUER, List.of(ISSUER), other, List.of(), this::find, ClusterCertificatesTest.at(NOW));
    assertThatThrownBy(() -> others.authenticate(token, List.of()))
        .hasMessage("invalid signature in token");
    String[] parts = token.split("\\.");
    String none =
        Base64.getUrlEncoder()
            .withoutPadding()
            .encodeToString("{\"alg\":\"none\"}".getBytes("UTF-8"));
    assertThatThrownBy(() -> tokens(NOW).authenticate(none + "." + parts[1] + ".", List.of()))
        .hasMessage("invalid signature in token");
    assertThat(tokens(NOW).authenticate("not-a-jwt", List.of())).isEmpty();
    ServiceAccountTokens rotated =
        new ServiceAccountTokens(
            ISSUER,
            List.of(ISSUER),
            other,
            List.of(key.getPublic()),
            this::find,
            ClusterCertificatesTest.at(NOW));
    assertThat(rotated.authenticate(token, List.of())).isPresent();
  }

  @Test
  void aSecretsTokenIsValidWhileTheSecretHoldsIt() throws Exception {
    String token = tokens(NOW).issueLegacy("ns", "builder-token", "builder", "uid-sa");
    put(Resources.SECRETS, "ns", "builder-token", "uid-secret");
    assertThatThrownBy(() -> tokens(NOW).authenticate(token, List.of()))
        .hasMessage("Token does not match server's copy");
    String held = Base64.getEncoder().encodeToString(token.getBytes("UTF-8"));
    objects.computeIfPresent(
        "secrets/ns/builder-token",
        (_, secret) -> secret.with("data", JsonObject.of("token", held)));
    assertThat(tokens(NOW).authenticate(token, List.of()).orElseThrow().user().name())
        .isEqualTo("system:serviceaccount:ns:builder");
  }

  @Test
  void publishesItsKeys() {
    JsonObject published = tokens(NOW).keySet().objects("keys").getFirst();
    assertThat(published.text("alg")).isEqualTo("ES256");
    assertThat(Base64.getUrlDecoder().decode(published.text("x"))).hasSize(32);
    assertThat(tokens(NOW).discoveryDocument("https://x/openid/v1/jwks").text("issuer"))
        .isEqualTo(ISSUER);
  }

  private String podToken() {
    return tokens(NOW)
        .issue(
            new TokenRequest(
                "ns",
                "builder",
                "uid-sa",
                List.of(),
                Duration.ofHours(1),
                Optional.of(new Bound("Pod", "p", "uid-pod")),
                Optional.of(new Bound("Node", "n1", "uid-node"))))
        .token();
  }

  private ServiceAccountTokens tokens(Instant now) {
    return new ServiceAccountTokens(
        ISSUER,
        List.of(ISSUER, "kedge"),
        key,
        List.of(),
        this::find,
        ClusterCertificatesTest.at(now));
  }

  private Optional<KubeObject> find(ResourceType type, String namespace, String name) {
    return Optional.ofNullable(objects.get(type.plural() + "/" + namespace + "/" + name));
  }

  private void put(ResourceType type, String namespace, String name, String uid) {
    objects.put(
        type.plural() + "/" + namespace + "/" + name,
        KubeObject.of(type.groupVersionKind(), namespace, name).withMetadata("uid", uid));
  }
}
