package dev.kedge.cel;

/** An evaluation failed; the message is cel-go's. Without a stack trace: expressions fail often. */
public final class CelException extends RuntimeException {
  /** What {@link #getMessage} says when an evaluation has cost too much. */
  public static final String TOO_EXPENSIVE = "operation cancelled: actual cost limit exceeded";

  private final long cost;

  CelException(String message) {
    this(message, 0);
  }

  CelException(String message, long cost) {
    super(message, null, false, false);
    this.cost = cost;
  }

  /** The message; never absent. */
  public String why() {
    return String.valueOf(getMessage());
  }

  /** What the evaluation had cost until it failed. */
  public long cost() {
    return cost;
  }

  /** The same failure with words before its message. */
  public CelException in(String before) {
    return new CelException(before + why(), 0);
  }

  static CelException noOverload() {
    return new CelException("no such overload");
  }
}
