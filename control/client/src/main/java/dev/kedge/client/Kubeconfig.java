package dev.kedge.client;

import dev.kedge.http.ClientTls;
import dev.kedge.http.Pem;
import dev.kedge.http.TlsIdentity;
import dev.kedge.model.JsonObject;
import dev.kedge.model.Yaml;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.SSLContext;

/**
 * The current context of a kubeconfig file ({@code clientcmd/api/v1 Config}): where the server is
 * and who the client is. Certificates and tokens may stand in the file or be named by it, relative
 * to its folder. Exec plugins and auth providers are refused by name.
 *
 * @param server such as {@code https://127.0.0.1:6443}
 * @param namespace of the context; {@code default} where it names none
 */
public record Kubeconfig(
    URI server,
    SSLContext tls,
    Optional<String> token,
    Optional<Path> tokenFile,
    String namespace) {

  /**
   * Reads a file.
   *
   * @throws UncheckedIOException if it, or a file it names, cannot be read
   * @throws IllegalArgumentException saying what is missing or not supported
   */
  public static Kubeconfig read(Path file) {
    String text = text(file);
    if (!(Yaml.parse(text) instanceof JsonObject config)) {
      throw new IllegalArgumentException(file + " is not a kubeconfig");
    }
    String contextName = config.text("current-context");
    JsonObject context = named(file, config, "contexts", contextName).object("context");
    JsonObject cluster = named(file, config, "clusters", context.text("cluster")).object("cluster");
    JsonObject user = named(file, config, "users", context.text("user")).object("user");
    for (String field : List.of("exec", "auth-provider", "username")) {
      if (user.has(field)) {
        throw new IllegalArgumentException(
            file + ": users[" + context.text("user") + "]." + field + " is not supported");
      }
    }
    Optional<TlsIdentity> identity =
        data(file, user, "client-certificate")
            .map(
                certificates ->
                    Pem.identity(
                        certificates,
                        data(file, user, "client-key")
                            .orElseThrow(
                                () ->
                                    new IllegalArgumentException(
                                        file + ": a client certificate without a key"))));
    List<X509Certificate> authorities =
        data(file, cluster, "certificate-authority").map(Pem::certificates).orElse(List.of());
    SSLContext tls =
        cluster.flag("insecure-skip-tls-verify")
            ? ClientTls.trustingAnyone(identity)
            : ClientTls.trusting(authorities, identity);
    String namespace = context.text("namespace");
    String tokenFile = user.text("tokenFile");
    return new Kubeconfig(
        URI.create(cluster.text("server")),
        tls,
        Optional.of(user.text("token")).filter(token -> !token.isEmpty()),
        tokenFile.isEmpty() ? Optional.empty() : Optional.of(file.resolveSibling(tokenFile)),
        namespace.isEmpty() ? "default" : namespace);
  }

  /** A client of the server; a token file is read again for each request, as it is rotated. */
  public HttpKubeClient client(String userAgent) {
    return new HttpKubeClient(
        server, tls, () -> token.or(() -> tokenFile.map(path -> text(path).strip())), userAgent);
  }

  private static JsonObject named(Path file, JsonObject config, String list, String name) {
    return config.objects(list).stream()
        .filter(entry -> entry.text("name").equals(name))
        .findFirst()
        .orElseThrow(
            () -> new IllegalArgumentException(file + ": no entry \"" + name + "\" in " + list));
  }

  private static Optional<String> data(Path file, JsonObject holder, String field) {
    String inline = holder.text(field + "-data");
    if (!inline.isEmpty()) {
      return Optional.of(
          new String(Base64.getMimeDecoder().decode(inline), StandardCharsets.UTF_8));
    }
    String path = holder.text(field);
    return path.isEmpty() ? Optional.empty() : Optional.of(text(file.resolveSibling(path)));
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
