package dev.kedge.identity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.http.Pem;
import dev.kedge.identity.Authenticator.Credentials;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyPair;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPrivateKey;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.jcajce.JcaPEMKeyConverter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ClusterCertificatesTest {
  private static final Instant NOW = Instant.parse("2026-03-01T00:00:00Z");

  @TempDir Path directory;

  @Test
  void makesWhatIsMissingAndKeepsWhatIsThere() throws Exception {
    ClusterCertificates first = ClusterCertificates.open(directory.resolve("tls"), at(NOW));
    Credential admin = first.client("client-admin", "system:admin", "system:masters");
    Credential serving =
        first.serving("serving-kube-apiserver", "kedge", List.of("localhost", "127.0.0.1", "::1"));
    ClusterCertificates second = ClusterCertificates.open(directory.resolve("tls"), at(NOW));

    assertThat(second.serverAuthority().certificate())
        .isEqualTo(first.serverAuthority().certificate());
    assertThat(second.client("client-admin", "system:admin", "system:masters").leaf())
        .isEqualTo(admin.leaf());
    assertThat(
            second
                .serving("serving-kube-apiserver", "kedge", List.of("127.0.0.1", "LOCALHOST"))
                .leaf())
        .isEqualTo(serving.leaf());
    assertThat(second.serviceAccountKey().getPublic())
        .isEqualTo(first.serviceAccountKey().getPublic());
    try (var files = Files.list(directory.resolve("tls"))) {
      for (Path file : files.toList()) {
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
            .as(file.toString())
            .isEqualTo("rw-------");
      }
    }
    serving.leaf().verify(first.serverAuthority().certificate().getPublicKey());
    assertThat(serving.leaf().getSubjectAlternativeNames()).hasSize(3);
  }

  @Test
  void issuesAnewForMoreNamesAndWhenAThirdOfLifeRemains() {
    ClusterCertificates first = ClusterCertificates.open(directory, at(NOW));
    Credential serving = first.serving("serving", "kedge", List.of("localhost"));
    assertThat(first.serving("serving", "kedge", List.of("localhost", "10.0.0.1")).leaf())
        .isNotEqualTo(serving.leaf());
    assertThat(first.renewDue()).isEmpty();

    Credential young = first.serving("serving", "kedge", List.of("localhost"));
    ClusterCertificates later =
        ClusterCertificates.open(directory, at(NOW.plus(Duration.ofDays(300))));
    assertThat(later.serving("serving", "kedge", List.of("localhost")).leaf())
        .isNotEqualTo(young.leaf());
  }

  @Test
  void tellsListenersOfRenewals() {
    var time = new java.util.concurrent.atomic.AtomicReference<>(NOW);
    ClusterCertificates certificates =
        ClusterCertificates.open(
            directory,
            new Clock() {
              @Override
              public java.time.ZoneId getZone() {
                return ZoneOffset.UTC;
              }

              @Override
              public Clock withZone(java.time.ZoneId zone) {
                return this;
              }

              @Override
              public Instant instant() {
                return time.get();
              }
            });
    Credential old = certificates.serving("serving", "kedge", List.of("localhost"));
    List<Credential> heard = new ArrayList<>();
    certificates.onRenewal((name, credential) -> heard.add(credential));
    time.set(certificates.nextRenewal());
    assertThat(certificates.renewDue()).containsExactly("serving");
    assertThat(heard).hasSize(1);
    assertThat(heard.getFirst().leaf().getNotAfter()).isAfter(old.leaf().getNotAfter());
    assertThat(certificates.renewDue()).isEmpty();
  }

  @Test
  void aDamagedAuthorityIsNamedAndNeverReplaced() throws Exception {
    ClusterCertificates.open(directory, at(NOW));
    Files.writeString(directory.resolve("client-ca.crt"), "nothing");
    assertThatThrownBy(() -> ClusterCertificates.open(directory, at(NOW)))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining("client-ca.crt");
    assertThat(directory.resolve("client-ca.crt")).hasContent("nothing");
  }

  @Test
  void knowsUsersByTheirCertificates() throws Exception {
    ClusterCertificates certificates = ClusterCertificates.open(directory, at(NOW));
    Authenticator authenticator = authenticator(certificates, NOW);
    Credential admin = certificates.client("client-admin", "system:admin", "system:masters");
    User user = authenticator.authenticate(credentials(admin.chain(), Map.of()));
    assertThat(user.name()).isEqualTo("system:admin");
    assertThat(user.groups()).containsExactly("system:masters", "system:authenticated");

    Credential stranger =
        CertificateAuthority.create("other", at(NOW))
            .issueClient("system:admin", List.of("system:masters"));
    assertThatThrownBy(() -> authenticator.authenticate(credentials(stranger.chain(), Map.of())))
        .hasMessageContaining("unknown authority");
    Credential serving = certificates.serving("serving", "system:admin", List.of("localhost"));
    assertThatThrownBy(() -> authenticator.authenticate(credentials(serving.chain(), Map.of())))
        .hasMessageContaining("unknown authority");
    Authenticator late = authenticator(certificates, NOW.plus(Duration.ofDays(400)));
    assertThatThrownBy(() -> late.authenticate(credentials(admin.chain(), Map.of())))
        .hasMessageContaining("expired");
    assertThat(authenticator.authenticate(credentials(List.of(), Map.of())))
        .isEqualTo(User.ANONYMOUS);
    assertThatThrownBy(
            () ->
                authenticator.authenticate(
                    credentials(List.of(), Map.of("Authorization", "Bearer wrong"))))
        .hasMessageContaining("invalid bearer token");
  }

  @Test
  void believesHeadersOfProxiesOnly() throws Exception {
    ClusterCertificates certificates = ClusterCertificates.open(directory, at(NOW));
    Authenticator authenticator = authenticator(certificates, NOW);
    Map<String, String> headers =
        Map.of("X-Remote-User", "ann", "X-Remote-Group", "dev", "X-Remote-Extra-Acme.com%2Fx", "1");
    Credential proxy = certificates.proxy("client-auth-proxy", "system:auth-proxy");
    User user = authenticator.authenticate(credentials(proxy.chain(), headers));
    assertThat(user.name()).isEqualTo("ann");
    assertThat(user.groups()).containsExactly("dev", "system:authenticated");
    assertThat(user.extra()).isEqualTo(Map.of("acme.com/x", List.of("1")));
    Credential admin = certificates.client("client-admin", "system:admin", "system:masters");
    assertThat(authenticator.authenticate(credentials(admin.chain(), headers)).name())
        .isEqualTo("system:admin");
  }

  @Test
  void readsKeysAsK3sWritesThem() throws Exception {
    var key = CertificateAuthority.newKeyPair().getPrivate();
    byte[] pkcs8 = key.getEncoded();
    // SEC 1 is the content of the last element: version, algorithm (26 bytes of head), OCTET
    // STRING.
    byte[] sec1 = java.util.Arrays.copyOfRange(pkcs8, 28, pkcs8.length);
    assertThat(Pem.privateKey(Pem.encode("EC PRIVATE KEY", sec1))).isEqualTo(key);
  }

  /**
   * fabric8 takes a key for RSA unless its heading says EC; the official Java client needs the
   * public key inside.
   */
  @Test
  void writesKeysWithTheirKind() throws Exception {
    for (int i = 0; i < 20; i++) {
      KeyPair pair = CertificateAuthority.newKeyPair();
      ECPrivateKey key = (ECPrivateKey) pair.getPrivate();
      String text = Pem.encode(key, pair.getPublic());
      assertThat(text).startsWith("-----BEGIN EC PRIVATE KEY-----\n");
      assertThat(((ECPrivateKey) Pem.privateKey(text)).getS()).isEqualTo(key.getS());
      PEMKeyPair read = (PEMKeyPair) new PEMParser(new StringReader(text)).readObject();
      assertThat(new JcaPEMKeyConverter().getKeyPair(read).getPublic()).isEqualTo(pair.getPublic());
    }
  }

  @Test
  void writesKubeconfigs() throws Exception {
    ClusterCertificates certificates = ClusterCertificates.open(directory, at(NOW));
    Path file = directory.resolve("kedge.yaml");
    Kubeconfig.write(
        file,
        "rw-r-----",
        "https://127.0.0.1:6443",
        certificates.serverAuthority().bundlePem(),
        certificates.client("client-admin", "system:admin", "system:masters"));
    assertThat(file).content().contains("current-context: default", "https://127.0.0.1:6443");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
        .isEqualTo("rw-r-----");
  }

  private static Authenticator authenticator(ClusterCertificates certificates, Instant now) {
    return new Authenticator(
        certificates.clientAuthority().chain(),
        certificates.requestHeaderAuthority().chain(),
        Set.of("system:auth-proxy"),
        List.of(),
        true,
        at(now));
  }

  private static Credentials credentials(List<X509Certificate> chain, Map<String, String> headers) {
    return new Credentials() {
      @Override
      public List<X509Certificate> peerCertificates() {
        return chain;
      }

      @Override
      public List<String> header(String name) {
        return headers.containsKey(name) ? List.of(headers.get(name)) : List.of();
      }

      @Override
      public List<Map.Entry<String, String>> headers() {
        return List.copyOf(headers.entrySet());
      }
    };
  }

  static Clock at(Instant now) {
    return Clock.fixed(now, ZoneOffset.UTC);
  }
}
