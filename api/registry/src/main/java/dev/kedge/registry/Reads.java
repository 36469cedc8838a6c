package dev.kedge.registry;

import dev.kedge.model.ApiException;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Status;
import dev.kedge.model.Status.Cause;
import dev.kedge.model.Status.Details;
import dev.kedge.registry.Registry.ListOptions;
import dev.kedge.registry.Registry.ServedList;
import dev.kedge.registry.Registry.ServedWatch;
import dev.kedge.registry.Registry.WatchOptions;
import dev.kedge.store.CompactedException;
import dev.kedge.store.cache.CacheWatch;
import dev.kedge.store.cache.Item;
import dev.kedge.store.cache.RevisionTimeoutException;
import dev.kedge.store.cache.Selection;
import dev.kedge.store.cache.WatchCache;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.function.Supplier;

/**
 * Get, list and watch: resource versions, pages and selectors as upstream means them. Stateless.
 */
final class Reads {
  private Reads() {}

  /**
   * One item.
   *
   * @param resourceVersion empty: the most recent; 0: any; else not older than
   */
  static Item item(Served served, String namespace, String name, String resourceVersion) {
    StoredKind kind = served.stored();
    long atLeast = resourceVersion.isEmpty() ? kind.latest() : revision(resourceVersion);
    Optional<Item> item = awaiting(() -> kind.item(kind.key(namespace, name), atLeast));
    return item.orElseThrow(() -> ApiException.notFound(served.group(), served.plural(), name));
  }

  static ServedList list(Served served, String namespace, ListOptions options) {
    List<Item> items = new ArrayList<>();
    Page page = page(served, namespace, options, items);
    return new ServedList(
        served.objects(items), page.resourceVersion(), page.continueToken(), page.remaining());
  }

  /** What a page tells besides its items. */
  record Page(String resourceVersion, String continueToken, long remaining) {}

  /** Reads a page's items. */
  static Page page(Served served, String namespace, ListOptions options, List<Item> into) {
    validate(options);
    WatchCache cache = served.stored().cache();
    Selection selection =
        Selections.of(served, namespace, options.labelSelector(), options.fieldSelector());
    int limit = (int) Math.min(Integer.MAX_VALUE, options.limit());
    String prefix = served.stored().prefix();
    WatchCache.Listing listing;
    if (!options.continueToken().isEmpty()) {
      ContinueToken token = ContinueToken.decode(options.continueToken());
      long revision = token.revision() < 0 ? cache.latest() : token.revision();
      // The token holds the first key to show; the cache takes the last key not to show.
      String after = prefix + token.start().substring(0, token.start().length() - 1);
      try {
        listing = awaiting(() -> cache.listAt(selection, revision, after, limit));
      } catch (CompactedException e) {
        throw new ApiException(
            new Status(
                410,
                "Expired",
                "The provided continue parameter is too old to display a consistent list result."
                    + " You can start a new list without the continue parameter, or use the"
                    + " continue token in this response to retrieve the remainder of the list."
                    + " Continuing with the provided token results in an inconsistent list -"
                    + " objects that were created, modified, or deleted between the time the first"
                    + " chunk was returned and now may show up in the list.",
                Details.NONE,
                new ContinueToken(-1, token.start()).encode()),
            e);
      }
    } else if (exact(options)) {
      long revision = revision(options.resourceVersion());
      try {
        listing = awaiting(() -> cache.listAt(selection, revision, "", limit));
      } catch (CompactedException e) {
        throw ApiException.expired("The resourceVersion for the provided list is too old.");
      }
    } else {
      long atLeast =
          options.resourceVersion().isEmpty()
              ? cache.latest()
              : revision(options.resourceVersion());
      listing = awaiting(() -> cache.list(selection, atLeast, limit));
    }
    into.addAll(selected(served, listing.items(), options.fieldSelector()));
    String next = "";
    if (listing.more()) {
      // A zero byte behind the last key is the first key that may follow, as in upstream's tokens.
      String start = listing.items().getLast().key().substring(prefix.length()) + "\0";
      next = new ContinueToken(listing.revision(), start).encode();
    }
    boolean selects = !options.labelSelector().isEmpty() || !options.fieldSelector().isEmpty();
    return new Page(
        Long.toString(listing.revision()),
        next,
        listing.more() && !selects ? listing.remaining() : -1);
  }

  /** The items whose documents have what the cache could not tell. */
  private static List<Item> selected(Served served, List<Item> items, String fieldSelector) {
    Optional<Predicate<KubeObject>> wanted = Selections.ofDocuments(served, fieldSelector);
    if (wanted.isEmpty()) {
      return items;
    }
    List<ServedObject> objects = served.objects(items);
    List<Item> selected = new ArrayList<>();
    for (int i = 0; i < items.size(); i++) {
      if (wanted.get().test(objects.get(i).tree())) {
        selected.add(items.get(i));
      }
    }
    return selected;
  }

  private static boolean exact(ListOptions options) {
    if (!options.resourceVersionMatch().isEmpty()) {
      return options.resourceVersionMatch().equals("Exact");
    }
    // As upstream: a limit together with a resource version has always meant exactly that one.
    return options.limit() > 0
        && !options.resourceVersion().isEmpty()
        && !options.resourceVersion().equals("0");
  }

  static ServedWatch watch(Served served, String namespace, WatchOptions options) {
    validate(options);
    WatchCache cache = served.stored().cache();
    Selection selection =
        Selections.of(served, namespace, options.labelSelector(), options.fieldSelector());
    Optional<Predicate<KubeObject>> wanted =
        Selections.ofDocuments(served, options.fieldSelector());
    String version = options.resourceVersion();
    boolean initial = options.sendInitialEvents().orElse(version.isEmpty() || version.equals("0"));
    try {
      if (initial) {
        boolean streaming = options.sendInitialEvents().isPresent();
        long atLeast = version.isEmpty() ? cache.latest() : revision(version);
        WatchCache.Start start = awaiting(() -> cache.watchFromState(selection, atLeast));
        return new KindWatch(
            served,
            start.watch(),
            selected(served, start.items(), options.fieldSelector()),
            options.allowBookmarks(),
            streaming,
            wanted);
      }
      long after = version.isEmpty() ? 0 : revision(version);
      CacheWatch watch = cache.watch(selection, after);
      return new KindWatch(served, watch, List.of(), options.allowBookmarks(), false, wanted);
    } catch (CompactedException e) {
      throw ApiException.expired(
          "too old resource version: " + version + " (" + e.compactRevision() + ")");
    }
  }

  private static long revision(String resourceVersion) {
    try {
      long revision = Long.parseLong(resourceVersion);
      if (revision >= 0) {
        return revision;
      }
    } catch (NumberFormatException e) {
      throw invalidVersion(resourceVersion, e);
    }
    throw invalidVersion(resourceVersion, null);
  }

  private static ApiException invalidVersion(
      String resourceVersion, @org.jspecify.annotations.Nullable NumberFormatException cause) {
    ApiException invalid =
        ApiException.invalid(
            "meta.k8s.io",
            "ListOptions",
            "",
            List.of(
                new Cause(
                    "FieldValueInvalid",
                    "Invalid value: \""
                        + resourceVersion
                        + "\": strconv.ParseUint: parsing \""
                        + resourceVersion
                        + "\": invalid syntax",
                    "resourceVersion")));
    if (cause != null) {
      invalid.initCause(cause);
    }
    return invalid;
  }

  private static <T> T awaiting(Supplier<T> read) {
    try {
      return read.get();
    } catch (RevisionTimeoutException e) {
      throw new ApiException(
          new Status(
              504,
              "Timeout",
              "Too large resource version: " + e.asked() + ", current: " + e.current(),
              new Details(
                  "",
                  "",
                  "",
                  "",
                  List.of(new Cause("ResourceVersionTooLarge", "Too large resource version", "")),
                  1)),
          e);
    }
  }

  private static void validate(ListOptions options) {
    String match = options.resourceVersionMatch();
    String version = options.resourceVersion();
    if (!match.isEmpty()) {
      if (!options.continueToken().isEmpty()) {
        throw options(
            "FieldValueForbidden",
            "Forbidden: resourceVersionMatch is forbidden when continue is provided");
      }
      if (version.isEmpty()) {
        throw options(
            "FieldValueForbidden",
            "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided");
      }
      if (!match.equals("Exact") && !match.equals("NotOlderThan")) {
        throw options(
            "FieldValueNotSupported",
            "Unsupported value: \""
                + match
                + "\": supported values: \"Exact\", \"NotOlderThan\", \"\"");
      }
      if (match.equals("Exact") && version.equals("0")) {
        throw options(
            "FieldValueForbidden",
            "Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
      }
    }
    if (!options.continueToken().isEmpty() && !version.isEmpty() && !version.equals("0")) {
      throw ApiException.badRequest(
          "specifying resource version is not allowed when using continue");
    }
  }

  private static void validate(WatchOptions options) {
    String match = options.resourceVersionMatch();
    if (options.sendInitialEvents().isPresent()) {
      if (!match.equals("NotOlderThan")) {
        throw options(
            "FieldValueForbidden",
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
      }
    } else if (!match.isEmpty()) {
      throw options(
          "FieldValueForbidden",
          "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is"
              + " provided");
    }
  }

  private static ApiException options(String reason, String message) {
    return ApiException.invalid(
        "meta.k8s.io",
        "ListOptions",
        "",
        List.of(new Cause(reason, message, "resourceVersionMatch")));
  }
}
