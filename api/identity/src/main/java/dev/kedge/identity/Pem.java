package dev.kedge.identity;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads and writes PEM text (RFC 7468) with the JDK alone. Stateless. */
public final class Pem {
  private static final Pattern BLOCK =
      Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----([^-]+)-----END \\1-----");
  // AlgorithmIdentifier {id-ecPublicKey, prime256v1}, then the tag of the OCTET STRING around SEC
  // 1.
  private static final byte[] P256_ALGORITHM = {
    0x30,
    0x13,
    0x06,
    0x07,
    0x2a,
    (byte) 0x86,
    0x48,
    (byte) 0xce,
    0x3d,
    0x02,
    0x01,
    0x06,
    0x08,
    0x2a,
    (byte) 0x86,
    0x48,
    (byte) 0xce,
    0x3d,
    0x03,
    0x01,
    0x07
  };

  private Pem() {}

  /** The certificates as PEM text, in order. */
  public static String certificates(List<X509Certificate> certificates) {
    StringBuilder out = new StringBuilder();
    for (X509Certificate certificate : certificates) {
      try {
        out.append(block("CERTIFICATE", certificate.getEncoded()));
      } catch (CertificateException e) {
        throw new IllegalArgumentException("a certificate cannot be encoded", e);
      }
    }
    return out.toString();
  }

  /** The key as PKCS #8 PEM text. */
  public static String privateKey(PrivateKey key) {
    return block("PRIVATE KEY", key.getEncoded());
  }

  /** The key as SubjectPublicKeyInfo PEM text. */
  public static String publicKey(PublicKey key) {
    return block("PUBLIC KEY", key.getEncoded());
  }

  /** DER bytes as one PEM block. */
  public static String block(String label, byte[] der) {
    return "-----BEGIN "
        + label
        + "-----\n"
        + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der)
        + "\n-----END "
        + label
        + "-----\n";
  }

  /**
   * Every certificate in a text, in order; other blocks are passed over.
   *
   * @throws GeneralSecurityException if a block is damaged
   */
  public static List<X509Certificate> readCertificates(String text)
      throws GeneralSecurityException {
    CertificateFactory factory = CertificateFactory.getInstance("X.509");
    List<X509Certificate> certificates = new ArrayList<>();
    Matcher block = BLOCK.matcher(text);
    while (block.find()) {
      if (block.group(1).equals("CERTIFICATE")) {
        byte[] der = decode(block.group(2));
        certificates.add(
            (X509Certificate) factory.generateCertificate(new ByteArrayInputStream(der)));
      }
    }
    return certificates;
  }

  /**
   * The first private key in a text: PKCS #8 (EC or RSA), or SEC 1 on the curve P-256 as K3s writes
   * it.
   *
   * @throws GeneralSecurityException if there is none or it is damaged
   */
  public static PrivateKey readPrivateKey(String text) throws GeneralSecurityException {
    Matcher block = BLOCK.matcher(text);
    while (block.find()) {
      byte[] der = decode(block.group(2));
      switch (block.group(1)) {
        case "PRIVATE KEY" -> {
          return KeyFactory.getInstance(isEllipticCurve(der) ? "EC" : "RSA")
              .generatePrivate(new PKCS8EncodedKeySpec(der));
        }
        case "EC PRIVATE KEY" -> {
          return KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(wrap(der)));
        }
        default -> {}
      }
    }
    throw new GeneralSecurityException("no private key in the PEM text");
  }

  /**
   * The first public key in a text.
   *
   * @throws GeneralSecurityException if there is none or it is damaged
   */
  public static PublicKey readPublicKey(String text) throws GeneralSecurityException {
    Matcher block = BLOCK.matcher(text);
    while (block.find()) {
      if (block.group(1).equals("PUBLIC KEY")) {
        byte[] der = decode(block.group(2));
        return KeyFactory.getInstance(isEllipticCurve(der) ? "EC" : "RSA")
            .generatePublic(new X509EncodedKeySpec(der));
      }
    }
    throw new GeneralSecurityException("no public key in the PEM text");
  }

  private static byte[] decode(String base64) throws GeneralSecurityException {
    try {
      return Base64.getMimeDecoder().decode(base64.getBytes(StandardCharsets.US_ASCII));
    } catch (IllegalArgumentException e) {
      throw new GeneralSecurityException("damaged PEM text: " + e.getMessage(), e);
    }
  }

  /** Whether the object identifier id-ecPublicKey stands near the start of the DER structure. */
  private static boolean isEllipticCurve(byte[] der) {
    byte[] identifier = {0x2a, (byte) 0x86, 0x48, (byte) 0xce, 0x3d, 0x02, 0x01};
    for (int at = 0; at + identifier.length <= Math.min(der.length, 40); at++) {
      if (java.util.Arrays.equals(
          der, at, at + identifier.length, identifier, 0, identifier.length)) {
        return true;
      }
    }
    return false;
  }

  /** SEC 1 ECPrivateKey to PKCS #8 PrivateKeyInfo. */
  private static byte[] wrap(byte[] sec1) {
    ByteArrayOutputStream inner = new ByteArrayOutputStream();
    inner.writeBytes(new byte[] {0x02, 0x01, 0x00});
    inner.writeBytes(P256_ALGORITHM);
    inner.writeBytes(element(0x04, sec1));
    return element(0x30, inner.toByteArray());
  }

  private static byte[] element(int tag, byte[] content) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(tag);
    if (content.length < 128) {
      out.write(content.length);
    } else if (content.length < 256) {
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
