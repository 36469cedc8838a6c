package dev.kedge.model;

/**
 * A text for one match of a regular expression: looked at too often, it ends the match. Go's
 * regular expressions take time in proportion to the text; Java's can take exponential time.
 */
public final class BoundedText implements CharSequence {
  /** Looks at characters that one match may take. */
  private static final long MOST_LOOKS = 20_000_000;

  /** The match takes too long. */
  public static final class ExceededException extends RuntimeException {
    private ExceededException() {
      super("the regular expression takes too long", null, false, false);
    }
  }

  private final String text;
  private long left = MOST_LOOKS;

  public BoundedText(String text) {
    this.text = text;
  }

  @Override
  public int length() {
    return text.length();
  }

  /**
   * A character.
   *
   * @throws ExceededException when it has been asked for one too often
   */
  @Override
  public char charAt(int index) {
    if (--left < 0) {
      throw new ExceededException();
    }
    return text.charAt(index);
  }

  @Override
  public CharSequence subSequence(int start, int end) {
    return text.substring(start, end);
  }

  @Override
  public String toString() {
    return text;
  }
}
