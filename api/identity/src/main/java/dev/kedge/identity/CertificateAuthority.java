package dev.kedge.identity;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.SignatureException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
 * Signs certificates of one trust domain. Immutable; any thread.
 *
 * <p>Keys are EC on P-256, certificates are built by Bouncy Castle's ASN.1 classes and signed by
 * the JDK: its provider and operator factories are left aside because loading them would cost a
 * cold start more than all the signatures together.
 */
public final class CertificateAuthority {
  /** How long a certificate authority lives. */
  public static final Duration AUTHORITY_LIFE = Duration.ofDays(3650);

  /** How long a leaf lives; it is renewed when a third remains. */
  public static final Duration LEAF_LIFE = Duration.ofDays(365);

  private static final ASN1ObjectIdentifier COMMON_NAME = new ASN1ObjectIdentifier("2.5.4.3");
  private static final ASN1ObjectIdentifier ORGANIZATION = new ASN1ObjectIdentifier("2.5.4.10");
  private static final ASN1ObjectIdentifier ECDSA_SHA256 =
      new ASN1ObjectIdentifier("1.2.840.10045.4.3.2");
  private static final ASN1ObjectIdentifier RSA_SHA256 =
      PKCSObjectIdentifiers.sha256WithRSAEncryption;
  private static final SecureRandom RANDOM = new SecureRandom();

  private final List<X509Certificate> chain;
  private final PrivateKey key;
  private final Clock clock;

  /**
   * An authority from its certificate (with intermediates above it, if it has any) and key.
   *
   * @param clock gives the time that issued certificates start at
   */
  public CertificateAuthority(List<X509Certificate> chain, PrivateKey key, Clock clock) {
    this.chain = List.copyOf(chain);
    this.key = key;
    this.clock = clock;
  }

  /** A new self-signed authority, valid for {@link #AUTHORITY_LIFE}. */
  public static CertificateAuthority create(String commonName, Clock clock) {
    KeyPair pair = newKeyPair();
    X500Name name = name(commonName, List.of());
    X509Certificate certificate =
        build(
            name,
            name,
            pair.getPublic(),
            pair.getPrivate(),
            null,
            AUTHORITY_LIFE,
            clock,
            List.of());
    return new CertificateAuthority(List.of(certificate), pair.getPrivate(), clock);
  }

  /** The authority's own certificate. */
  public X509Certificate certificate() {
    return chain.getFirst();
  }

  /** The authority's certificate and those above it. */
  public List<X509Certificate> chain() {
    return chain;
  }

  /** The authority's certificate bundle as PEM text, what a client must trust. */
  public String bundlePem() {
    return Pem.certificates(chain);
  }

  PrivateKey key() {
    return key;
  }

  /**
   * A certificate for a server, with a new key.
   *
   * @param names DNS names and IP addresses the server is reached by
   */
  public Credential issueServing(String commonName, Collection<String> names) {
    KeyPair pair = newKeyPair();
    return new Credential(
        withChain(signServing(commonName, names, pair.getPublic())), pair.getPrivate());
  }

  /** A certificate for a client, with a new key: {@code user} as CN, {@code groups} as O. */
  public Credential issueClient(String user, Collection<String> groups) {
    KeyPair pair = newKeyPair();
    return new Credential(
        withChain(signClient(user, groups, pair.getPublic(), LEAF_LIFE)), pair.getPrivate());
  }

  /** A serving certificate for somebody else's key. */
  public X509Certificate signServing(
      String commonName, Collection<String> names, PublicKey publicKey) {
    List<GeneralName> alternatives = new ArrayList<>();
    for (String alternative : names) {
      byte[] address = address(alternative);
      alternatives.add(
          address.length > 0
              ? new GeneralName(GeneralName.iPAddress, new DEROctetString(address))
              : new GeneralName(GeneralName.dNSName, alternative));
    }
    return sign(name(commonName, List.of()), publicKey, LEAF_LIFE, List.copyOf(alternatives), true);
  }

  /** A client certificate for somebody else's key, such as that of a signing request. */
  public X509Certificate signClient(
      String user, Collection<String> groups, PublicKey publicKey, Duration life) {
    return sign(name(user, groups), publicKey, life, List.of(), false);
  }

  private List<X509Certificate> withChain(X509Certificate leaf) {
    List<X509Certificate> all = new ArrayList<>(chain.size() + 1);
    all.add(leaf);
    all.addAll(chain);
    return all;
  }

  private X509Certificate sign(
      X500Name subject,
      PublicKey publicKey,
      Duration life,
      List<GeneralName> alternatives,
      boolean server) {
    List<Extension> extensions = new ArrayList<>();
    try {
      extensions.add(
          extension(
              Extension.extendedKeyUsage,
              false,
              new ExtendedKeyUsage(
                  server ? KeyPurposeId.id_kp_serverAuth : KeyPurposeId.id_kp_clientAuth)));
      if (!alternatives.isEmpty()) {
        extensions.add(
            extension(
                Extension.subjectAlternativeName,
                false,
                new GeneralNames(alternatives.toArray(GeneralName[]::new))));
      }
    } catch (IOException e) {
      throw new IllegalStateException("certificate extensions cannot be encoded", e);
    }
    X500Name issuer = X500Name.getInstance(certificate().getSubjectX500Principal().getEncoded());
    return build(
        issuer, subject, publicKey, key, certificate().getPublicKey(), life, clock, extensions);
  }

  /** A new P-256 key pair. */
  public static KeyPair newKeyPair() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec("secp256r1"), RANDOM);
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no P-256", e);
    }
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

  /** CN and O of a certificate's subject: the user and its groups. */
  static Map.Entry<String, Set<String>> userAndGroups(X509Certificate certificate) {
    String user = "";
    Set<String> groups = new java.util.LinkedHashSet<>();
    X500Name subject = X500Name.getInstance(certificate.getSubjectX500Principal().getEncoded());
    for (RDN part : subject.getRDNs()) {
      for (AttributeTypeAndValue attribute : part.getTypesAndValues()) {
        if (attribute.getType().equals(COMMON_NAME)) {
          user = attribute.getValue().toString();
        } else if (attribute.getType().equals(ORGANIZATION)) {
          groups.add(attribute.getValue().toString());
        }
      }
    }
    return Map.entry(user, groups);
  }

  /** The bytes of an IP address literal; none if the text is a name. */
  static byte[] address(String text) {
    boolean literal =
        text.indexOf(':') >= 0
            || (!text.isEmpty() && text.chars().allMatch(c -> c == '.' || (c >= '0' && c <= '9')));
    if (!literal) {
      return new byte[0];
    }
    try {
      return InetAddress.getByName(text).getAddress();
    } catch (UnknownHostException e) {
      throw new IllegalArgumentException("not an IP address: " + text, e);
    }
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
