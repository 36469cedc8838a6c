package dev.kedge.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The streams of exec and port-forward with the client that nobody here wrote. */
class KubectlTest {
  private static final String POD =
      """
      {"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"default","uid":"1"},
       "spec":{"containers":[{"name":"web","image":"web"}]},"status":{"phase":"Running"}}
      """;

  @TempDir Path directory;
  private FakeRuntime runtime;
  private HttpServer server;

  @BeforeEach
  void start() throws Exception {
    assumeTrue(
        new ProcessBuilder("sh", "-c", "command -v kubectl").start().waitFor() == 0,
        "kubectl is not installed");
    runtime = new FakeRuntime();
    server =
        HttpServer.start(
            HttpServer.Listen.plain("127.0.0.1", 0),
            exchange -> {
              if (exchange.path().endsWith("/exec")) {
                RemoteCommand.relay(
                    exchange,
                    runtime.url("/exec?" + exchange.rawQuery()),
                    RemoteCommand.Options.of(exchange.query()));
              } else if (exchange.path().endsWith("/portforward")) {
                PortForward.relay(exchange, runtime.url("/portforward"));
              } else if (exchange.path().endsWith("/pods/web")) {
                exchange.respond(
                    200, Headers.of("Content-Type", "application/json"), POD.getBytes(UTF_8));
              } else if (exchange.path().equals("/api")) {
                json(exchange, "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"]}");
              } else if (exchange.path().equals("/apis")) {
                json(exchange, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[]}");
              } else if (exchange.path().equals("/api/v1")) {
                json(
                    exchange,
                    "{\"kind\":\"APIResourceList\",\"groupVersion\":\"v1\",\"resources\":[{\"name\":"
                        + "\"pods\",\"singularName\":\"pod\",\"namespaced\":true,\"kind\":\"Pod\","
                        + "\"verbs\":[\"get\"]}]}");
              }
            });
  }

  private static void json(Exchange exchange, String text) throws Exception {
    exchange.respond(200, Headers.of("Content-Type", "application/json"), text.getBytes(UTF_8));
  }

  @AfterEach
  void stop() {
    if (server != null) {
      server.close(Duration.ZERO);
      runtime.close();
    }
  }

  private Process kubectl(boolean webSockets, List<String> arguments) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                "kubectl",
                "--server",
                "http://127.0.0.1:" + server.port(),
                "--cache-dir",
                directory.resolve("cache").toString()));
    command.addAll(arguments);
    ProcessBuilder builder = new ProcessBuilder(command);
    Path none = directory.resolve("kubeconfig");
    Files.writeString(none, "");
    builder
        .environment()
        .putAll(
            Map.of(
                "KUBECONFIG", none.toString(),
                "KUBECTL_REMOTE_COMMAND_WEBSOCKETS", Boolean.toString(webSockets),
                "KUBECTL_PORT_FORWARD_WEBSOCKETS", Boolean.toString(webSockets)));
    return builder.start();
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void executesCommands(boolean webSockets) throws Exception {
    Process cat = kubectl(webSockets, List.of("exec", "-i", "web", "--", "cat"));
    try (OutputStream in = cat.getOutputStream()) {
      in.write("some input".getBytes(UTF_8));
    }
    assertThat(new String(cat.getInputStream().readAllBytes(), UTF_8)).isEqualTo("some input");
    // That the connection is there is told on the first stream, by upstream's server too; a client
    // that was not quick enough to make its streams says that it knows none of that number.
    assertThat(new String(cat.getErrorStream().readAllBytes(), UTF_8))
        .matches("(E.* Unknown stream id 1, discarding message\\n)?read 10");
    assertThat(cat.waitFor()).isZero();

    Process large = kubectl(webSockets, List.of("exec", "web", "--", "large"));
    assertThat(large.getInputStream().readAllBytes()).hasSize(5_000_000);
    assertThat(new String(large.getErrorStream().readAllBytes(), UTF_8))
        .endsWith("command terminated with exit code 7\n");
    assertThat(large.waitFor()).isEqualTo(7);

    Process wrong = kubectl(webSockets, List.of("exec", "web", "--", "nothing"));
    assertThat(new String(wrong.getErrorStream().readAllBytes(), UTF_8))
        .contains("no such command: \"nothing\"");
    assertThat(wrong.waitFor()).isEqualTo(1);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void forwardsPorts(boolean webSockets) throws Exception {
    HttpServer web =
        HttpServer.start(
            HttpServer.Listen.plain("127.0.0.1", 0),
            exchange -> exchange.respond(200, Headers.NONE, "page".getBytes(UTF_8)));
    Process forward = kubectl(webSockets, List.of("port-forward", "pod/web", ":" + web.port()));
    try (web;
        InputStream said = forward.getInputStream()) {
      String line = "";
      int b;
      while ((b = said.read()) >= 0 && b != '\n') {
        line += (char) b;
      }
      assertThat(line)
          .as(() -> error(forward))
          .matches("Forwarding from 127.0.0.1:\\d+ -> " + web.port());
      int local = Integer.parseInt(line.replaceAll(".*127.0.0.1:(\\d+) .*", "$1"));
      for (int i = 0; i < 5; i++) {
        try (Socket socket = new Socket("127.0.0.1", local)) {
          socket.setSoTimeout(60_000);
          socket
              .getOutputStream()
              .write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".getBytes(UTF_8));
          assertThat(new String(socket.getInputStream().readAllBytes(), UTF_8)).endsWith("page");
        }
      }
    } finally {
      forward.destroy();
      assertThat(forward.waitFor(60, TimeUnit.SECONDS)).isTrue();
    }
  }

  private static String error(Process process) {
    try {
      return new String(process.getErrorStream().readAllBytes(), UTF_8);
    } catch (java.io.IOException e) {
      return e.toString();
    }
  }
}
