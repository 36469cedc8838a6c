package dev.kedge.model;

/**
 * Text that is not well-formed JSON or YAML, with the place of the first fault (both counted from
 * 1).
 */
public final class JsonSyntaxException extends RuntimeException {
  private final int line;
  private final int column;

  public JsonSyntaxException(String message, int line, int column) {
    super(message);
    this.line = line;
    this.column = column;
  }

  /** Line of the fault, from 1. */
  public int line() {
    return line;
  }

  /** Column of the fault, from 1. */
  public int column() {
    return column;
  }

  /** The message with its place: {@code line 3, column 7: …}. */
  public String located() {
    return "line " + line + ", column " + column + ": " + getMessage();
  }
}
