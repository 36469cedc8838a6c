package dev.kedge.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.lifecycle.Startup;
import dev.kedge.lifecycle.UserException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.server.KedgeServer;
import dev.kedge.store.snapshot.TestS3;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The command, of a running server and of none, in a directory and on S3. */
@Timeout(300)
class SnapshotCommandTest {
  @TempDir private Path directory;
  private Path configuration;

  @BeforeEach
  void configure() throws IOException {
    int port;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = socket.getLocalPort();
    }
    configuration =
        Files.writeString(
            directory.resolve("config.yaml"),
            """
            data-dir: %s/data
            node-name: here
            node-ip: 127.0.0.1
            bind-address: 127.0.0.1
            https-listen-port: %d
            write-kubeconfig: %s/kedge.yaml
            disable-agent: true
            """
                .formatted(directory, port, directory));
  }

  private KedgeServer start() {
    Flags.Values values = ServerFlags.table(ProgramName.KEDGE).parse(List.of());
    values.withFile(ConfigFile.read(configuration, true), "the configuration");
    return KedgeServer.start(
        ServerOptions.of(values),
        new Startup(new PrintStream(new ByteArrayOutputStream()), System.nanoTime()),
        () -> {});
  }

  private String run(String... words) {
    List<String> arguments = new ArrayList<>(List.of(words));
    arguments.add("--config=" + configuration);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    int code =
        SnapshotCommand.run(
            ProgramName.KEDGE,
            "snapshot",
            arguments,
            new PrintStream(out, true, StandardCharsets.UTF_8));
    assertThat(code).isZero();
    return out.toString(StandardCharsets.UTF_8);
  }

  private List<JsonObject> list() {
    return ((JsonArray) Json.parse(run("ls", "-o", "json").getBytes(StandardCharsets.UTF_8)))
        .items().stream().map(JsonObject.class::cast).toList();
  }

  private String save(String... more) {
    return run(Stream.concat(Stream.of("save"), Stream.of(more)).toArray(String[]::new))
        .replaceFirst("(?s)Snapshot (\\S+) saved.*", "$1");
  }

  @Test
  void savesOfARunningServerToDirectoryAndBucketAndRestoresFromThere() throws Exception {
    try (TestS3 s3 = new TestS3(Optional.empty())) {
      Files.writeString(
          configuration,
          """
          etcd-s3: true
          etcd-s3-endpoint: %s
          etcd-s3-insecure: true
          etcd-s3-bucket: %s
          etcd-s3-region: %s
          etcd-s3-folder: one
          etcd-s3-access-key: %s
          etcd-s3-secret-key: %s
          """
              .formatted(
                  s3.endpoint(),
                  TestS3.BUCKET,
                  TestS3.REGION,
                  TestS3.ACCESS_KEY,
                  TestS3.SECRET_KEY),
          java.nio.file.StandardOpenOption.APPEND);
      String first;
      String other;
      try (KedgeServer _ = start()) {
        first = save("--snapshot-encrypt");
        other = save("--name=other");
        assertThat(first).matches("on-demand-here-\\d+");
        assertThat(s3.names()).containsExactly("one/" + first, "one/" + other);
        assertThat(list())
            .extracting(item -> item.text("name"))
            .containsExactly(first, other, first, other);
        assertThat(list().getFirst().integer("revision")).isPositive();
        assertThat(list().getFirst().flag("encrypted")).isTrue();
        assertThat(run("list")).contains("s3://" + TestS3.BUCKET + "/one/" + first, "file:///");
        assertThatThrownBy(() -> run("restore", first, "--force"))
            .isInstanceOf(UserException.class)
            .hasMessageContaining("another kedge server uses the data directory");
      }
      // Of no server's, and in the directory alone.
      String local = save("--s3=false", "--name=local", "--snapshot-compress=false");
      assertThat(s3.names()).hasSize(2);
      assertThat(run("delete", local)).isEqualTo("Snapshot " + local + " deleted.\n");
      Files.delete(directory.resolve("data/server/db/snapshots").resolve(first));

      assertThat(run("restore", first, "--force")).contains("holds the snapshot of revision");
      try (KedgeServer _ = start()) {
        assertThat(run("prune", "--snapshot-retention=0")).contains(first);
        assertThat(run("prune", "--name=other", "--snapshot-retention=1")).isEmpty();
      }
      assertThat(list()).extracting(item -> item.text("name")).containsExactly(other, other);
      assertThat(run("delete", other)).contains(other);
      assertThat(s3.names()).isEmpty();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "sav                         | snapshot cannot sav; it can save, list, restore, delete or"
            + " prune",
        "save now                    | the usage is: kedge snapshot save",
        "restore                     | the usage is: kedge snapshot restore NAME or FILE",
        "delete none                 | there is no snapshot none",
        "restore none                | there is no snapshot none",
        "save                        | there is no database",
        "save --name=../../etc       | is no name",
        "list --output=yaml          | --output must be json",
        "list --etcd-s3              | --etcd-s3 needs --etcd-s3-bucket",
        "list --s3-proxy=x           | unknown flag",
        "list --etcd-s3-proxy=x      | is not supported: S3 is reached without a proxy",
        "list --etcd-snapshot-schedule-cron=hourly | is no schedule",
        "list --etcd-snapshot-retention=-1 | must be a number",
        "list --s3 --s3-bucket=b --s3-access-key=a --s3-secret-key=s --s3-timeout=5x | must be a"
            + " time",
        "list --s3 --s3-bucket=b --s3-access-key=a --s3-secret-key=s --s3-endpoint=a/b | is no"
            + " host",
      })
  void whatCannotBeDoneIsASentence(String words, String message) {
    assertThatThrownBy(() -> run(words.strip().split(" +", -1)))
        .isInstanceOf(UserException.class)
        .hasMessageContaining(message);
    assertThat(directory.resolve("data")).doesNotExist();
  }

  @Test
  void bothSpellingsAreCommands() {
    for (Map.Entry<String, String> each :
        Map.of("kedge", "snapshot", "k3s", "etcd-snapshot").entrySet()) {
      assertThat(Main.run(each.getKey(), List.of(each.getValue(), "--help"))).isZero();
      assertThat(
              Main.run(each.getKey(), List.of(each.getValue(), "sav", "--config=" + configuration)))
          .isEqualTo(1);
    }
  }
}
