package dev.kedge.server;

import dev.kedge.lifecycle.UserException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The secret that servers of one cluster share, in K3s's forms: {@code
 * K10<hash>::server:<password>}, or the password alone. The hash lets who joins know the cluster
 * before the password is shown to it.
 *
 * @param authorityHash SHA-256 of the PEM text of the authority that signs servers, in hex
 */
record ClusterToken(String password, Optional<String> authorityHash) {
  private static final Pattern FULL = Pattern.compile("K10([0-9a-f]{64})::server:(.+)");

  /**
   * Reads what the operator gave.
   *
   * @throws UserException if it begins as a full token and is none
   */
  static ClusterToken parse(String text) {
    String given = text.strip();
    Matcher full = FULL.matcher(given);
    if (full.matches()) {
      return new ClusterToken(full.group(2), Optional.of(full.group(1)));
    }
    if (given.isEmpty() || given.startsWith("K10")) {
      throw new UserException(
          "the token is not whole; give all of what is in server/token in the data directory of"
              + " the first server");
    }
    return new ClusterToken(given, Optional.empty());
  }

  static ClusterToken random() {
    byte[] secret = new byte[16];
    new SecureRandom().nextBytes(secret);
    return new ClusterToken(HexFormat.of().formatHex(secret), Optional.empty());
  }

  /** The full form, for a cluster's authority. */
  String full(String authorityPem) {
    return "K10" + hash(authorityPem) + "::server:" + password;
  }

  static String hash(String authorityPem) {
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256")
              .digest(authorityPem.getBytes(StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(digest);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this Java runtime has no SHA-256", e);
    }
  }

  /** Without the secret. */
  @Override
  public String toString() {
    return "ClusterToken[…]";
  }
}
