package dev.kedge.store.sql;

import dev.kedge.http.Pem;
import dev.kedge.store.StoreException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;

/**
 * The PEM files that a connection to a database uses for TLS.
 *
 * @param ca authorities of the database's certificate; empty: those of the Java runtime
 * @param certificate this server's own certificate, with its chain; with {@code key} or not at all
 * @param key its private key
 */
public record TlsFiles(Optional<Path> ca, Optional<Path> certificate, Optional<Path> key) {
  /** No files: TLS is left to what the URL says. */
  public static final TlsFiles NONE =
      new TlsFiles(Optional.empty(), Optional.empty(), Optional.empty());

  private static final char[] IN_MEMORY = new char[0];

  boolean given() {
    return ca.isPresent() || certificate.isPresent();
  }

  /**
   * Checks that the files hold what they should.
   *
   * @throws StoreException with a sentence for the user
   */
  void check() {
    trustManagers();
    keyManagers();
  }

  TrustManager[] trustManagers() {
    try {
      KeyStore store = null;
      if (ca.isPresent()) {
        store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        List<X509Certificate> authorities = Pem.certificates(text(ca.get()));
        for (int i = 0; i < authorities.size(); i++) {
          store.setCertificateEntry("ca" + i, authorities.get(i));
        }
      }
      TrustManagerFactory factory =
          TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      factory.init(store);
      return factory.getTrustManagers();
    } catch (GeneralSecurityException | IOException | IllegalArgumentException e) {
      throw new StoreException(
          "the datastore's CA file "
              + ca.map(Path::toString).orElse("of the Java runtime")
              + " holds no usable PEM certificates ("
              + e.getMessage()
              + "); give the right file",
          e);
    }
  }

  KeyManager[] keyManagers() {
    if (certificate.isEmpty() || key.isEmpty()) {
      return new KeyManager[0];
    }
    try {
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, null);
      store.setKeyEntry(
          "client",
          Pem.privateKey(text(key.get())),
          IN_MEMORY,
          Pem.certificates(text(certificate.get())).toArray(X509Certificate[]::new));
      KeyManagerFactory factory =
          KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      factory.init(store, IN_MEMORY);
      return factory.getKeyManagers();
    } catch (GeneralSecurityException | IOException | IllegalArgumentException e) {
      throw new StoreException(
          "the datastore's client certificate "
              + certificate.get()
              + " and key "
              + key.get()
              + " cannot be used together ("
              + e.getMessage()
              + "); give a PEM certificate and its unencrypted PEM key",
          e);
    }
  }

  private static String text(Path file) throws IOException {
    return Files.readString(file);
  }
}
