package dev.kedge.identity;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A fixed list of tokens and their users, as {@code --token-auth-file} has it. Immutable. */
public final class StaticTokens implements TokenAuthenticator {
  private final Map<String, User> users;

  /** From users by token. */
  public StaticTokens(Map<String, User> users) {
    this.users = Map.copyOf(users);
  }

  @Override
  public Optional<Authenticated> authenticate(String token, List<String> audiences) {
    byte[] given = token.getBytes(StandardCharsets.UTF_8);
    User found = null;
    for (Map.Entry<String, User> entry : users.entrySet()) {
      // Every entry is compared in full, so that time tells nothing about a token.
      if (MessageDigest.isEqual(entry.getKey().getBytes(StandardCharsets.UTF_8), given)) {
        found = entry.getValue();
      }
    }
    return Optional.ofNullable(found).map(user -> new Authenticated(user, List.of()));
  }
}
