package dev.kedge.http;

import java.math.BigInteger;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import java.util.stream.Stream;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/** A certificate authority for tests. */
final class TestCertificates {
  private final KeyPair keys;
  private final X509Certificate certificate;

  TestCertificates(String name) {
    try {
      keys = keyPair();
      certificate = certificate("CN=" + name, keys, "CN=" + name, keys, true, name);
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  X509Certificate certificate() {
    return certificate;
  }

  /** A leaf for a name, for localhost and 127.0.0.1. */
  TlsIdentity leaf(String name) {
    return leaf(name, name, "localhost");
  }

  /** A leaf for one name only. */
  TlsIdentity named(String name) {
    return leaf(name, name);
  }

  private TlsIdentity leaf(String name, String... dns) {
    try {
      KeyPair leaf = keyPair();
      X500Name issuer = new X500Name(certificate.getSubjectX500Principal().getName());
      return new TlsIdentity(
          List.of(certificate("CN=" + name, leaf, issuer.toString(), keys, false, dns)),
          leaf.getPrivate());
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static KeyPair keyPair() throws Exception {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(new ECGenParameterSpec("secp256r1"));
    return generator.generateKeyPair();
  }

  private static X509Certificate certificate(
      String subject, KeyPair of, String issuer, KeyPair by, boolean authority, String... dns)
      throws Exception {
    Instant now = Instant.now();
    var builder =
        new JcaX509v3CertificateBuilder(
            new X500Name(issuer),
            new BigInteger(64, new SecureRandom()),
            Date.from(now.minus(Duration.ofHours(1))),
            Date.from(now.plus(Duration.ofHours(1))),
            new X500Name(subject),
            of.getPublic());
    builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(authority));
    if (!authority) {
      builder.addExtension(
          Extension.subjectAlternativeName,
          false,
          new GeneralNames(
              Stream.concat(
                      Arrays.stream(dns).map(each -> new GeneralName(GeneralName.dNSName, each)),
                      dns.length > 1
                          ? Stream.of(new GeneralName(GeneralName.iPAddress, "127.0.0.1"))
                          : Stream.of())
                  .toArray(GeneralName[]::new)));
    }
    return new JcaX509CertificateConverter()
        .getCertificate(
            builder.build(new JcaContentSignerBuilder("SHA256withECDSA").build(by.getPrivate())));
  }
}
