package dev.kedge.cli.kubectl;

/** Ends the command with an exit code, everything having been said already. */
final class ExitException extends RuntimeException {
  private final int code;

  ExitException(int code) {
    super("exit " + code, null, false, false);
    this.code = code;
  }

  int code() {
    return code;
  }
}
