package dev.kedge.http;

import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.Supplier;
import javax.net.ssl.ExtendedSSLSession;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLSession;
import javax.net.ssl.X509ExtendedKeyManager;
import javax.net.ssl.X509ExtendedTrustManager;
import org.jspecify.annotations.Nullable;

/**
 * The TLS side of a listener. Identities are asked for at each handshake, so that a certificate is
 * rotated by giving another one next time; any thread.
 *
 * @param identities the identity for a server name, the empty string when the client names none
 * @param wantClientCertificate whether clients are asked for a certificate; none is ever required,
 *     and whichever they present is accepted and handed to the handler, which verifies it
 * @param clientAuthorities whose certificates clients are asked for; empty: any
 */
public record Tls(
    Function<String, TlsIdentity> identities,
    boolean wantClientCertificate,
    Supplier<List<X509Certificate>> clientAuthorities) {

  /** One identity at a time for all names, and no client certificates. */
  public static Tls of(Supplier<TlsIdentity> identity) {
    return new Tls(name -> identity.get(), false, List::of);
  }

  /** One identity at a time for all names, and client certificates if clients have some. */
  public static Tls of(
      Supplier<TlsIdentity> identity, Supplier<List<X509Certificate>> clientAuthorities) {
    return new Tls(name -> identity.get(), true, clientAuthorities);
  }

  SSLContext context() {
    try {
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(
          new X509ExtendedKeyManager[] {new Keys(identities)},
          new X509ExtendedTrustManager[] {new AnyClient(clientAuthorities)},
          null);
      return context;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no TLS", e);
    }
  }

  /**
   * Gives each handshake an alias of its own, because the JDK asks for the key and the chain of an
   * alias one after the other, and a rotation in between must not mix two identities.
   */
  private static final class Keys extends X509ExtendedKeyManager {
    private static final int KEPT = 4096;
    private final Function<String, TlsIdentity> identities;
    private final AtomicLong aliases = new AtomicLong();
    private final Map<String, TlsIdentity> chosen =
        new LinkedHashMap<>() {
          @Override
          protected boolean removeEldestEntry(Map.Entry<String, TlsIdentity> eldest) {
            return size() > KEPT;
          }
        };

    Keys(Function<String, TlsIdentity> identities) {
      this.identities = identities;
    }

    @Override
    public @Nullable String chooseEngineServerAlias(
        String keyType, Principal @Nullable [] issuers, SSLEngine engine) {
      TlsIdentity identity = identities.apply(serverName(engine.getHandshakeSession()));
      String algorithm = identity.key().getAlgorithm();
      boolean fits =
          keyType.equals(algorithm) || (keyType.equals("EdDSA") && algorithm.startsWith("Ed"));
      if (!fits) {
        return null;
      }
      String alias = Long.toString(aliases.incrementAndGet());
      synchronized (chosen) {
        chosen.put(alias, identity);
      }
      return alias;
    }

    private static String serverName(SSLSession session) {
      if (session instanceof ExtendedSSLSession extended) {
        for (var name : extended.getRequestedServerNames()) {
          if (name instanceof SNIHostName host) {
            return host.getAsciiName();
          }
        }
      }
      return "";
    }

    private @Nullable TlsIdentity identity(String alias) {
      synchronized (chosen) {
        return chosen.get(alias);
      }
    }

    @Override
    public X509Certificate @Nullable [] getCertificateChain(String alias) {
      TlsIdentity identity = identity(alias);
      return identity == null ? null : identity.chain().toArray(X509Certificate[]::new);
    }

    @Override
    public @Nullable PrivateKey getPrivateKey(String alias) {
      TlsIdentity identity = identity(alias);
      return identity == null ? null : identity.key();
    }

    @Override
    public String @Nullable [] getServerAliases(String keyType, Principal @Nullable [] issuers) {
      return null;
    }

    @Override
    public @Nullable String chooseServerAlias(
        String keyType, Principal @Nullable [] issuers, @Nullable Socket socket) {
      return null;
    }

    @Override
    public String @Nullable [] getClientAliases(String keyType, Principal @Nullable [] issuers) {
      return null;
    }

    @Override
    public @Nullable String chooseClientAlias(
        String[] keyType, Principal @Nullable [] issuers, @Nullable Socket socket) {
      return null;
    }
  }

  /** Accepts what clients present; see {@link Exchange#peerCertificates}. */
  private static final class AnyClient extends X509ExtendedTrustManager {
    private final Supplier<List<X509Certificate>> authorities;

    AnyClient(Supplier<List<X509Certificate>> authorities) {
      this.authorities = authorities;
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return authorities.get().toArray(X509Certificate[]::new);
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type) {
      // The authenticator decides.
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, Socket socket) {
      // The authenticator decides.
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String type, SSLEngine engine) {
      // The authenticator decides.
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type) {
      throw new UnsupportedOperationException("a server's trust in servers");
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, Socket socket) {
      throw new UnsupportedOperationException("a server's trust in servers");
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String type, SSLEngine engine) {
      throw new UnsupportedOperationException("a server's trust in servers");
    }
  }
}
