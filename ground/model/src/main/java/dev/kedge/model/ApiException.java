package dev.kedge.model;

import dev.kedge.model.Status.Cause;
import dev.kedge.model.Status.Details;
import java.util.List;
import java.util.stream.Collectors;

/**
 * A request that failed in a way its sender can act on. Thrown by the API's server side, turned
 * into an HTTP answer in one place, and thrown again by clients with the same {@link Status}.
 *
 * <p>The factories give upstream's reasons and wording (apimachinery {@code api/errors}).
 */
public final class ApiException extends RuntimeException {
  private final Status status;
  private final List<String> warnings;

  public ApiException(Status status) {
    super(status.message());
    this.status = status;
    this.warnings = List.of();
  }

  public ApiException(Status status, Throwable cause) {
    this(status, cause, List.of());
  }

  private ApiException(Status status, Throwable cause, List<String> warnings) {
    super(status.message(), cause);
    this.status = status;
    this.warnings = List.copyOf(warnings);
  }

  /** The same failure with warnings that its sender should see too. */
  public ApiException withWarnings(List<String> more) {
    return new ApiException(status, this, more);
  }

  /** For {@code Warning} headers. */
  public List<String> warnings() {
    return warnings;
  }

  public Status status() {
    return status;
  }

  public int code() {
    return status.code();
  }

  public String reason() {
    return status.reason();
  }

  public boolean isNotFound() {
    return reason().equals("NotFound");
  }

  public boolean isConflict() {
    return reason().equals("Conflict");
  }

  /** Whether a creation failed because its namespace is on its way out, or gone. */
  public boolean isNamespaceGoing() {
    return code() == 403
            && status.details().causes().stream()
                .anyMatch(cause -> cause.reason().equals("NamespaceTerminating"))
        || code() == 404 && status.details().kind().equals("namespaces");
  }

  public boolean isAlreadyExists() {
    return reason().equals("AlreadyExists");
  }

  /** Whether a watch or list must start afresh: 410 Gone, reasons Expired and Gone. */
  public boolean isExpired() {
    return reason().equals("Expired") || reason().equals("Gone");
  }

  public static ApiException notFound(String group, String plural, String name) {
    return of(
        404,
        "NotFound",
        groupResource(group, plural) + " \"" + name + "\" not found",
        group,
        plural,
        name);
  }

  public static ApiException alreadyExists(String group, String plural, String name) {
    return of(
        409,
        "AlreadyExists",
        groupResource(group, plural) + " \"" + name + "\" already exists",
        group,
        plural,
        name);
  }

  /** A conflict; {@code why} completes "Operation cannot be fulfilled on …: ". */
  public static ApiException conflict(String group, String plural, String name, String why) {
    return of(
        409,
        "Conflict",
        "Operation cannot be fulfilled on "
            + groupResource(group, plural)
            + " \""
            + name
            + "\": "
            + why,
        group,
        plural,
        name);
  }

  /** The conflict of an update whose resource version is not the current one. */
  public static ApiException modified(String group, String plural, String name) {
    return conflict(
        group,
        plural,
        name,
        "the object has been modified; please apply your changes to the latest version and try"
            + " again");
  }

  public static ApiException forbidden(String group, String plural, String name, String why) {
    String subject =
        plural.isEmpty()
            ? ""
            : groupResource(group, plural) + (name.isEmpty() ? "" : " \"" + name + "\"");
    String message =
        subject.isEmpty()
            ? "forbidden: " + why
            : name.isEmpty()
                ? subject + " is forbidden: " + why
                : subject + " is forbidden: " + why;
    return of(403, "Forbidden", message, group, plural, name);
  }

  public static ApiException unauthorized() {
    return of(401, "Unauthorized", "Unauthorized", "", "", "");
  }

  public static ApiException badRequest(String message) {
    return of(400, "BadRequest", message, "", "", "");
  }

  public static ApiException methodNotSupported(String group, String plural, String verb) {
    return of(
        405,
        "MethodNotAllowed",
        verb + " is not supported on resources of kind \"" + groupResource(group, plural) + "\"",
        group,
        plural,
        "");
  }

  public static ApiException expired(String message) {
    return of(410, "Expired", message, "", "", "");
  }

  public static ApiException tooLarge(String message) {
    return of(413, "RequestEntityTooLarge", message, "", "", "");
  }

  public static ApiException internal(String message) {
    return of(500, "InternalError", "Internal error occurred: " + message, "", "", "");
  }

  public static ApiException internal(String message, Throwable cause) {
    return new ApiException(internal(message).status, cause);
  }

  public static ApiException timeout(String message) {
    return of(504, "Timeout", "Timeout: " + message, "", "", "");
  }

  public static ApiException unavailable(String message) {
    return of(503, "ServiceUnavailable", message, "", "", "");
  }

  /** 422 with every fault found; {@code kind} is the kind, not the plural, as upstream has it. */
  public static ApiException invalid(String group, String kind, String name, List<Cause> causes) {
    String subject =
        (group.isEmpty() ? kind : kind + "." + group) + " \"" + name + "\" is invalid: ";
    List<String> faults =
        causes.stream().map(cause -> cause.field() + ": " + cause.message()).distinct().toList();
    String text =
        faults.size() == 1
            ? faults.getFirst()
            : faults.stream().collect(Collectors.joining(", ", "[", "]"));
    return new ApiException(
        new Status(422, "Invalid", subject + text, new Details(name, group, kind, "", causes, 0)));
  }

  private static ApiException of(
      int code, String reason, String message, String group, String plural, String name) {
    return new ApiException(
        new Status(code, reason, message, new Details(name, group, plural, "", List.of(), 0)));
  }

  private static String groupResource(String group, String plural) {
    return group.isEmpty() ? plural : plural + "." + group;
  }
}
