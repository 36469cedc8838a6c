package dev.kedge.cli.kubectl;

import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.ResourceType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What a server serves, with a cache on disk beside kubectl's. A name that the cache does not know
 * makes it ask again once.
 */
final class Discovery {
  private static final Duration MAX_AGE = Duration.ofHours(6);
  private static final String AGGREGATED =
      "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

  /** A served resource. */
  record Served(
      ResourceType type,
      String singular,
      List<String> shortNames,
      List<String> categories,
      List<String> verbs,
      List<String> subresources) {
    boolean can(String verb) {
      return verbs.contains(verb);
    }

    /** {@code pod}, {@code deployment.apps}: the name in messages about one object. */
    String singularName() {
      String name = type.kind().toLowerCase(java.util.Locale.ROOT);
      return type.group().isEmpty() ? name : name + "." + type.group();
    }
  }

  private final Transport transport;
  private final Path cache;
  private @Nullable List<Served> served;
  private boolean fresh;

  Discovery(Transport transport, Path cacheFolder) {
    this.transport = transport;
    this.cache =
        cacheFolder
            .resolve("discovery")
            .resolve(
                transport.server().replaceFirst("^https?://", "").replaceAll("[^0-9A-Za-z.]", "_"))
            .resolve("kedge.json");
  }

  /** Everything served, groups in the server's order, the preferred version of each first. */
  List<Served> all() {
    if (served == null) {
      served = cached().orElse(null);
      if (served == null) {
        served = ask();
      }
    }
    return served;
  }

  /** Forgets the cache, as after a CustomResourceDefinition was created. */
  List<Served> refreshed() {
    if (!fresh) {
      served = ask();
    }
    return all();
  }

  private Optional<List<Served>> cached() {
    try {
      FileTime written = Files.getLastModifiedTime(cache);
      if (written.toInstant().isBefore(Instant.now().minus(MAX_AGE))) {
        return Optional.empty();
      }
      return Optional.of(read(Json.parseObject(Files.readAllBytes(cache))));
    } catch (IOException | JsonSyntaxException _) {
      // No cache or a broken one: the server is asked instead.
      return Optional.empty();
    }
  }

  private static List<Served> read(JsonObject json) {
    return json.objects("resources").stream()
        .map(
            r ->
                new Served(
                    new ResourceType(
                        r.text("g"), r.text("v"), r.text("p"), r.text("k"), r.flag("n")),
                    r.text("s"),
                    r.strings("short"),
                    r.strings("cat"),
                    r.strings("verbs"),
                    r.strings("sub")))
        .toList();
  }

  private List<Served> ask() {
    List<Served> all = new ArrayList<>();
    boolean aggregated = aggregated("/api", all) && aggregated("/apis", all);
    if (!aggregated) {
      all.clear();
      old(all);
    }
    fresh = true;
    write(all);
    return all;
  }

  private boolean aggregated(String path, List<Served> out) {
    JsonObject list = transport.get(path, AGGREGATED);
    if (!list.text("kind").equals("APIGroupDiscoveryList")) {
      return false;
    }
    for (JsonObject group : list.objects("items")) {
      String groupName = group.text("metadata", "name");
      for (JsonObject version : group.objects("versions")) {
        for (JsonObject resource : version.objects("resources")) {
          out.add(
              new Served(
                  new ResourceType(
                      groupName,
                      version.text("version"),
                      resource.text("resource"),
                      resource.text("responseKind", "kind"),
                      resource.text("scope").equals("Namespaced")),
                  resource.text("singularResource"),
                  resource.strings("shortNames"),
                  resource.strings("categories"),
                  resource.strings("verbs"),
                  resource.objects("subresources").stream()
                      .map(sub -> sub.text("subresource"))
                      .toList()));
        }
      }
    }
    return true;
  }

  /** Discovery document by document, for servers before 1.27. */
  private void old(List<Served> out) {
    for (String version : transport.get("/api").strings("versions")) {
      old("", version, out);
    }
    for (JsonObject group : transport.get("/apis").objects("groups")) {
      List<JsonObject> versions = new ArrayList<>(group.objects("versions"));
      String preferred = group.text("preferredVersion", "version");
      versions.sort(
          java.util.Comparator.comparing(version -> !version.text("version").equals(preferred)));
      for (JsonObject version : versions) {
        old(group.text("name"), version.text("version"), out);
      }
    }
  }

  private void old(String group, String version, List<Served> out) {
    String path = group.isEmpty() ? "/api/" + version : "/apis/" + group + "/" + version;
    List<JsonObject> resources = transport.get(path).objects("resources");
    for (JsonObject resource : resources) {
      String name = resource.text("name");
      if (name.contains("/")) {
        continue;
      }
      out.add(
          new Served(
              new ResourceType(
                  group, version, name, resource.text("kind"), resource.flag("namespaced")),
              resource.text("singularName"),
              resource.strings("shortNames"),
              resource.strings("categories"),
              resource.strings("verbs"),
              resources.stream()
                  .map(sub -> sub.text("name"))
                  .filter(sub -> sub.startsWith(name + "/"))
                  .map(sub -> sub.substring(name.length() + 1))
                  .toList()));
    }
  }

  private void write(List<Served> all) {
    JsonObject json =
        JsonObject.of(
            "resources",
            all.stream()
                .map(
                    s ->
                        JsonObject.builder()
                            .putNonEmpty("g", s.type().group())
                            .put("v", s.type().version())
                            .put("p", s.type().plural())
                            .put("k", s.type().kind())
                            .put("n", s.type().namespaced())
                            .putNonEmpty("s", s.singular())
                            .putNonEmpty("short", s.shortNames())
                            .putNonEmpty("cat", s.categories())
                            .put("verbs", s.verbs())
                            .putNonEmpty("sub", s.subresources())
                            .build())
                .toList());
    try {
      Files.createDirectories(cache.getParent());
      Path temporary = Files.createTempFile(cache.getParent(), "kedge", ".tmp");
      Files.write(temporary, Json.bytes(json));
      Files.move(
          temporary, cache, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      // A cache that cannot be written only costs a request next time.
      System.getLogger("dev.kedge.cli").log(System.Logger.Level.DEBUG, "discovery cache", e);
    }
  }

  /**
   * The resource that a user's word means: plural, singular, short name or kind, with an optional
   * {@code .group} or {@code .version.group} behind.
   *
   * @throws UsageException in kubectl's words if there is none
   */
  Served find(String word) {
    return lookUp(word, all())
        .or(() -> lookUp(word, refreshed()))
        .orElseThrow(
            () -> new UsageException("the server doesn't have a resource type \"" + word + "\""));
  }

  private static Optional<Served> lookUp(String word, List<Served> all) {
    String lower = word.toLowerCase(java.util.Locale.ROOT);
    int dot = lower.indexOf('.');
    String name = dot < 0 ? lower : lower.substring(0, dot);
    String rest = dot < 0 ? "" : lower.substring(dot + 1);
    for (Served served : all) {
      ResourceType type = served.type();
      boolean group =
          dot < 0
              || type.group().equals(rest)
              || (type.version() + "." + type.group()).equals(rest)
              || type.group().isEmpty() && type.version().equals(rest);
      if (group
          && (type.plural().equals(name)
              || served.singular().equals(name)
              || served.shortNames().contains(name)
              || type.kind().toLowerCase(java.util.Locale.ROOT).equals(name))) {
        return Optional.of(served);
      }
    }
    return Optional.empty();
  }

  /** The resources of a category such as {@code all}; empty if it is none. */
  List<Served> category(String word) {
    List<Served> found = new ArrayList<>();
    for (Served served : all()) {
      if (served.categories().contains(word)
          && found.stream()
              .noneMatch(
                  seen -> seen.type().groupResource().equals(served.type().groupResource()))) {
        found.add(served);
      }
    }
    return found;
  }

  /** The resource of an object's apiVersion and kind. */
  Optional<Served> ofKind(String apiVersion, String kind) {
    return ofKind(apiVersion, kind, all()).or(() -> ofKind(apiVersion, kind, refreshed()));
  }

  private static Optional<Served> ofKind(String apiVersion, String kind, List<Served> all) {
    return all.stream()
        .filter(s -> s.type().apiVersion().equals(apiVersion) && s.type().kind().equals(kind))
        .findFirst();
  }
}
