package dev.kedge.registry;

import dev.kedge.identity.Authorizer;
import dev.kedge.identity.RbacAuthorizer;
import dev.kedge.identity.ServiceAccountTokens.IssuedToken;
import dev.kedge.identity.ServiceAccountTokens.TokenRequest;
import dev.kedge.identity.TokenAuthenticator.Authenticated;
import dev.kedge.identity.TokenAuthenticator.InvalidTokenException;
import java.util.List;

/**
 * Who decides about users and tokens, for the kinds that ask about them.
 *
 * @param authorizer answers access reviews
 * @param rbac lists the rules that hold for a user
 * @param reviewer answers token reviews ({@code Authenticator::review})
 * @param issuer answers token requests ({@code ServiceAccountTokens::issue})
 */
public record Identity(
    Authorizer authorizer, RbacAuthorizer rbac, TokenReviewer reviewer, TokenIssuer issuer) {
  /** Says whom a token stands for. */
  @FunctionalInterface
  public interface TokenReviewer {
    /**
     * Whom a token stands for.
     *
     * @param audiences empty: the API server
     * @throws InvalidTokenException if nobody knows it; the message says why
     */
    Authenticated review(String token, List<String> audiences) throws InvalidTokenException;
  }

  /** Makes service account tokens. */
  @FunctionalInterface
  public interface TokenIssuer {
    /** Makes a token. */
    IssuedToken issue(TokenRequest request);
  }
}
