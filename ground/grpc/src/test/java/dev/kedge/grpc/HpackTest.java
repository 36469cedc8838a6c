package dev.kedge.grpc;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The examples of RFC 7541, appendix C. */
class HpackTest {
  private final Hpack.Decoder decoder = new Hpack.Decoder(256);

  private List<String> decode(String hex) throws IOException {
    return decoder.decode(HexFormat.of().parseHex(hex.replace(" ", ""))).stream()
        .map(header -> header.name() + ": " + header.value())
        .toList();
  }

  @Test
  void responsesWithHuffmanAndEviction() throws IOException {
    assertThat(
            decode(
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6"
                    + " 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3"))
        .containsExactly(
            ":status: 302",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com");
    assertThat(decode("4883 640e ffc1 c0bf"))
        .containsExactly(
            ":status: 307",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "location: https://www.example.com");
    assertThat(
            decode(
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab"
                    + " 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5"
                    + " 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07"))
        .containsExactly(
            ":status: 200",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:22 GMT",
            "location: https://www.example.com",
            "content-encoding: gzip",
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1");
  }

  @Test
  void ownEncodingReadsBack() throws IOException {
    List<Hpack.Header> headers =
        List.of(
            new Hpack.Header(":path", "/runtime.v1.RuntimeService/Version"),
            new Hpack.Header("long", "x".repeat(300)));
    assertThat(decoder.decode(Hpack.encode(headers))).isEqualTo(headers);
  }

  @Test
  void brokenBlocksAreRefused() {
    assertThatThrownBy(() -> decode("ff ff ff ff ff 0f")).isInstanceOf(IOException.class);
    assertThatThrownBy(() -> decode("00 05 61")).isInstanceOf(IOException.class);
    assertThatThrownBy(() -> decode("be")).isInstanceOf(IOException.class);
  }
}
