package dev.kedge.controllers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(240)
class CertificateTest {
  private TestCluster cluster;

  @BeforeEach
  void start() {
    cluster = new TestCluster();
  }

  @AfterEach
  void stop() {
    cluster.close();
  }

  private static String request(String subject)
      throws OperatorCreationException, IOException, java.security.GeneralSecurityException {
    KeyPair pair = KeyPairGenerator.getInstance("EC").generateKeyPair();
    byte[] der =
        new JcaPKCS10CertificationRequestBuilder(new X500Name(subject), pair.getPublic())
            .build(new JcaContentSignerBuilder("SHA384withECDSA").build(pair.getPrivate()))
            .getEncoded();
    String pem =
        "-----BEGIN CERTIFICATE REQUEST-----\n"
            + Base64.getMimeEncoder().encodeToString(der)
            + "\n-----END CERTIFICATE REQUEST-----\n";
    return Base64.getEncoder().encodeToString(pem.getBytes(StandardCharsets.US_ASCII));
  }

  private KubeObject create(String name, String subject, String signer, String usages)
      throws Exception {
    return cluster.create(
        """
        apiVersion: certificates.k8s.io/v1
        kind: CertificateSigningRequest
        metadata: {name: %s}
        spec: {request: %s, signerName: %s, expirationSeconds: 3600, usages: [%s]}
        """
            .formatted(name, request(subject), signer, usages));
  }

  private void approve(KubeObject request) {
    cluster.client.updateSubresource(
        Resources.CERTIFICATE_SIGNING_REQUESTS,
        request.withStatus(
            JsonObject.of(
                "conditions",
                List.of(
                    JsonObject.of(
                        "type", "Approved", "status", "True", "reason", "Test", "message", "")))),
        "approval");
  }

  @Test
  void anApprovedRequestIsSigned() throws Exception {
    KubeObject request =
        create(
            "jane",
            "CN=jane,O=dev,O=ops",
            "kubernetes.io/kube-apiserver-client",
            "client auth, digital signature");
    approve(request);
    KubeObject signed =
        cluster.awaitPresent(
            Resources.CERTIFICATE_SIGNING_REQUESTS, "", "jane", r -> r.status().has("certificate"));
    X509Certificate certificate =
        (X509Certificate)
            CertificateFactory.getInstance("X.509")
                .generateCertificate(
                    new ByteArrayInputStream(
                        Base64.getDecoder().decode(signed.status().text("certificate"))));
    assertThat(certificate.getSubjectX500Principal().getName())
        .contains("CN=jane", "O=dev", "O=ops");
    assertThat(certificate.getExtendedKeyUsage()).containsExactly("1.3.6.1.5.5.7.3.2");
    assertThat(Duration.between(Instant.now(), certificate.getNotAfter().toInstant()))
        .isBetween(Duration.ofMinutes(58), Duration.ofMinutes(61));
  }

  @Test
  void aKubeletIsApprovedAtOnce() throws Exception {
    create(
        "node",
        "O=system:nodes,CN=system:node:a",
        "kubernetes.io/kube-apiserver-client-kubelet",
        "client auth, digital signature");
    KubeObject signed =
        cluster.awaitPresent(
            Resources.CERTIFICATE_SIGNING_REQUESTS, "", "node", r -> r.status().has("certificate"));
    assertThat(Conditions.find(signed.status(), "Approved").orElseThrow().text("message"))
        .isEqualTo("Auto approving kubelet client certificate after SubjectAccessReview.");
  }

  @Test
  void whatASignerDoesNotSignFails() throws Exception {
    approve(
        create(
            "odd", "CN=jane", "kubernetes.io/kubelet-serving", "server auth, digital signature"));
    KubeObject failed =
        cluster.awaitPresent(
            Resources.CERTIFICATE_SIGNING_REQUESTS,
            "",
            "odd",
            r -> Conditions.isTrue(r.status(), "Failed"));
    assertThat(Conditions.find(failed.status(), "Failed").orElseThrow().text("reason"))
        .isEqualTo("SignerValidationFailure");
    assertThat(Conditions.find(failed.status(), "Failed").orElseThrow().text("message"))
        .isEqualTo("subject organization is not system:nodes");
  }

  @Test
  void theOldSignerIsRefused() {
    assertThatThrownBy(
            () -> create("old", "CN=jane", "kubernetes.io/legacy-unknown", "client auth"))
        .hasMessageContaining(
            "spec.signerName: Invalid value: \"kubernetes.io/legacy-unknown\": the legacy"
                + " signerName is not allowed via this API version");
  }
}
