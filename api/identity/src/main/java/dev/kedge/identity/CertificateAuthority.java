package dev.kedge.identity;

import dev.kedge.http.Pem;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;

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
    X509Certificate certificate =
        CertificateMaker.authority(commonName, pair, AUTHORITY_LIFE, clock);
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
    return Pem.encode(chain);
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

  /** A certificate for one that serves its peers and is their client, with a new key. */
  public Credential issuePeer(String commonName, Collection<String> names) {
    KeyPair pair = newKeyPair();
    return new Credential(
        withChain(
            CertificateMaker.leaf(
                certificate(),
                key,
                commonName,
                List.of(),
                names,
                pair.getPublic(),
                CertificateMaker.Use.PEER,
                LEAF_LIFE,
                clock)),
        pair.getPrivate());
  }

  /** A serving certificate for somebody else's key. */
  public X509Certificate signServing(
      String commonName, Collection<String> names, PublicKey publicKey) {
    return CertificateMaker.leaf(
        certificate(),
        key,
        commonName,
        List.of(),
        names,
        publicKey,
        CertificateMaker.Use.SERVER,
        LEAF_LIFE,
        clock);
  }

  /** A client certificate for somebody else's key, such as that of a signing request. */
  public X509Certificate signClient(
      String user, Collection<String> groups, PublicKey publicKey, Duration life) {
    return CertificateMaker.leaf(
        certificate(),
        key,
        user,
        groups,
        List.of(),
        publicKey,
        CertificateMaker.Use.CLIENT,
        life,
        clock);
  }

  /** A certificate for a request, which says what it is for. */
  X509Certificate sign(CertificateRequest request, Collection<String> usages, Duration life) {
    return CertificateMaker.requested(certificate(), key, request, usages, life, clock);
  }

  private List<X509Certificate> withChain(X509Certificate leaf) {
    List<X509Certificate> all = new ArrayList<>(chain.size() + 1);
    all.add(leaf);
    all.addAll(chain);
    return all;
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

  /** Whether this authority issued a certificate, by the key identifiers where both have them. */
  boolean issued(X509Certificate leaf) {
    byte[] own = certificate().getExtensionValue("2.5.29.14");
    byte[] issuer = leaf.getExtensionValue("2.5.29.35");
    if (own != null && issuer != null && own.length > 4) {
      // The authority's identifier ends both; verifying the signature of a file of our own costs a
      // cold start more than reading it.
      int length = own.length - 4;
      return issuer.length >= length
          && Arrays.equals(own, 4, own.length, issuer, issuer.length - length, issuer.length);
    }
    try {
      leaf.verify(certificate().getPublicKey());
      return true;
    } catch (GeneralSecurityException _) {
      return false;
    }
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
}
