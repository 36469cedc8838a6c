package dev.kedge.apiserver;

import dev.kedge.http.Query;
import dev.kedge.model.ApiException;
import dev.kedge.model.Duplicates;
import dev.kedge.model.JsonObject;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Registry.DeleteOptions;
import dev.kedge.registry.Registry.FieldValidation;
import dev.kedge.registry.Registry.ListOptions;
import dev.kedge.registry.Registry.PatchType;
import dev.kedge.registry.Registry.WatchOptions;
import dev.kedge.registry.Registry.WriteOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Reads the options of requests from their query, with upstream's rules: what cannot be read is
 * 400, what can be read and makes no sense is 422.
 */
final class Options {
  private static final String META = "meta.k8s.io";
  private static final int LONGEST_MANAGER = 128;

  private Options() {}

  /** A flag as upstream reads it: everything but absence, {@code false} and {@code 0} is true. */
  static boolean flag(Query query, String name) {
    return query.first(name).map(Options::isTrue).orElse(false);
  }

  private static boolean isTrue(String value) {
    return !value.equalsIgnoreCase("false") && !value.equals("0");
  }

  /** A number; empty if absent or without value. */
  static Optional<Long> number(Query query, String name) {
    Optional<String> text = query.first(name).filter(value -> !value.isEmpty());
    return text.map(
        value -> {
          try {
            return Long.parseLong(value);
          } catch (NumberFormatException e) {
            boolean range = value.matches("[+-]?[0-9]+");
            throw ApiException.badRequest(
                "strconv.ParseInt: parsing \""
                    + value
                    + "\": "
                    + (range ? "value out of range" : "invalid syntax"));
          }
        });
  }

  static ListOptions list(Query query) {
    ListOptions options =
        new ListOptions(
            query.text("labelSelector"),
            query.text("fieldSelector"),
            query.text("resourceVersion"),
            query.text("resourceVersionMatch"),
            number(query, "limit").orElse(0L),
            query.text("continue"));
    List<Cause> causes = new ArrayList<>();
    if (query.first("sendInitialEvents").isPresent()) {
      causes.add(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    String match = options.resourceVersionMatch();
    if (!match.isEmpty()) {
      if (options.resourceVersion().isEmpty()) {
        causes.add(
            forbidden(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden unless resourceVersion is provided"));
      }
      if (!options.continueToken().isEmpty()) {
        causes.add(
            forbidden(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden when continue is provided"));
      }
      if (!Set.of("Exact", "NotOlderThan").contains(match)) {
        causes.add(unsupported("resourceVersionMatch", match, "", "Exact", "NotOlderThan"));
      }
      if (match.equals("Exact") && options.resourceVersion().equals("0")) {
        causes.add(
            forbidden(
                "resourceVersionMatch",
                "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\""));
      }
    }
    if (options.limit() < 0) {
      throw ApiException.badRequest("limit must not be negative");
    }
    check("ListOptions", causes);
    return options;
  }

  /** Options of a watch; a name narrows it to one object, as old URLs do. */
  static WatchOptions watch(Query query, String name) {
    Optional<Boolean> initial = query.first("sendInitialEvents").map(Options::isTrue);
    String match = query.text("resourceVersionMatch");
    List<Cause> causes = new ArrayList<>();
    if (initial.isPresent() && !match.equals("NotOlderThan")) {
      causes.add(
          match.isEmpty()
              ? forbidden(
                  "resourceVersionMatch",
                  "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
              : unsupported("resourceVersionMatch", match, "NotOlderThan"));
    }
    if (initial.isEmpty() && !match.isEmpty()) {
      causes.add(forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden for watch"));
    }
    check("ListOptions", causes);
    String fields = query.text("fieldSelector");
    if (!name.isEmpty()) {
      fields = "metadata.name=" + name + (fields.isEmpty() ? "" : "," + fields);
    }
    return new WatchOptions(
        query.text("labelSelector"),
        fields,
        query.text("resourceVersion"),
        match,
        flag(query, "allowWatchBookmarks"),
        initial);
  }

  /**
   * Options of a create, update or patch.
   *
   * @param kind CreateOptions, UpdateOptions or PatchOptions
   * @param userAgent whose first word stands for the field manager where none is named
   */
  static WriteOptions write(
      String kind,
      Query query,
      String userAgent,
      Optional<PatchType> patch,
      Duplicates duplicates) {
    List<Cause> causes = new ArrayList<>();
    boolean dryRun = dryRun(query.values("dryRun"), causes);
    String manager = query.text("fieldManager");
    if (manager.length() > LONGEST_MANAGER) {
      causes.add(
          new Cause(
              "FieldValueTooLong", "Too long: may not be more than 128 bytes", "fieldManager"));
    }
    if (manager.codePoints().anyMatch(c -> Character.isISOControl(c) || !Character.isDefined(c))) {
      causes.add(
          new Cause(
              "FieldValueInvalid",
              "Invalid value: \"" + manager + "\": should only contain printable characters",
              "fieldManager"));
    }
    boolean apply = patch.isPresent() && patch.get() == PatchType.APPLY;
    boolean force = flag(query, "force");
    if (apply && manager.isEmpty()) {
      causes.add(
          new Cause(
              "FieldValueRequired", "Required value: is required for apply patch", "fieldManager"));
    }
    if (query.first("force").isPresent() && !apply && kind.equals("PatchOptions")) {
      causes.add(forbidden("force", "may not be specified for non-apply patch"));
    }
    String validation = query.text("fieldValidation");
    FieldValidation strictness =
        switch (validation) {
          case "Ignore" -> FieldValidation.IGNORE;
          case "", "Warn" -> FieldValidation.WARN;
          case "Strict" -> FieldValidation.STRICT;
          default -> {
            causes.add(unsupported("fieldValidation", validation, "", "Ignore", "Strict", "Warn"));
            yield FieldValidation.WARN;
          }
        };
    check(kind, causes);
    return new WriteOptions(
        manager.isEmpty() ? managerOf(userAgent) : manager, force, dryRun, strictness, duplicates);
  }

  /**
   * Options of a deletion, from the body where there is one, else from the query.
   *
   * @param body a DeleteOptions document, empty without one
   */
  static DeleteOptions delete(Query query, JsonObject body) {
    List<Cause> causes = new ArrayList<>();
    DeleteOptions options;
    if (!body.isEmpty()) {
      String kind = body.text("kind");
      if (!kind.isEmpty() && !kind.equals("DeleteOptions")) {
        throw ApiException.badRequest(
            "the object provided is unrecognized (must be of type DeleteOptions): " + kind);
      }
      options =
          new DeleteOptions(
              body.has("gracePeriodSeconds")
                  ? Optional.of(body.integer("gracePeriodSeconds"))
                  : Optional.empty(),
              body.text("propagationPolicy"),
              body.has("orphanDependents")
                  ? Optional.of(body.flag("orphanDependents"))
                  : Optional.empty(),
              body.text("preconditions", "uid"),
              body.text("preconditions", "resourceVersion"),
              dryRun(body.strings("dryRun"), causes));
    } else {
      options =
          new DeleteOptions(
              number(query, "gracePeriodSeconds"),
              query.text("propagationPolicy"),
              query.first("orphanDependents").map(Options::isTrue),
              "",
              "",
              dryRun(query.values("dryRun"), causes));
    }
    check("DeleteOptions", causes);
    return options;
  }

  private static boolean dryRun(List<String> values, List<Cause> causes) {
    for (String value : values) {
      if (!value.equals("All")) {
        causes.add(unsupported("dryRun", value, "All"));
      }
    }
    return !values.isEmpty();
  }

  /** The first word of a user agent, as upstream names the manager of those who name none. */
  static String managerOf(String userAgent) {
    int slash = userAgent.indexOf('/');
    StringBuilder name = new StringBuilder();
    (slash < 0 ? userAgent : userAgent.substring(0, slash))
        .codePoints()
        .filter(c -> !Character.isISOControl(c))
        .limit(LONGEST_MANAGER)
        .forEach(name::appendCodePoint);
    return name.isEmpty() ? "unknown" : name.toString();
  }

  private static void check(String kind, List<Cause> causes) {
    if (!causes.isEmpty()) {
      throw ApiException.invalid(META, kind, "", causes);
    }
  }

  private static Cause forbidden(String field, String why) {
    return new Cause("FieldValueForbidden", "Forbidden: " + why, field);
  }

  private static Cause unsupported(String field, String value, String... supported) {
    StringBuilder all = new StringBuilder();
    for (String one : supported) {
      all.append(all.isEmpty() ? "" : ", ").append('"').append(one).append('"');
    }
    return new Cause(
        "FieldValueNotSupported",
        "Unsupported value: \"" + value + "\": supported values: " + all,
        field);
  }
}
