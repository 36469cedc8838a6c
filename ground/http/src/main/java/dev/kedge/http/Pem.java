package dev.kedge.http;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.cert.CertificateEncodingException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPrivateKey;
import java.security.spec.ECPrivateKeySpec;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Certificates and keys in PEM (RFC 7468) by the JDK alone: X.509 certificates, public keys, and
 * private keys in PKCS #8, SEC 1 ({@code EC PRIVATE KEY}) and PKCS #1 ({@code RSA PRIVATE KEY}).
 */
public final class Pem {
  private static final int P256_BYTES = 32;

  /** Tag, length, unused bits, form, and two numbers. */
  private static final int POINT_BYTES = 4 + 2 * P256_BYTES;

  private static final Pattern BLOCK =
      Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \\1-----");
  private static final HexFormat HEX = HexFormat.of();
  private static final byte[] RSA_ALGORITHM = HEX.parseHex("300d06092a864886f70d0101010500");
  private static final byte[] EC_OID = HEX.parseHex("06072a8648ce3d0201");
  private static final byte[] P256 = HEX.parseHex("06082a8648ce3d030107");
  private static final byte[] P384 = HEX.parseHex("06052b81040022");
  private static final byte[] P521 = HEX.parseHex("06052b81040023");

  private Pem() {}

  /**
   * Reads all certificates of a text, in order; other blocks are skipped.
   *
   * @throws IllegalArgumentException if there is none, or one is malformed
   */
  public static List<X509Certificate> certificates(String text) {
    List<X509Certificate> all = new ArrayList<>();
    Matcher matcher = BLOCK.matcher(text);
    try {
      CertificateFactory factory = CertificateFactory.getInstance("X.509");
      while (matcher.find()) {
        if (matcher.group(1).equals("CERTIFICATE")) {
          all.add(
              (X509Certificate)
                  factory.generateCertificate(new ByteArrayInputStream(decode(matcher.group(2)))));
        }
      }
    } catch (GeneralSecurityException e) {
      throw new IllegalArgumentException("malformed certificate: " + e.getMessage(), e);
    }
    if (all.isEmpty()) {
      throw new IllegalArgumentException("no CERTIFICATE block in the PEM text");
    }
    return all;
  }

  /**
   * Reads the first private key of a text.
   *
   * @throws IllegalArgumentException if there is none, or it is malformed or encrypted
   */
  public static PrivateKey privateKey(String text) {
    Matcher matcher = BLOCK.matcher(text);
    while (matcher.find()) {
      switch (matcher.group(1)) {
        case "PRIVATE KEY":
          return pkcs8(decode(matcher.group(2)));
        case "EC PRIVATE KEY":
          return pkcs8(wrapSec1(decode(matcher.group(2))));
        case "RSA PRIVATE KEY":
          return pkcs8(
              sequence(HEX.parseHex("020100"), RSA_ALGORITHM, octets(decode(matcher.group(2)))));
        case "ENCRYPTED PRIVATE KEY":
          throw new IllegalArgumentException("the private key is encrypted: decrypt it first");
        default:
          break;
      }
    }
    throw new IllegalArgumentException("no PRIVATE KEY block in the PEM text");
  }

  /**
   * Reads the first public key of a text.
   *
   * @throws IllegalArgumentException if there is none, or it is malformed
   */
  public static PublicKey publicKey(String text) {
    Matcher matcher = BLOCK.matcher(text);
    while (matcher.find()) {
      if (matcher.group(1).equals("PUBLIC KEY")) {
        byte[] der = decode(matcher.group(2));
        return key("public key", factory -> factory.generatePublic(new X509EncodedKeySpec(der)));
      }
    }
    throw new IllegalArgumentException("no PUBLIC KEY block in the PEM text");
  }

  /**
   * Reads a chain and its key.
   *
   * @throws IllegalArgumentException if one is missing or malformed, or they do not belong together
   */
  public static TlsIdentity identity(String certificates, String key) {
    TlsIdentity identity = new TlsIdentity(certificates(certificates), privateKey(key));
    String ofKey = identity.key().getAlgorithm();
    String ofLeaf = identity.chain().getFirst().getPublicKey().getAlgorithm();
    if (!ofKey.equals(ofLeaf)) {
      throw new IllegalArgumentException(
          "the certificate's key is " + ofLeaf + ", the private key is " + ofKey);
    }
    return identity;
  }

  /** Writes certificates. */
  public static String encode(List<X509Certificate> certificates) {
    StringBuilder out = new StringBuilder();
    for (X509Certificate certificate : certificates) {
      try {
        out.append(encode("CERTIFICATE", certificate.getEncoded()));
      } catch (CertificateEncodingException e) {
        throw new IllegalArgumentException("malformed certificate", e);
      }
    }
    return out.toString();
  }

  /**
   * Writes a private key: in SEC 1 if it is of the curve P-256, else in PKCS #8. Clients tell the
   * kind of a kubeconfig's key by its heading: fabric8 takes one without {@code EC} for RSA. The
   * official Java client reads SEC 1 only with the public key in it.
   *
   * @param publicKey that of the same pair
   */
  public static String encode(PrivateKey key, PublicKey publicKey) {
    return key instanceof ECPrivateKey elliptic
            && elliptic.getParams().getOrder().bitLength() == 8 * P256_BYTES
        ? encode("EC PRIVATE KEY", sec1(elliptic, publicKey))
        : encode("PRIVATE KEY", key.getEncoded());
  }

  /** RFC 5915's ECPrivateKey: version 1, the number, the curve, the public key. */
  private static byte[] sec1(ECPrivateKey key, PublicKey publicKey) {
    byte[] number = key.getS().toByteArray();
    byte[] fixed = new byte[P256_BYTES];
    int length = Math.min(number.length, P256_BYTES);
    System.arraycopy(number, number.length - length, fixed, P256_BYTES - length, length);
    // SubjectPublicKeyInfo ends with the point as a BIT STRING, which is what stands here too.
    byte[] info = publicKey.getEncoded();
    byte[] point = Arrays.copyOfRange(info, info.length - POINT_BYTES, info.length);
    return sequence(HEX.parseHex("020101"), octets(fixed), tagged(0xa0, P256), tagged(0xa1, point));
  }

  /** Writes a public key as SubjectPublicKeyInfo. */
  public static String encode(PublicKey key) {
    return encode("PUBLIC KEY", key.getEncoded());
  }

  /** Writes DER bytes as one block. */
  public static String encode(String label, byte[] der) {
    return "-----BEGIN "
        + label
        + "-----\n"
        + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der)
        + "\n-----END "
        + label
        + "-----\n";
  }

  private static byte[] decode(String base64) {
    return Base64.getMimeDecoder().decode(base64.getBytes(US_ASCII));
  }

  private static PrivateKey pkcs8(byte[] der) {
    return key(
        "private key",
        factory -> {
          PrivateKey read = factory.generatePrivate(new PKCS8EncodedKeySpec(der));
          // The JDK compares encodings, of which one key has several: bring all to one.
          return read instanceof ECPrivateKey elliptic
              ? factory.generatePrivate(new ECPrivateKeySpec(elliptic.getS(), elliptic.getParams()))
              : read;
        });
  }

  private interface Reading<K> {
    K by(KeyFactory factory) throws GeneralSecurityException;
  }

  /** Reads a key whose kind only its encoding tells. */
  private static <K> K key(String what, Reading<K> reading) {
    GeneralSecurityException last = new GeneralSecurityException("unknown kind of key");
    for (String algorithm : List.of("EC", "RSA", "EdDSA")) {
      try {
        return reading.by(KeyFactory.getInstance(algorithm));
      } catch (GeneralSecurityException e) {
        last = e;
      }
    }
    throw new IllegalArgumentException("malformed " + what + ": " + last.getMessage(), last);
  }

  /** SEC 1 names its curve itself in field 0, or not at all: then the key's length tells. */
  private static byte[] wrapSec1(byte[] der) {
    try {
      int at = der[1] < 0 ? 2 + (der[1] & 0x7f) : 2;
      at += 3; // version 1
      if (der[at] != 4) {
        throw new IllegalArgumentException("malformed EC private key");
      }
      int length = der[at + 1];
      byte[] curve = length == 32 ? P256 : length == 48 ? P384 : P521;
      at += 2 + length;
      if (at + 2 < der.length && (der[at] & 0xff) == 0xa0) {
        curve = Arrays.copyOfRange(der, at + 2, at + 2 + der[at + 1]);
      }
      return sequence(HEX.parseHex("020100"), sequence(EC_OID, curve), octets(der));
    } catch (ArrayIndexOutOfBoundsException e) {
      throw new IllegalArgumentException("malformed EC private key", e);
    }
  }

  private static byte[] sequence(byte[]... parts) {
    ByteArrayOutputStream content = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      content.writeBytes(part);
    }
    return tagged(0x30, content.toByteArray());
  }

  private static byte[] octets(byte[] content) {
    return tagged(4, content);
  }

  private static byte[] tagged(int tag, byte[] content) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(tag);
    if (content.length < 0x80) {
      out.write(content.length);
    } else if (content.length < 0x100) {
      out.write(0x81);
      out.write(content.length);
    } else {
      out.write(0x82);
      out.write(content.length >> 8);
      out.write(content.length);
    }
    out.writeBytes(content);
    return out.toByteArray();
  }
}
