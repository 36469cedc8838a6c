package dev.kedge.http;

import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.List;

/**
 * What one side of TLS shows of itself.
 *
 * @param chain leaf first; never empty
 * @param key the leaf's private key
 */
public record TlsIdentity(List<X509Certificate> chain, PrivateKey key) {
  public TlsIdentity {
    chain = List.copyOf(chain);
    if (chain.isEmpty()) {
      throw new IllegalArgumentException("a TLS identity needs a certificate");
    }
  }
}
