package dev.kedge.identity;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.SignatureException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.List;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.DERUTF8String;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x500.AttributeTypeAndValue;
import org.bouncycastle.asn1.x500.RDN;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.AuthorityKeyIdentifier;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.asn1.x509.SubjectKeyIdentifier;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.operator.ContentSigner;

/**
 * Makes certificates. The only user of Bouncy Castle, whose classes are loaded with this one: a
 * start that finds everything in place needs neither. Stateless.
 */
final class CertificateMaker {
  private static final ASN1ObjectIdentifier COMMON_NAME = new ASN1ObjectIdentifier("2.5.4.3");
  private static final ASN1ObjectIdentifier ORGANIZATION = new ASN1ObjectIdentifier("2.5.4.10");
  private static final ASN1ObjectIdentifier ECDSA_SHA256 =
      new ASN1ObjectIdentifier("1.2.840.10045.4.3.2");
  private static final ASN1ObjectIdentifier RSA_SHA256 =
      PKCSObjectIdentifiers.sha256WithRSAEncryption;
  private static final SecureRandom RANDOM = new SecureRandom();

  /** What a leaf is for. */
  enum Use {
    SERVER,
    CLIENT,
    PEER
  }

  private CertificateMaker() {}

  /** A certificate that signs itself. */
  static X509Certificate authority(String commonName, KeyPair pair, Duration life, Clock clock) {
    X500Name name = name(commonName, List.of());
    return build(name, name, pair.getPublic(), pair.getPrivate(), null, life, clock, List.of());
  }

  /**
   * A leaf.
   *
   * @param alternatives names and addresses of a server; none for clients
   */
  static X509Certificate leaf(
      X509Certificate issuer,
      PrivateKey issuerKey,
      String commonName,
      Collection<String> organizations,
      Collection<String> alternatives,
      PublicKey publicKey,
      Use use,
      Duration life,
      Clock clock) {
    List<GeneralName> names = new ArrayList<>();
    for (String alternative : alternatives) {
      byte[] address = CertificateAuthority.address(alternative);
      names.add(
          address.length > 0
              ? new GeneralName(GeneralName.iPAddress, new DEROctetString(address))
              : new GeneralName(GeneralName.dNSName, alternative));
    }
    List<Extension> extensions = new ArrayList<>();
    try {
      extensions.add(
          extension(
              Extension.extendedKeyUsage,
              false,
              new ExtendedKeyUsage(
                  switch (use) {
                    case SERVER -> new KeyPurposeId[] {KeyPurposeId.id_kp_serverAuth};
                    case CLIENT -> new KeyPurposeId[] {KeyPurposeId.id_kp_clientAuth};
                    case PEER ->
                        new KeyPurposeId[] {
                          KeyPurposeId.id_kp_serverAuth, KeyPurposeId.id_kp_clientAuth
                        };
                  })));
      if (!names.isEmpty()) {
        extensions.add(
            extension(
                Extension.subjectAlternativeName,
                false,
                new GeneralNames(names.toArray(GeneralName[]::new))));
      }
    } catch (IOException e) {
      throw new IllegalStateException("certificate extensions cannot be encoded", e);
    }
    return build(
        X500Name.getInstance(issuer.getSubjectX500Principal().getEncoded()),
        name(commonName, organizations),
        publicKey,
        issuerKey,
        issuer.getPublicKey(),
        life,
        clock,
        extensions);
  }

  /** A leaf as a request asks for it. */
  static X509Certificate requested(
      X509Certificate issuer,
      PrivateKey issuerKey,
      CertificateRequest request,
      Collection<String> usages,
      Duration life,
      Clock clock) {
    List<Extension> extensions = new ArrayList<>();
    try {
      List<KeyPurposeId> purposes = new ArrayList<>();
      if (usages.contains("server auth")) {
        purposes.add(KeyPurposeId.id_kp_serverAuth);
      }
      if (usages.contains("client auth")) {
        purposes.add(KeyPurposeId.id_kp_clientAuth);
      }
      extensions.add(
          extension(
              Extension.extendedKeyUsage,
              false,
              new ExtendedKeyUsage(purposes.toArray(KeyPurposeId[]::new))));
      if (!request.alternatives().isEmpty()) {
        extensions.add(
            extension(
                Extension.subjectAlternativeName,
                false,
                new GeneralNames(request.alternatives().toArray(GeneralName[]::new))));
      }
    } catch (IOException e) {
      throw new IllegalStateException("certificate extensions cannot be encoded", e);
    }
    // Its life counts from now; that it begins an hour ago is for clocks that lag.
    return build(
        X500Name.getInstance(issuer.getSubjectX500Principal().getEncoded()),
        request.subject(),
        request.publicKey(),
        issuerKey,
        issuer.getPublicKey(),
        life.plusHours(1),
        clock,
        extensions);
  }

  private static X509Certificate build(
      X500Name issuer,
      X500Name subject,
      PublicKey publicKey,
      PrivateKey signingKey,
      @org.jspecify.annotations.Nullable PublicKey authorityKey,
      Duration life,
      Clock clock,
      List<Extension> extensions) {
    try {
      // An hour back, for clients whose clocks lag, as K3s and kubeadm do.
      Instant from = clock.instant().minus(Duration.ofHours(1));
      boolean authority = authorityKey == null;
      SubjectPublicKeyInfo info = SubjectPublicKeyInfo.getInstance(publicKey.getEncoded());
      X509v3CertificateBuilder builder =
          new X509v3CertificateBuilder(
              issuer,
              new BigInteger(63, RANDOM).setBit(0),
              Date.from(from),
              Date.from(from.plus(life)),
              subject,
              info);
      builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(authority));
      builder.addExtension(
          Extension.keyUsage,
          true,
          new KeyUsage(
              authority
                  ? KeyUsage.keyCertSign | KeyUsage.digitalSignature | KeyUsage.keyEncipherment
                  : KeyUsage.digitalSignature | KeyUsage.keyEncipherment));
      builder.addExtension(
          Extension.subjectKeyIdentifier,
          false,
          new SubjectKeyIdentifier(keyIdentifier(publicKey)));
      if (authorityKey != null) {
        builder.addExtension(
            Extension.authorityKeyIdentifier,
            false,
            new AuthorityKeyIdentifier(keyIdentifier(authorityKey)));
      }
      for (Extension extension : extensions) {
        builder.addExtension(extension);
      }
      byte[] der = builder.build(new JdkSigner(signingKey)).getEncoded();
      return (X509Certificate)
          CertificateFactory.getInstance("X.509")
              .generateCertificate(new ByteArrayInputStream(der));
    } catch (IOException | GeneralSecurityException e) {
      throw new IllegalStateException("a certificate cannot be made: " + e.getMessage(), e);
    }
  }

  private static Extension extension(
      ASN1ObjectIdentifier id, boolean critical, org.bouncycastle.asn1.ASN1Encodable value)
      throws IOException {
    return Extension.create(id, critical, value);
  }

  private static byte[] keyIdentifier(PublicKey key) throws GeneralSecurityException {
    byte[] digest = java.security.MessageDigest.getInstance("SHA-256").digest(key.getEncoded());
    return java.util.Arrays.copyOf(digest, 20);
  }

  /** A name with the organisations first, each in a set of its own, and the common name last. */
  private static X500Name name(String commonName, Collection<String> organizations) {
    List<RDN> parts = new ArrayList<>();
    for (String organization : organizations) {
      parts.add(part(ORGANIZATION, organization));
    }
    parts.add(part(COMMON_NAME, commonName));
    return new X500Name(parts.toArray(RDN[]::new));
  }

  private static RDN part(ASN1ObjectIdentifier type, String value) {
    return new RDN(new AttributeTypeAndValue(type, new DERUTF8String(value)));
  }

  /** Bouncy Castle's signing port over the JDK's signatures. */
  private static final class JdkSigner implements ContentSigner {
    private final Signature signature;
    private final AlgorithmIdentifier algorithm;

    JdkSigner(PrivateKey key) throws GeneralSecurityException {
      boolean rsa = key.getAlgorithm().equals("RSA");
      signature = Signature.getInstance(rsa ? "SHA256withRSA" : "SHA256withECDSA");
      signature.initSign(key);
      algorithm =
          rsa
              ? new AlgorithmIdentifier(RSA_SHA256, org.bouncycastle.asn1.DERNull.INSTANCE)
              : new AlgorithmIdentifier(ECDSA_SHA256);
    }

    @Override
    public AlgorithmIdentifier getAlgorithmIdentifier() {
      return algorithm;
    }

    @Override
    public OutputStream getOutputStream() {
      return new OutputStream() {
        @Override
        public void write(int value) throws IOException {
          write(new byte[] {(byte) value}, 0, 1);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
          try {
            signature.update(bytes, offset, length);
          } catch (SignatureException e) {
            throw new IOException(e);
          }
        }
      };
    }

    @Override
    public byte[] getSignature() {
      try {
        return signature.sign();
      } catch (SignatureException e) {
        throw new IllegalStateException(e);
      }
    }
  }
}
