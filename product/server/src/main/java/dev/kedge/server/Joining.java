package dev.kedge.server;

import dev.kedge.http.ClientTls;
import dev.kedge.http.Pem;
import dev.kedge.lifecycle.UserException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;

/**
 * Asks a running server for what a new one needs. The token's password is shown only to a server
 * that proved to be of the cluster that the token names.
 *
 * @param data the cluster's authorities, keys and settings
 * @param etcd client URLs of its etcd members
 */
record Joining(BootstrapData data, List<URI> etcd) {
  private static final Duration PATIENCE = Duration.ofSeconds(20);

  /**
   * Asks.
   *
   * @throws UserException with the next step: unreachable, another cluster, wrong token, a server
   *     that cannot be joined
   */
  static Joining ask(URI server, ClusterToken token) {
    HttpResponse<String> authority =
        get(server, "/cacerts", ClientTls.trustingAnyone(Optional.empty()), Optional.empty());
    String pem = authority.body();
    if (authority.statusCode() != 200 || !pem.contains("BEGIN CERTIFICATE")) {
      throw new UserException(
          "at " + server + " there is no kedge server; give --server the URL of one");
    }
    if (token.authorityHash().filter(hash -> !hash.equals(ClusterToken.hash(pem))).isPresent()) {
      throw new UserException(
          "the server at "
              + server
              + " is not of the cluster that the token is for; give the token of its cluster (it is"
              + " in server/token in the data directory of its first server)");
    }
    SSLContext trusting = ClientTls.trusting(Pem.certificates(pem), Optional.empty());
    HttpResponse<String> answer =
        get(server, Supervisor.BOOTSTRAP, trusting, Optional.of(token.password()));
    switch (answer.statusCode()) {
      case 200 -> {
        JsonObject json = (JsonObject) Json.parse(answer.body());
        return new Joining(
            BootstrapData.fromJson(json), json.strings("etcd").stream().map(URI::create).toList());
      }
      case 401 ->
          throw new UserException(
              "the server at "
                  + server
                  + " refuses the token; give the one in server/token in the data directory of its"
                  + " first server");
      default ->
          throw new UserException("the server at " + server + " says: " + answer.body().strip());
    }
  }

  private static HttpResponse<String> get(
      URI server, String path, SSLContext tls, Optional<String> password) {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(server.resolve(path)).timeout(PATIENCE).GET();
    password.ifPresent(
        secret ->
            request.header(
                "Authorization",
                "Basic "
                    + Base64.getEncoder()
                        .encodeToString(("server:" + secret).getBytes(StandardCharsets.UTF_8))));
    try (HttpClient client =
        HttpClient.newBuilder().sslContext(tls).connectTimeout(PATIENCE).build()) {
      return client.send(request.build(), BodyHandlers.ofString());
    } catch (SSLException e) {
      throw new UserException(
          "the server at "
              + server
              + " shows a certificate for other names ("
              + e.getMessage()
              + "); use one of its addresses, or add this one to it with --tls-san",
          e);
    } catch (IOException e) {
      throw new UserException(
          "the server at "
              + server
              + " cannot be reached ("
              + (e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage())
              + "); start it or correct --server",
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while joining", e);
    }
  }
}
