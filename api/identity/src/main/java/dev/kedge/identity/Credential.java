package dev.kedge.identity;

import dev.kedge.http.Pem;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.List;

/**
 * A certificate chain, leaf first, with the leaf's private key. Immutable.
 *
 * @param chain never empty
 */
public record Credential(List<X509Certificate> chain, PrivateKey key) {
  public Credential {
    chain = List.copyOf(chain);
    if (chain.isEmpty()) {
      throw new IllegalArgumentException("a credential needs a certificate");
    }
  }

  /** The certificate of the holder. */
  public X509Certificate leaf() {
    return chain.getFirst();
  }

  /** The chain as PEM text. */
  public String chainPem() {
    return Pem.encode(chain);
  }

  /** The private key as PEM text. */
  public String keyPem() {
    return Pem.encode(key, leaf().getPublicKey());
  }

  /** When less than a third of the certificate's life remains. */
  public Instant renewAt() {
    Instant from = leaf().getNotBefore().toInstant();
    Instant until = leaf().getNotAfter().toInstant();
    return until.minus(Duration.between(from, until).dividedBy(3));
  }
}
