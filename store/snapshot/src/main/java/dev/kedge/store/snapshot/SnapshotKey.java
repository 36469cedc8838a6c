package dev.kedge.store.snapshot;

import java.security.GeneralSecurityException;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import javax.crypto.SecretKey;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * A secret that a snapshot is encrypted with.
 *
 * @param kind which of the operator's secrets this is
 */
public record SnapshotKey(Kind kind, String secret) {
  /** The operator's secrets. */
  public enum Kind {
    /** The password in the cluster's token. */
    TOKEN,
    /** What a file says that the operator gave. */
    PASSPHRASE;

    /** As it stands in a snapshot. */
    String text() {
      return name().toLowerCase(Locale.ROOT);
    }

    static Optional<Kind> of(String text) {
      return Arrays.stream(values()).filter(kind -> kind.text().equals(text)).findFirst();
    }
  }

  /** PBKDF2 with HMAC-SHA-256 to a key of AES-256. */
  SecretKey derive(byte[] salt, int rounds) {
    try {
      PBEKeySpec spec = new PBEKeySpec(secret.toCharArray(), salt, rounds, 256);
      byte[] key =
          SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256").generateSecret(spec).getEncoded();
      return new SecretKeySpec(key, "AES");
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("no key can be derived", e);
    }
  }

  /** Without the secret. */
  @Override
  public String toString() {
    return "SnapshotKey[" + kind.text() + "]";
  }
}
