package dev.kedge.identity;

import java.util.List;

/** Allows what any of several authorisers allows; reasons of refusals are joined. Immutable. */
public final class UnionAuthorizer implements Authorizer {
  private final List<Authorizer> authorizers;

  /** Asked in this order. */
  public UnionAuthorizer(List<? extends Authorizer> authorizers) {
    this.authorizers = List.copyOf(authorizers);
  }

  @Override
  public Decision authorize(User user, Attributes attributes) {
    StringBuilder reasons = new StringBuilder();
    for (Authorizer authorizer : authorizers) {
      Decision decision = authorizer.authorize(user, attributes);
      if (decision.allowed()) {
        return decision;
      }
      if (!decision.reason().isEmpty()) {
        reasons.append(reasons.isEmpty() ? "" : ", ").append(decision.reason());
      }
    }
    return new Decision(false, reasons.toString());
  }
}
