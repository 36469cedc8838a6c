package dev.kedge.network.services;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.model.ObjectKey;
import dev.kedge.network.services.Compiler.Health;
import java.io.IOException;
import java.net.ConnectException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Map;
import org.junit.jupiter.api.Test;

class HealthChecksTest {
  private static final ObjectKey WEB = new ObjectKey("default", "web");

  @Test
  void saysWhetherTheNodeHasEndpoints() throws Exception {
    int port = freePort();
    try (HealthChecks checks = new HealthChecks()) {
      checks.update(Map.of(port, new Health(WEB, 2)));
      assertThat(ask(port).statusCode()).isEqualTo(200);
      assertThat(ask(port).body())
          .isEqualTo(
              "{\"service\":{\"namespace\":\"default\",\"name\":\"web\"},"
                  + "\"localEndpoints\":2,\"serviceProxyHealthy\":true}");

      checks.update(Map.of(port, new Health(WEB, 0)));
      assertThat(ask(port).statusCode()).isEqualTo(503);

      checks.update(Map.of());
      assertThatThrownBy(() -> ask(port)).isInstanceOf(ConnectException.class);
    }
  }

  private static HttpResponse<String> ask(int port) throws IOException, InterruptedException {
    try (HttpClient client = HttpClient.newHttpClient()) {
      return client.send(
          HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/")).build(),
          HttpResponse.BodyHandlers.ofString());
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }
}
