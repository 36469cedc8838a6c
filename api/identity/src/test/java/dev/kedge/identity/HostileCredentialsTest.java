package dev.kedge.identity;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.identity.ServiceAccountTokens.TokenRequest;
import dev.kedge.identity.TokenAuthenticator.InvalidTokenException;
import dev.kedge.model.Fuzz;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import java.security.KeyPair;
import java.security.Signature;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;
import org.junit.jupiter.api.Test;

/** Malformed, cut off and changed tokens and certificate requests are refused, or say nothing. */
class HostileCredentialsTest {
  private static final Instant NOW = Instant.parse("2026-03-01T00:00:00Z");
  private static final Base64.Encoder ENCODER = Base64.getUrlEncoder().withoutPadding();

  private final KeyPair key = CertificateAuthority.newKeyPair();
  private final ServiceAccountTokens tokens =
      new ServiceAccountTokens(
          "https://issuer",
          List.of("https://issuer"),
          key,
          List.of(),
          (type, namespace, name) ->
              type.equals(Resources.SERVICE_ACCOUNTS)
                  ? Optional.of(
                      KubeObject.of(type.groupVersionKind(), namespace, name)
                          .withMetadata("uid", "uid-sa"))
                  : Optional.empty(),
          ClusterCertificatesTest.at(NOW));

  private String token() {
    return tokens
        .issue(
            new TokenRequest(
                "ns",
                "builder",
                "uid-sa",
                List.of(),
                Duration.ofHours(1),
                Optional.empty(),
                Optional.empty()))
        .token();
  }

  @Test
  void tokens() {
    String valid = token();
    byte[] signed = valid.substring(0, valid.lastIndexOf('.')).getBytes(UTF_8);
    Fuzz.texts(
        "tokens",
        List.of(valid, tokens.issueLegacy("ns", "secret", "builder", "uid-sa"), "a.b.c", ".."),
        Set.of(InvalidTokenException.class),
        input -> {
          String text = new String(input, UTF_8);
          // A signature may be written in more than one way, but what it signs may not be changed.
          if (tokens.authenticate(text, List.of()).isPresent()) {
            assertThat(text.getBytes(UTF_8)).startsWith(signed);
          }
        });
  }

  /** What stands in a token that a key of ours has signed may still be anything. */
  @Test
  void claims() throws Exception {
    String[] valid = token().split("\\.");
    Fuzz.run(
        "claims",
        List.of(Base64.getUrlDecoder().decode(valid[1])),
        Set.of(InvalidTokenException.class),
        input -> {
          String text = valid[0] + "." + ENCODER.encodeToString(input);
          Signature signature = Signature.getInstance("SHA256withECDSAinP1363Format");
          signature.initSign(key.getPrivate());
          signature.update(text.getBytes(UTF_8));
          tokens
              .authenticate(text + "." + ENCODER.encodeToString(signature.sign()), List.of())
              .ifPresent(who -> assertThat(who.user().name()).startsWith("system:serviceaccount:"));
        });
  }

  @Test
  void certificateRequests() throws Exception {
    byte[] der =
        new JcaPKCS10CertificationRequestBuilder(new X500Name("CN=ann,O=builders"), key.getPublic())
            .build(new JcaContentSignerBuilder("SHA256withECDSA").build(key.getPrivate()))
            .getEncoded();
    Fuzz.run(
        "certificate requests",
        List.of(der),
        Set.of(IllegalArgumentException.class),
        input ->
            CertificateRequest.parse(
                "-----BEGIN CERTIFICATE REQUEST-----\n"
                    + Base64.getMimeEncoder().encodeToString(input)
                    + "\n-----END CERTIFICATE REQUEST-----\n"));
    Fuzz.texts(
        "texts of certificate requests",
        List.of(
            "-----BEGIN CERTIFICATE REQUEST-----\n"
                + Base64.getMimeEncoder().encodeToString(der)
                + "\n-----END CERTIFICATE REQUEST-----\n"),
        Set.of(IllegalArgumentException.class),
        input -> CertificateRequest.parse(new String(input, UTF_8)));
  }
}
