package dev.kedge.http;

import java.io.IOException;
import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;

/** TLS settings of clients, for the JDK's {@code HttpClient} and the clients of this package. */
public final class ClientTls {
  private ClientTls() {}

  /**
   * Trusts the servers of some authorities.
   *
   * @param authorities empty: those that the Java runtime trusts
   * @param identity what the client shows of itself
   */
  public static SSLContext trusting(
      List<X509Certificate> authorities, Optional<TlsIdentity> identity) {
    try {
      TrustManager[] trust = authorities.isEmpty() ? null : trust(authorities);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(keys(identity), trust, null);
      return context;
    } catch (GeneralSecurityException | IOException e) {
      throw new IllegalArgumentException("cannot use these certificates: " + e.getMessage(), e);
    }
  }

  /**
   * Trusts the servers of some authorities that are certified for one name, whatever address they
   * are reached at.
   *
   * @param authorities empty: those that the Java runtime trusts
   * @param serverName DNS name that the certificate must be for
   */
  public static SSLContext trusting(
      List<X509Certificate> authorities, String serverName, Optional<TlsIdentity> identity) {
    try {
      TrustManager[] trust = trust(authorities);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(
          keys(identity),
          new TrustManager[] {new Named((X509ExtendedTrustManager) trust[0], serverName)},
          null);
      return context;
    } catch (GeneralSecurityException | IOException e) {
      throw new IllegalArgumentException("cannot use these certificates: " + e.getMessage(), e);
    }
  }

  private static TrustManager[] trust(List<X509Certificate> authorities)
      throws GeneralSecurityException, IOException {
    TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
    if (authorities.isEmpty()) {
      factory.init((KeyStore) null);
      return factory.getTrustManagers();
    }
    KeyStore store = emptyStore();
    for (int i = 0; i < authorities.size(); i++) {
      store.setCertificateEntry("authority-" + i, authorities.get(i));
    }
    factory.init(store);
    return factory.getTrustManagers();
  }

  /** Trusts every server: {@code --insecure-skip-tls-verify}, and backends that nobody verifies. */
  public static SSLContext trustingAnyone(Optional<TlsIdentity> identity) {
    try {
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(keys(identity), new TrustManager[] {new Anyone()}, null);
      return context;
    } catch (GeneralSecurityException | IOException e) {
      throw new IllegalArgumentException("cannot use this certificate: " + e.getMessage(), e);
    }
  }

  private static KeyManager[] keys(Optional<TlsIdentity> identity)
      throws GeneralSecurityException, IOException {
    KeyStore store = emptyStore();
    if (identity.isPresent()) {
      store.setKeyEntry(
          "client",
          identity.get().key(),
          new char[0],
          identity.get().chain().toArray(X509Certificate[]::new));
    }
    KeyManagerFactory factory = KeyManagerFactory.getInstance("PKIX");
    factory.init(store, new char[0]);
    return factory.getKeyManagers();
  }

  private static KeyStore emptyStore() throws GeneralSecurityException, IOException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    return store;
  }

  /** Extended, so that the JDK adds no check of host names either. */
  private static final class Anyone extends X509ExtendedTrustManager {
    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type) {
      throw new UnsupportedOperationException("for clients only");
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket) {
      throw new UnsupportedOperationException("for clients only");
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) {
      throw new UnsupportedOperationException("for clients only");
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type) {
      // As asked.
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket) {
      // As asked.
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine) {
      // As asked.
    }
  }

  /** Checks the chain as usual, and the name itself: the connection goes to an address. */
  private static final class Named extends X509ExtendedTrustManager {
    private static final int DNS_NAME = 2;

    private final X509ExtendedTrustManager chains;
    private final String name;

    Named(X509ExtendedTrustManager chains, String name) {
      this.chains = chains;
      this.name = name;
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type)
        throws CertificateException {
      chains.checkServerTrusted(chain, type);
      Collection<List<?>> names = chain[0].getSubjectAlternativeNames();
      for (List<?> each : names == null ? List.<List<?>>of() : names) {
        if (Integer.valueOf(DNS_NAME).equals(each.get(0)) && matches(String.valueOf(each.get(1)))) {
          return;
        }
      }
      throw new CertificateException("the certificate is not for " + name);
    }

    /** A star stands for the whole first label (RFC 9525, 6.3). */
    private boolean matches(String pattern) {
      return pattern.equalsIgnoreCase(name)
          || pattern.startsWith("*.")
              && name.indexOf('.') > 0
              && pattern.substring(1).equalsIgnoreCase(name.substring(name.indexOf('.')));
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket)
        throws CertificateException {
      checkServerTrusted(chain, type);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine)
        throws CertificateException {
      checkServerTrusted(chain, type);
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return chains.getAcceptedIssuers();
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type) {
      throw new UnsupportedOperationException("for clients only");
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket) {
      throw new UnsupportedOperationException("for clients only");
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) {
      throw new UnsupportedOperationException("for clients only");
    }
  }
}
