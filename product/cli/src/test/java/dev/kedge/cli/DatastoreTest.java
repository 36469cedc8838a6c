package dev.kedge.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A datastore that cannot be used: one sentence, a failure code, and an untouched machine. */
class DatastoreTest {
  @TempDir Path directory;

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          postgres://u:s3cr@127.0.0.1:%d/db      |                          | cannot be reached
          mysql://u:s3cr@tcp(127.0.0.1:%d)/db    |                          | cannot be reached
          postgres://u:s3cr@h/db?pool=3          |                          | parameter pool is not
          mysql://u:s3cr@tcp(h:1)/db?parseTime=1 |                          | parameter parseTime is
          postgres://u:s3cr@h/db                 | --datastore-cafile=/none | cannot be read
          oracle://u:s3cr@h/db                   |                          | names no datastore
          """)
  void leavesTheMachineAsItWas(String endpoint, String flag, String sentence) throws Exception {
    Path data = directory.resolve("data");
    List<String> arguments =
        List.of(
            "server",
            "--disable-agent",
            "--data-dir=" + data,
            "--write-kubeconfig=" + directory.resolve("kubeconfig/kedge.yaml"),
            "--https-listen-port=" + freePort(),
            "--config=" + Files.writeString(directory.resolve("config.yaml"), "{}"),
            flag == null ? "--bind-address=127.0.0.1" : flag,
            "--datastore-endpoint=" + endpoint.formatted(freePort()));
    PrintStream before = System.err;
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    System.setErr(new PrintStream(printed, true, UTF_8));
    int code;
    try {
      code = Main.run("kedge", arguments);
    } finally {
      System.setErr(before);
    }
    assertThat(code).isEqualTo(1);
    assertThat(printed.toString(UTF_8))
        .startsWith("kedge: ")
        .contains(sentence)
        .doesNotContain("s3cr")
        .hasLineCount(1);
    assertThat(data).doesNotExist();
    assertThat(directory.resolve("kubeconfig")).doesNotExist();
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }
}
