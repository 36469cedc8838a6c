package dev.kedge.apiserver;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.kedge.apiserver.Aggregator.Remotes;
import dev.kedge.apiserver.ApiGroups.GroupVersion;
import dev.kedge.apiserver.ApiGroups.Priority;
import dev.kedge.http.Headers;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.ResourceType;
import dev.kedge.registry.Catalog;
import dev.kedge.registry.ResourceInfo;
import dev.kedge.registry.ResourceInfo.Subresource;
import java.io.IOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Supplier;

/**
 * Tells what is served, in the old documents ({@code /api}, {@code /apis}, {@code /apis/GROUP},
 * {@code /apis/GROUP/VERSION}) and the aggregated one. Made once per catalogue. Any thread.
 */
final class Discovery {
  private static final String AGGREGATED =
      "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

  private final Supplier<Catalog> catalogs;
  private final Supplier<Remotes> remotes;
  private final String address;
  private volatile Documents documents;

  private record Documents(
      Catalog catalog,
      Remotes remotes,
      // Group to versions, both in the order of discovery; the core group has the empty name.
      Map<String, Map<String, Version>> groups,
      Map<String, byte[]> aggregated,
      Map<String, String> tags) {}

  /** One version of a group: what is served here, or what another server serves. */
  private sealed interface Version {
    Priority priority();

    /** Its entry in the aggregated document. */
    JsonObject aggregated(String version);

    record Local(List<ResourceInfo> resources, Priority priority) implements Version {
      @Override
      public JsonObject aggregated(String version) {
        return entry(
            version, resources.stream().map(Discovery::aggregatedResource).toList(), "Current");
      }
    }

    record Remote(RemoteApi api) implements Version {
      @Override
      public Priority priority() {
        return api.priority();
      }

      @Override
      public JsonObject aggregated(String version) {
        return entry(
            version,
            remoteResources(api.version(), api.served().resources()),
            api.available() ? "Current" : "Stale");
      }
    }

    private static JsonObject entry(String version, List<JsonObject> resources, String freshness) {
      return JsonObject.of("version", version, "resources", resources, "freshness", freshness);
    }
  }

  Discovery(Supplier<Catalog> catalogs, Supplier<Remotes> remotes, String address) {
    this.catalogs = catalogs;
    this.remotes = remotes;
    this.address = address;
    this.documents = make(catalogs.get(), remotes.get());
  }

  private Documents current() {
    Catalog catalog = catalogs.get();
    Remotes others = remotes.get();
    Documents known = documents;
    if (known.catalog().version() != catalog.version()
        || known.remotes().version() != others.version()) {
      known = make(catalog, others);
      documents = known;
    }
    return known;
  }

  /** Groups in their order, and the versions of each. */
  private static Map<String, Map<String, Version>> groups(Catalog catalog, Remotes remotes) {
    Map<GroupVersion, List<ResourceInfo>> local = new LinkedHashMap<>();
    for (ResourceInfo info : catalog.all()) {
      local
          .computeIfAbsent(
              new GroupVersion(info.type().group(), info.type().version()), _ -> new ArrayList<>())
          .add(info);
    }
    Map<String, Map<String, Version>> groups = new LinkedHashMap<>();
    local.forEach(
        (version, resources) -> {
          resources.sort(BY_NAME);
          boolean custom = resources.stream().allMatch(ResourceInfo::custom);
          groups
              .computeIfAbsent(version.group(), _ -> new LinkedHashMap<>())
              .put(
                  version.version(),
                  new Version.Local(resources, ApiGroups.priority(version, custom)));
        });
    if (remotes.all().isEmpty()) {
      return groups;
    }
    remotes
        .all()
        .forEach(
            (version, api) ->
                groups
                    .computeIfAbsent(version.group(), _ -> new LinkedHashMap<>())
                    .put(version.version(), new Version.Remote(api)));
    Map<String, Map<String, Version>> sorted = new LinkedHashMap<>();
    groups.entrySet().stream()
        .sorted(
            Comparator.comparing(
                    (Map.Entry<String, Map<String, Version>> group) ->
                        -group.getValue().values().stream()
                            .mapToInt(version -> version.priority().group())
                            .max()
                            .orElse(0))
                .thenComparing(Map.Entry::getKey))
        .forEach(group -> sorted.put(group.getKey(), sorted(group.getValue())));
    return sorted;
  }

  private static Map<String, Version> sorted(Map<String, Version> versions) {
    Map<String, Version> sorted = new LinkedHashMap<>();
    versions.entrySet().stream()
        .sorted(
            Comparator.comparing(
                    (Map.Entry<String, Version> each) -> -each.getValue().priority().version())
                .thenComparing(Map.Entry::getKey, ApiGroups.VERSION_ORDER))
        .forEach(each -> sorted.put(each.getKey(), each.getValue()));
    return sorted;
  }

  private static Documents make(Catalog catalog, Remotes remotes) {
    Map<String, Map<String, Version>> groups = groups(catalog, remotes);
    Map<String, byte[]> aggregated = new LinkedHashMap<>();
    Map<String, String> tags = new LinkedHashMap<>();
    for (String root : List.of("/api", "/apis")) {
      List<JsonObject> items = new ArrayList<>();
      groups.forEach(
          (group, versions) -> {
            if (group.isEmpty() == root.equals("/api")) {
              items.add(aggregatedGroup(group, versions));
            }
          });
      byte[] bytes =
          Answers.withLineFeed(
              Json.bytes(
                  JsonObject.of(
                      "kind",
                      "APIGroupDiscoveryList",
                      "apiVersion",
                      "apidiscovery.k8s.io/v2",
                      "metadata",
                      JsonObject.EMPTY,
                      "items",
                      items)));
      aggregated.put(root, bytes);
      tags.put(root, tag(bytes));
    }
    return new Documents(catalog, remotes, groups, aggregated, tags);
  }

  private static final Comparator<ResourceInfo> BY_NAME =
      Comparator.comparing(info -> info.type().plural());

  /** Answers {@code /api} and {@code /apis}. */
  void root(Call call, String root) throws IOException {
    Documents known = current();
    for (MediaType clause : MediaType.accepted(call.headers().values("Accept"))) {
      if (clause.parameter("as").equals("APIGroupDiscoveryList")) {
        if (clause.parameter("g").equals("apidiscovery.k8s.io")
            && clause.parameter("v").equals("v2")
            && clause.accepts(MediaType.JSON)) {
          aggregated(call, known, root);
          return;
        }
        continue;
      }
      break;
    }
    Answers.document(call, 200, root.equals("/api") ? versions() : groupList(known));
  }

  private static void aggregated(Call call, Documents known, String root) throws IOException {
    String tag = known.tags().getOrDefault(root, "");
    Headers headers =
        Headers.of(
            "Content-Type", AGGREGATED, "ETag", tag, "Vary", "Accept", "Cache-Control", "public");
    if (call.headers().values("If-None-Match").contains(tag)) {
      call.respond(304, headers.without("Content-Type"), new byte[0]);
      return;
    }
    Answers.bytes(call, 200, headers, known.aggregated().getOrDefault(root, new byte[0]));
  }

  private JsonObject versions() {
    return JsonObject.of(
        "kind", "APIVersions",
        "versions", List.of("v1"),
        "serverAddressByClientCIDRs",
            List.of(JsonObject.of("clientCIDR", "0.0.0.0/0", "serverAddress", address)));
  }

  private static JsonObject groupList(Documents known) {
    List<JsonObject> groups = new ArrayList<>();
    known
        .groups()
        .forEach(
            (group, versions) -> {
              if (!group.isEmpty()) {
                groups.add(group(group, versions.keySet()));
              }
            });
    return JsonObject.of("kind", "APIGroupList", "apiVersion", "v1", "groups", groups);
  }

  private static JsonObject group(String group, Collection<String> versions) {
    List<JsonObject> all = versions.stream().map(version -> version(group, version)).toList();
    return JsonObject.of("name", group, "versions", all, "preferredVersion", all.getFirst());
  }

  private static JsonObject version(String group, String version) {
    return JsonObject.of("groupVersion", group + "/" + version, "version", version);
  }

  /** Answers {@code /apis/GROUP}; false if there is no such group. */
  boolean group(Call call, String group) throws IOException {
    Map<String, Version> versions = current().groups().get(group);
    if (versions == null || group.isEmpty()) {
      return false;
    }
    JsonObject.Builder document =
        JsonObject.builder().put("kind", "APIGroup").put("apiVersion", "v1");
    Answers.document(call, 200, document.putAll(group(group, versions.keySet())).build());
    return true;
  }

  /** Answers {@code /api/v1} and {@code /apis/GROUP/VERSION}; false if there is no such version. */
  boolean version(Call call, String group, String version) throws IOException {
    Documents known = current();
    if (known.groups().getOrDefault(group, Map.of()).get(version)
        instanceof Version.Local(List<ResourceInfo> resources, _)) {
      Answers.document(call, 200, resourceList(known.catalog(), group, version, resources));
      return true;
    }
    return false;
  }

  private static JsonObject resourceList(
      Catalog catalog, String group, String version, List<ResourceInfo> resources) {
    List<JsonObject> all = new ArrayList<>();
    for (ResourceInfo info : resources) {
      ResourceType type = info.type();
      if (!info.verbs().isEmpty()) {
        JsonObject.Builder entry =
            JsonObject.builder()
                .put("name", type.plural())
                .put("singularName", info.singular())
                .put("namespaced", type.namespaced())
                .put("kind", type.kind())
                .put("verbs", List.copyOf(new TreeSet<>(info.verbs())))
                .putNonEmpty("shortNames", info.shortNames())
                .putNonEmpty("categories", info.categories());
        if (info.verbs().contains("list") && info.verbs().contains("create")) {
          entry.put("storageVersionHash", storageHash(catalog, type));
        }
        all.add(entry.build());
      }
      for (Subresource sub : sorted(info)) {
        JsonObject.Builder entry =
            JsonObject.builder()
                .put("name", type.plural() + "/" + sub.name())
                .put("singularName", "")
                .put("namespaced", type.namespaced());
        if (!sub.type().group().equals(group) || !sub.type().version().equals(version)) {
          entry.putNonEmpty("group", sub.type().group()).put("version", sub.type().version());
        }
        all.add(
            entry
                .put("kind", sub.type().kind())
                .put("verbs", List.copyOf(new TreeSet<>(sub.verbs())))
                .build());
      }
    }
    JsonObject.Builder document = JsonObject.builder().put("kind", "APIResourceList");
    // The core group's document is older than the field.
    if (!group.isEmpty()) {
      document.put("apiVersion", "v1");
    }
    return document
        .put("groupVersion", group.isEmpty() ? version : group + "/" + version)
        .put("resources", all)
        .build();
  }

  private static JsonObject aggregatedGroup(String group, Map<String, Version> versions) {
    List<JsonObject> all = new ArrayList<>();
    versions.forEach((version, one) -> all.add(one.aggregated(version)));
    return JsonObject.of(
        "metadata", JsonObject.builder().putNonEmpty("name", group).build(), "versions", all);
  }

  /** The resources of another server's list (an APIResourceList) in the aggregated form. */
  private static List<JsonObject> remoteResources(GroupVersion version, JsonObject list) {
    Map<String, List<JsonObject>> subresources = new LinkedHashMap<>();
    List<JsonObject> resources = new ArrayList<>();
    for (JsonObject resource : list.objects("resources")) {
      String name = resource.text("name");
      int slash = name.indexOf('/');
      if (slash < 0) {
        resources.add(resource);
      } else {
        subresources
            .computeIfAbsent(name.substring(0, slash), _ -> new ArrayList<>())
            .add(
                JsonObject.of(
                    "subresource",
                    name.substring(slash + 1),
                    "responseKind",
                    kind(version, resource),
                    "verbs",
                    resource.strings("verbs")));
      }
    }
    return resources.stream()
        .map(
            resource ->
                JsonObject.builder()
                    .put("resource", resource.text("name"))
                    .put("responseKind", kind(version, resource))
                    .put("scope", resource.flag("namespaced") ? "Namespaced" : "Cluster")
                    .put("singularResource", resource.text("singularName"))
                    .put("verbs", resource.strings("verbs"))
                    .putNonEmpty("shortNames", resource.strings("shortNames"))
                    .putNonEmpty("categories", resource.strings("categories"))
                    .putNonEmpty(
                        "subresources", subresources.getOrDefault(resource.text("name"), List.of()))
                    .build())
        .toList();
  }

  private static JsonObject kind(GroupVersion version, JsonObject resource) {
    boolean own = resource.text("version").isEmpty();
    return JsonObject.of(
        "group", own ? version.group() : resource.text("group"),
        "version", own ? version.version() : resource.text("version"),
        "kind", resource.text("kind"));
  }

  private static JsonObject aggregatedResource(ResourceInfo info) {
    List<JsonObject> subresources =
        sorted(info).stream()
            .map(
                sub ->
                    JsonObject.of(
                        "subresource",
                        sub.name(),
                        "responseKind",
                        kind(sub.type()),
                        "verbs",
                        List.copyOf(new TreeSet<>(sub.verbs()))))
            .toList();
    return JsonObject.builder()
        .put("resource", info.type().plural())
        .put("responseKind", kind(info.type()))
        .put("scope", info.type().namespaced() ? "Namespaced" : "Cluster")
        .put("singularResource", info.singular())
        .put("verbs", List.copyOf(new TreeSet<>(info.verbs())))
        .putNonEmpty("shortNames", info.shortNames())
        .putNonEmpty("categories", info.categories())
        .putNonEmpty("subresources", subresources)
        .build();
  }

  private static List<Subresource> sorted(ResourceInfo info) {
    return info.subresources().stream().sorted(Comparator.comparing(Subresource::name)).toList();
  }

  private static JsonObject kind(ResourceType type) {
    return JsonObject.of("group", type.group(), "version", type.version(), "kind", type.kind());
  }

  /** Says which form a resource is stored in: the one of its preferred version. */
  private static String storageHash(Catalog catalog, ResourceType type) {
    ResourceType stored =
        catalog.all().stream()
            .map(ResourceInfo::type)
            .filter(
                other -> other.group().equals(type.group()) && other.plural().equals(type.plural()))
            .findFirst()
            .orElse(type);
    byte[] digest =
        digest(
            "SHA-256",
            (stored.group() + "/" + stored.version() + "/" + stored.kind()).getBytes(UTF_8));
    return Base64.getEncoder().encodeToString(java.util.Arrays.copyOf(digest, 8));
  }

  /** The entity tag of a document. */
  static String tag(byte[] bytes) {
    return '"' + HexFormat.of().withUpperCase().formatHex(digest("SHA-512", bytes)) + '"';
  }

  private static byte[] digest(String algorithm, byte[] bytes) {
    try {
      return MessageDigest.getInstance(algorithm).digest(bytes);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
