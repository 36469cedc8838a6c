package dev.kedge.identity;

import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.ASN1String;
import org.bouncycastle.asn1.x500.RDN;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x500.style.BCStyle;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.Extensions;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;

/**
 * A PKCS#10 request for a certificate, whose sender has proved to hold the key.
 *
 * @param subject the name as it stands in the request
 * @param alternatives DNS names and addresses, encoded for a certificate
 * @param others whether it names e-mail addresses or URIs too
 */
record CertificateRequest(
    X500Name subject, List<GeneralName> alternatives, boolean others, PublicKey publicKey) {
  private static final String BEGIN = "-----BEGIN CERTIFICATE REQUEST-----";
  private static final String END = "-----END CERTIFICATE REQUEST-----";

  /** Signature algorithms by their OID. */
  private static final Map<String, String> ALGORITHMS =
      Map.of(
          "1.2.840.113549.1.1.11", "SHA256withRSA",
          "1.2.840.113549.1.1.12", "SHA384withRSA",
          "1.2.840.113549.1.1.13", "SHA512withRSA",
          "1.2.840.10045.4.3.2", "SHA256withECDSA",
          "1.2.840.10045.4.3.3", "SHA384withECDSA",
          "1.2.840.10045.4.3.4", "SHA512withECDSA",
          "1.3.101.112", "Ed25519");

  /**
   * Reads a request.
   *
   * @throws IllegalArgumentException if it is none, or its signature is not by its key
   */
  static CertificateRequest parse(String pem) {
    int begin = pem.indexOf(BEGIN);
    int end = pem.indexOf(END);
    if (begin < 0 || end < begin) {
      throw new IllegalArgumentException("PEM block type must be CERTIFICATE REQUEST");
    }
    try {
      byte[] der = Base64.getMimeDecoder().decode(pem.substring(begin + BEGIN.length(), end));
      PKCS10CertificationRequest request = new PKCS10CertificationRequest(der);
      PublicKey key = publicKey(request);
      verify(request, key);
      List<GeneralName> alternatives = new ArrayList<>();
      boolean others = false;
      Extensions extensions = request.getRequestedExtensions();
      if (extensions != null && extensions.getExtension(Extension.subjectAlternativeName) != null) {
        GeneralNames names =
            GeneralNames.fromExtensions(extensions, Extension.subjectAlternativeName);
        for (GeneralName name : names.getNames()) {
          if (name.getTagNo() == GeneralName.dNSName || name.getTagNo() == GeneralName.iPAddress) {
            alternatives.add(name);
          } else {
            others = true;
          }
        }
      }
      return new CertificateRequest(request.getSubject(), alternatives, others, key);
    } catch (IOException
        | IllegalArgumentException
        // Thrown by the library for encodings that it does not expect.
        | IllegalStateException
        | ClassCastException
        | GeneralSecurityException e) {
      throw new IllegalArgumentException("unable to parse the request: " + e.getMessage(), e);
    }
  }

  private static PublicKey publicKey(PKCS10CertificationRequest request)
      throws IOException, GeneralSecurityException {
    String algorithm = request.getSubjectPublicKeyInfo().getAlgorithm().getAlgorithm().getId();
    String family =
        switch (algorithm) {
          case "1.2.840.113549.1.1.1" -> "RSA";
          case "1.2.840.10045.2.1" -> "EC";
          case "1.3.101.112" -> "Ed25519";
          default -> throw new IllegalArgumentException("unknown kind of key " + algorithm);
        };
    return KeyFactory.getInstance(family)
        .generatePublic(new X509EncodedKeySpec(request.getSubjectPublicKeyInfo().getEncoded()));
  }

  private static void verify(PKCS10CertificationRequest request, PublicKey key)
      throws IOException, GeneralSecurityException {
    String id = request.getSignatureAlgorithm().getAlgorithm().getId();
    String algorithm = ALGORITHMS.get(id);
    if (algorithm == null) {
      throw new IllegalArgumentException("unknown signature algorithm " + id);
    }
    Signature signature = Signature.getInstance(algorithm);
    signature.initVerify(key);
    signature.update(request.toASN1Structure().getCertificationRequestInfo().getEncoded());
    if (!signature.verify(request.getSignature())) {
      throw new IllegalArgumentException("the signature is not by the request's own key");
    }
  }

  /** The common name; empty if there is none. */
  String commonName() {
    List<String> names = values(BCStyle.CN);
    return names.isEmpty() ? "" : names.getFirst();
  }

  List<String> organizations() {
    return values(BCStyle.O);
  }

  private List<String> values(ASN1ObjectIdentifier type) {
    List<String> values = new ArrayList<>();
    for (RDN part : subject.getRDNs(type)) {
      if (part.getFirst().getValue() instanceof ASN1String text) {
        values.add(text.getString());
      }
    }
    return values;
  }
}
