package dev.kedge.cli.kubectl;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads certificates and private keys in PEM: PKCS#8, and the older EC and RSA forms. */
final class Pem {
  private static final Pattern BLOCK =
      Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----([^-]+)-----END \\1-----");
  private static final byte[] RSA = {
    0x30,
    0x0d,
    0x06,
    0x09,
    0x2a,
    (byte) 0x86,
    0x48,
    (byte) 0x86,
    (byte) 0xf7,
    0x0d,
    0x01,
    0x01,
    0x01,
    0x05,
    0x00
  };
  private static final byte[] EC_KEY = {
    0x06, 0x07, 0x2a, (byte) 0x86, 0x48, (byte) 0xce, 0x3d, 2, 1
  };

  private Pem() {}

  static List<Certificate> certificates(String text) throws GeneralSecurityException {
    CertificateFactory factory = CertificateFactory.getInstance("X.509");
    List<Certificate> certificates = new ArrayList<>();
    Matcher matcher = BLOCK.matcher(text);
    while (matcher.find()) {
      if (matcher.group(1).equals("CERTIFICATE")) {
        certificates.add(
            factory.generateCertificate(new ByteArrayInputStream(bytes(matcher.group(2)))));
      }
    }
    if (certificates.isEmpty()) {
      throw new GeneralSecurityException("no certificate in the PEM data");
    }
    return certificates;
  }

  static PrivateKey privateKey(String text) throws GeneralSecurityException {
    Matcher matcher = BLOCK.matcher(text);
    while (matcher.find()) {
      byte[] der = bytes(matcher.group(2));
      switch (matcher.group(1)) {
        case "PRIVATE KEY" -> {
          return pkcs8(der);
        }
        case "RSA PRIVATE KEY" -> {
          return pkcs8(wrapped(RSA, der));
        }
        case "EC PRIVATE KEY" -> {
          return pkcs8(wrapped(ecAlgorithm(der), der));
        }
        default -> {
          // Such as EC PARAMETERS before the key.
        }
      }
    }
    throw new GeneralSecurityException("no private key in the PEM data");
  }

  private static byte[] bytes(String base64) {
    return Base64.getMimeDecoder().decode(base64);
  }

  private static PrivateKey pkcs8(byte[] der) throws GeneralSecurityException {
    PKCS8EncodedKeySpec spec = new PKCS8EncodedKeySpec(der);
    GeneralSecurityException first = null;
    for (String algorithm : List.of("EC", "RSA", "Ed25519")) {
      try {
        return KeyFactory.getInstance(algorithm).generatePrivate(spec);
      } catch (GeneralSecurityException e) {
        first = first == null ? e : first;
      }
    }
    throw new GeneralSecurityException("neither an EC, an RSA nor an Ed25519 key", first);
  }

  /** AlgorithmIdentifier of an EC key: the curve is the [0] element inside SEC 1's structure. */
  private static byte[] ecAlgorithm(byte[] sec1) throws GeneralSecurityException {
    for (int i = 0; i + 3 < sec1.length; i++) {
      if ((sec1[i] & 0xff) == 0xa0 && sec1[i + 2] == 0x06) {
        byte[] curve = java.util.Arrays.copyOfRange(sec1, i + 2, i + 4 + sec1[i + 3]);
        return der(0x30, concatenated(EC_KEY, curve));
      }
    }
    throw new GeneralSecurityException("the EC key does not name its curve");
  }

  /** A PKCS#8 structure around a key of an older form. */
  private static byte[] wrapped(byte[] algorithm, byte[] key) {
    byte[] version = {0x02, 0x01, 0x00};
    return der(0x30, concatenated(version, algorithm, der(0x04, key)));
  }

  private static byte[] der(int tag, byte[] content) {
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

  private static byte[] concatenated(byte[]... parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      out.writeBytes(part);
    }
    return out.toByteArray();
  }
}
