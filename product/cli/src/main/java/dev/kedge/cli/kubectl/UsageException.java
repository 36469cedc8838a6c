package dev.kedge.cli.kubectl;

/** A command line that cannot be carried out as written; printed as {@code error: …}. */
final class UsageException extends RuntimeException {
  UsageException(String message) {
    super(message);
  }
}
