package dev.kedge.server;

import dev.kedge.http.ClientTls;
import dev.kedge.http.Pem;
import dev.kedge.http.TlsIdentity;
import dev.kedge.lifecycle.UserException;
import dev.kedge.store.etcd.EtcdStore;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;

/** {@code --datastore-endpoint=https://host:2379,…} and its files, as the store wants them. */
final class EtcdEndpoint {
  private static final int DEFAULT_PORT = 2379;

  private EtcdEndpoint() {}

  /**
   * Reads the URLs.
   *
   * @throws UserException naming the part that is wrong
   */
  static List<URI> urls(String endpoint) {
    return Stream.of(endpoint.split(",", -1)).map(String::strip).map(EtcdEndpoint::url).toList();
  }

  private static URI url(String text) {
    try {
      URI url = new URI(text);
      boolean etcd = "http".equals(url.getScheme()) || "https".equals(url.getScheme());
      if (!etcd || url.getHost() == null) {
        throw new URISyntaxException(text, "not http://host:port or https://host:port");
      }
      if (url.getUserInfo() != null || !url.getPath().replace("/", "").isEmpty()) {
        throw new URISyntaxException(
            text, "neither a user nor a path belongs here; etcd knows servers by certificate");
      }
      int port = url.getPort() < 0 ? DEFAULT_PORT : url.getPort();
      return new URI(url.getScheme(), null, url.getHost(), port, null, null, null);
    } catch (URISyntaxException e) {
      throw new UserException(
          "--datastore-endpoint "
              + text.replaceAll("//.*@", "//…@")
              + " is no URL of an etcd member ("
              + e.getReason()
              + "); give for instance https://10.0.0.1:2379,https://10.0.0.2:2379",
          e);
    }
  }

  /** Connects. */
  static EtcdStore open(
      String endpoint, Optional<Path> caFile, Optional<Path> certFile, Optional<Path> keyFile) {
    List<X509Certificate> authorities =
        caFile.map(file -> parse(file, Pem::certificates)).orElseGet(List::of);
    Optional<TlsIdentity> identity =
        certFile.map(
            file ->
                parse(file, certificate -> Pem.identity(certificate, read(keyFile.orElseThrow()))));
    SSLContext tls = ClientTls.trusting(authorities, identity);
    return EtcdStore.open(
        new EtcdStore.Settings(urls(endpoint), Optional.of(tls), identity.isPresent(), ""));
  }

  private interface Parser<T> {
    T parse(String text);
  }

  private static <T> T parse(Path file, Parser<T> parser) {
    try {
      return parser.parse(read(file));
    } catch (IllegalArgumentException e) {
      throw new UserException(
          "the file " + file + " for the datastore's TLS is not usable: " + e.getMessage(), e);
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UserException("the file " + file + " for the datastore's TLS cannot be read", e);
    }
  }
}
