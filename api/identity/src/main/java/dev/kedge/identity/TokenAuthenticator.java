package dev.kedge.identity;

import java.util.List;
import java.util.Optional;

/** Knows one sort of bearer token. Any thread. */
public interface TokenAuthenticator {
  /**
   * Who a token stands for.
   *
   * @param audiences whom the token must be meant for, one of them at least; empty: the API server
   * @return empty if the token is none of this sort
   * @throws InvalidTokenException if it is of this sort but not valid
   */
  Optional<Authenticated> authenticate(String token, List<String> audiences)
      throws InvalidTokenException;

  /**
   * A user and those of the asked audiences that its token is meant for; empty where tokens of this
   * sort have no audience.
   */
  record Authenticated(User user, List<String> audiences) {
    public Authenticated {
      audiences = List.copyOf(audiences);
    }
  }

  /** A token that was recognised and refused; the message says why. */
  final class InvalidTokenException extends Exception {
    public InvalidTokenException(String message) {
      super(message);
    }

    public InvalidTokenException(String message, Throwable cause) {
      super(message, cause);
    }
  }
}
