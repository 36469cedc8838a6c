package dev.kedge.http;

/** Answers requests. */
@FunctionalInterface
public interface Handler {
  /**
   * Answers one request, blocking as long as that takes. What it throws becomes a plain 500 and a
   * log line; an {@link java.io.IOException} means the client went away and is not logged.
   */
  void handle(Exchange exchange) throws Exception;
}
