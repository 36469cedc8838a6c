package dev.kedge.store.snapshot;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.security.GeneralSecurityException;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HexFormat;
import java.util.SortedMap;
import java.util.stream.Collectors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Signs requests as S3 and what is compatible with it wants: AWS Signature Version 4, as in "Create
 * a signed AWS API request" of AWS's Identity and Access Management guide.
 */
final class SignatureV4 {
  /** The time of a request, as its header says it. */
  static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

  private static final String ALGORITHM = "AWS4-HMAC-SHA256";
  private static final String UNRESERVED =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";

  private SignatureV4() {}

  /**
   * Who signs for what.
   *
   * @param service such as {@code s3}
   */
  record Signer(String accessKey, String secretKey, String region, String service) {}

  /**
   * What is signed.
   *
   * @param path encoded, as it is sent
   * @param query not encoded
   * @param headers those to sign, with names in small letters; {@code host} must be among them
   * @param payload SHA-256 of the body in hex
   */
  record Request(
      String method,
      String path,
      SortedMap<String, String> query,
      SortedMap<String, String> headers,
      String payload) {}

  /** The value of the header {@code Authorization}. */
  static String authorization(Request request, Signer signer, Instant time) {
    String headers =
        request.headers().entrySet().stream()
            .map(header -> header.getKey() + ":" + header.getValue().strip() + "\n")
            .collect(Collectors.joining());
    String names = String.join(";", request.headers().keySet());
    String canonical =
        String.join(
            "\n",
            request.method(),
            request.path(),
            query(request.query()),
            headers,
            names,
            request.payload());
    String stamp = TIME.format(time);
    String day = stamp.substring(0, 8);
    String scope = String.join("/", day, signer.region(), signer.service(), "aws4_request");
    String toSign = String.join("\n", ALGORITHM, stamp, scope, sha256(canonical.getBytes(UTF_8)));
    byte[] key = ("AWS4" + signer.secretKey()).getBytes(UTF_8);
    for (String part : scope.split("/", -1)) {
      key = hmac(key, part);
    }
    return ALGORITHM
        + " Credential="
        + signer.accessKey()
        + "/"
        + scope
        + ",SignedHeaders="
        + names
        + ",Signature="
        + HexFormat.of().formatHex(hmac(key, toSign));
  }

  /** A query as it is sent and signed. */
  static String query(SortedMap<String, String> parameters) {
    return parameters.entrySet().stream()
        .map(each -> encode(each.getKey(), false) + "=" + encode(each.getValue(), false))
        .collect(Collectors.joining("&"));
  }

  /** Percent-encodes all but RFC 3986's unreserved characters. */
  static String encode(String text, boolean slashesStay) {
    StringBuilder out = new StringBuilder();
    for (byte b : text.getBytes(UTF_8)) {
      char c = (char) (b & 0xff);
      if (UNRESERVED.indexOf(c) >= 0 || slashesStay && c == '/') {
        out.append(c);
      } else {
        out.append('%').append(HexFormat.of().withUpperCase().toHexDigits(b));
      }
    }
    return out.toString();
  }

  static String sha256(byte[] bytes) {
    return HexFormat.of().formatHex(Checksum.sha256().digest(bytes));
  }

  private static byte[] hmac(byte[] key, String text) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(key, "HmacSHA256"));
      return mac.doFinal(text.getBytes(UTF_8));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no HMAC-SHA-256", e);
    }
  }
}
