package dev.kedge.store.snapshot;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The examples that AWS publishes with the algorithm. */
class SignatureV4Test {
  private static final SignatureV4.Signer S3 =
      new SignatureV4.Signer(
          "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1", "s3");
  private static final SignatureV4.Signer SUITE =
      new SignatureV4.Signer(
          "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "us-east-1", "service");
  private static final String EMPTY =
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  private static final String HOST = "examplebucket.s3.amazonaws.com";

  private static Stream<Arguments> examples() {
    return Stream.of(
        example(
            "GET Object",
            "GET",
            "/test.txt",
            Map.of(),
            Map.of("range", "bytes=0-9"),
            EMPTY,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        example(
            "PUT Object",
            "PUT",
            "/test%24file.text",
            Map.of(),
            Map.of(
                "date",
                "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-storage-class",
                "REDUCED_REDUNDANCY"),
            "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        example(
            "GET Bucket Lifecycle",
            "GET",
            "/",
            Map.of("lifecycle", ""),
            Map.of(),
            EMPTY,
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        example(
            "Get Bucket (List Objects)",
            "GET",
            "/",
            Map.of("max-keys", "2", "prefix", "J"),
            Map.of(),
            EMPTY,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
  }

  private static Arguments example(
      String name,
      String method,
      String path,
      Map<String, String> query,
      Map<String, String> more,
      String payload,
      String signature) {
    Map<String, String> headers = new TreeMap<>(more);
    headers.put("host", HOST);
    headers.put("x-amz-content-sha256", payload);
    headers.put("x-amz-date", "20130524T000000Z");
    return Arguments.of(name, method, path, query, headers, payload, signature);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("examples")
  void signsAsTheDocumentationOfS3Says(
      String name,
      String method,
      String path,
      Map<String, String> query,
      Map<String, String> headers,
      String payload,
      String signature) {
    assertThat(
            SignatureV4.authorization(
                new SignatureV4.Request(
                    method, path, new TreeMap<>(query), new TreeMap<>(headers), payload),
                S3,
                Instant.parse("2013-05-24T00:00:00Z")))
        .isEqualTo(
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
                + "SignedHeaders="
                + String.join(";", headers.keySet())
                + ",Signature="
                + signature);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("suite")
  void signsAsTheTestSuiteSays(
      String name, String method, Map<String, String> query, String signature) {
    assertThat(
            SignatureV4.authorization(
                new SignatureV4.Request(
                    method,
                    "/",
                    new TreeMap<>(query),
                    new TreeMap<>(
                        Map.of("host", "example.amazonaws.com", "x-amz-date", "20150830T123600Z")),
                    EMPTY),
                SUITE,
                Instant.parse("2015-08-30T12:36:00Z")))
        .endsWith("Signature=" + signature);
  }

  private static Stream<Arguments> suite() {
    return Stream.of(
        Arguments.of(
            "get-vanilla",
            "GET",
            Map.of(),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        Arguments.of(
            "post-vanilla",
            "POST",
            Map.of(),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        Arguments.of(
            "get-vanilla-query-order-key-case",
            "GET",
            Map.of("Param1", "value1", "Param2", "value2"),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"));
  }
}
