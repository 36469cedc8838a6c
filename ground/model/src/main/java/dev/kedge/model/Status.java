package dev.kedge.model;

import java.util.List;

/**
 * The failure answer of the Kubernetes API ({@code kind: Status}), as in apimachinery's {@code
 * metav1.Status}.
 *
 * @param code HTTP status code
 * @param reason machine-readable, such as {@code NotFound}
 * @param message for people
 * @param details what it is about; empty fields are left out of the JSON form
 * @param continueToken lets a list go on that cannot go on as it was; mostly empty
 */
public record Status(
    int code, String reason, String message, Details details, String continueToken) {
  /** A failure that is no list's. */
  public Status(int code, String reason, String message, Details details) {
    this(code, reason, message, details, "");
  }

  /**
   * What a failure is about.
   *
   * @param kind the resource's plural name in most failures, the kind in Invalid ones, as upstream
   *     has it
   * @param retryAfterSeconds 0 where no time is recommended
   */
  public record Details(
      String name,
      String group,
      String kind,
      String uid,
      List<Cause> causes,
      long retryAfterSeconds) {
    public static final Details NONE = new Details("", "", "", "", List.of(), 0);

    public Details {
      causes = List.copyOf(causes);
    }
  }

  /**
   * One fault of an object.
   *
   * @param reason such as {@code FieldValueInvalid}
   * @param message without the field's name, such as {@code Invalid value: -1: must be greater than
   *     or equal to 0}
   * @param field path of the field, such as {@code spec.replicas}
   */
  public record Cause(String reason, String message, String field) {}

  /** The {@code v1 Status} object. */
  public JsonObject json() {
    JsonObject.Builder detail =
        JsonObject.builder()
            .putNonEmpty("name", details.name())
            .putNonEmpty("group", details.group())
            .putNonEmpty("kind", details.kind())
            .putNonEmpty("uid", details.uid())
            .putNonEmpty(
                "causes",
                details.causes().stream()
                    .map(
                        cause ->
                            JsonObject.builder()
                                .putNonEmpty("reason", cause.reason())
                                .putNonEmpty("message", cause.message())
                                .putNonEmpty("field", cause.field())
                                .build())
                    .toList());
    if (details.retryAfterSeconds() > 0) {
      detail.put("retryAfterSeconds", details.retryAfterSeconds());
    }
    return JsonObject.builder()
        .put("kind", "Status")
        .put("apiVersion", "v1")
        .put("metadata", JsonObject.builder().putNonEmpty("continue", continueToken).build())
        .put("status", "Failure")
        .putNonEmpty("message", message)
        .putNonEmpty("reason", reason)
        .putNonEmpty("details", detail.build())
        .put("code", code)
        .build();
  }

  /** Reads a {@code v1 Status} object. */
  public static Status of(JsonObject json) {
    JsonObject details = json.object("details");
    return new Status(
        (int) json.integer("code"),
        json.text("reason"),
        json.text("message"),
        new Details(
            details.text("name"),
            details.text("group"),
            details.text("kind"),
            details.text("uid"),
            details.objects("causes").stream()
                .map(
                    cause ->
                        new Cause(cause.text("reason"), cause.text("message"), cause.text("field")))
                .toList(),
            details.integer("retryAfterSeconds")),
        json.text("metadata", "continue"));
  }
}
