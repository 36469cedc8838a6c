package dev.kedge.registry.admission;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/**
 * The organisations that a PKCS#10 request names: a few levels of DER, so that the registry needs
 * no cryptography library for one question.
 */
final class CertificateSubject {
  /** OID 2.5.4.10, organizationName. */
  private static final byte[] ORGANIZATION = {0x06, 0x03, 0x55, 0x04, 0x0a};

  private CertificateSubject() {}

  /**
   * The organisations in a request's subject.
   *
   * @param encoded base64 of a PEM text, as in {@code spec.request}
   * @return none where the text is no certificate request
   */
  static List<String> organizations(String encoded) {
    try {
      String pem = new String(Base64.getMimeDecoder().decode(encoded), StandardCharsets.US_ASCII);
      int begin = pem.indexOf("-----BEGIN");
      int from = pem.indexOf('\n', begin);
      int to = pem.indexOf("-----END");
      if (begin < 0 || from < 0 || to < from) {
        return List.of();
      }
      return find(Base64.getMimeDecoder().decode(pem.substring(from, to)));
    } catch (IllegalArgumentException e) {
      // Not base64, so nothing that names an organisation.
      return List.of();
    }
  }

  /** Every string that follows the OID; the OID stands nowhere but in names. */
  private static List<String> find(byte[] der) {
    List<String> found = new ArrayList<>();
    for (int i = 0; i + ORGANIZATION.length + 2 <= der.length; i++) {
      boolean matches = true;
      for (int j = 0; j < ORGANIZATION.length && matches; j++) {
        matches = der[i + j] == ORGANIZATION[j];
      }
      int length = matches ? der[i + ORGANIZATION.length + 1] & 0xff : 0;
      int start = i + ORGANIZATION.length + 2;
      if (matches && length < 0x80 && start + length <= der.length) {
        found.add(new String(der, start, length, StandardCharsets.UTF_8));
      }
    }
    return found;
  }
}
