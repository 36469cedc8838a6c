package dev.kedge.grpc;

import java.util.Locale;

/**
 * A call that failed: what the peer answered, or that it could not be reached ({@link
 * Code#UNAVAILABLE}) or did not answer in time ({@link Code#DEADLINE_EXCEEDED}).
 */
public final class GrpcException extends RuntimeException {
  /** The status codes of gRPC, in the order of their numbers. */
  public enum Code {
    OK,
    CANCELLED,
    UNKNOWN,
    INVALID_ARGUMENT,
    DEADLINE_EXCEEDED,
    NOT_FOUND,
    ALREADY_EXISTS,
    PERMISSION_DENIED,
    RESOURCE_EXHAUSTED,
    FAILED_PRECONDITION,
    ABORTED,
    OUT_OF_RANGE,
    UNIMPLEMENTED,
    INTERNAL,
    UNAVAILABLE,
    DATA_LOSS,
    UNAUTHENTICATED;

    static Code of(int number) {
      return number >= 0 && number < values().length ? values()[number] : UNKNOWN;
    }

    /** The name as Go programs print it, such as {@code NotFound}. */
    public String goName() {
      if (this == OK) {
        return "OK";
      }
      StringBuilder name = new StringBuilder();
      for (String word : name().split("_")) {
        name.append(word.charAt(0)).append(word.substring(1).toLowerCase(Locale.ROOT));
      }
      return name.toString().replace("Cancelled", "Canceled");
    }
  }

  private final Code code;
  private final String detail;
  private final boolean unsent;

  public GrpcException(Code code, String detail) {
    super(text(code, detail));
    this.code = code;
    this.detail = detail;
    this.unsent = false;
  }

  public GrpcException(Code code, String detail, Throwable cause) {
    this(code, detail, cause, false);
  }

  GrpcException(Code code, String detail, Throwable cause, boolean unsent) {
    super(text(code, detail), cause);
    this.code = code;
    this.detail = detail;
    this.unsent = unsent;
  }

  private static String text(Code code, String detail) {
    return "rpc error: code = " + code.goName() + " desc = " + detail;
  }

  public Code code() {
    return code;
  }

  /** The peer's own message, without the code. */
  public String detail() {
    return detail;
  }

  /** Whether the peer certainly never looked at the call, so that it did nothing. */
  public boolean isUnsent() {
    return unsent;
  }

  public boolean isNotFound() {
    return code == Code.NOT_FOUND;
  }

  public boolean isAlreadyExists() {
    return code == Code.ALREADY_EXISTS;
  }

  public boolean isUnimplemented() {
    return code == Code.UNIMPLEMENTED;
  }

  /** Whether the peer could not be reached, or went away during the call. */
  public boolean isUnavailable() {
    return code == Code.UNAVAILABLE;
  }
}
