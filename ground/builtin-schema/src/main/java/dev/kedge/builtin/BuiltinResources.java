package dev.kedge.builtin;

import dev.kedge.builtin.BuiltinResource.Subresource;
import dev.kedge.model.ResourceType;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/**
 * Every stable resource that Kubernetes 1.36 serves, in the order of discovery: a table of facts in
 * {@code resources.txt}, read on first use.
 *
 * <pre>
 * [group/version]
 * plural Kind namespaced|cluster [short=a,b] [categories=a,b] [verbs=a,b]
 *   subresource [group/version] Kind [verbs]
 * </pre>
 *
 * Without {@code verbs} a resource has all eight, a subresource get, patch and update. {@code
 * status} alone has its parent's kind.
 */
public final class BuiltinResources {
  private static final Set<String> ALL_VERBS =
      Set.of("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch");
  private static final Set<String> SUBRESOURCE_VERBS = Set.of("get", "patch", "update");

  private static final class Holder {
    static final List<BuiltinResource> ALL = read();
  }

  private BuiltinResources() {}

  /** All of them; groups in the order of discovery, the preferred version of a group first. */
  public static List<BuiltinResource> all() {
    return Holder.ALL;
  }

  /** The resource of a group, version and plural name. */
  public static Optional<BuiltinResource> find(String group, String version, String plural) {
    return Holder.ALL.stream()
        .filter(
            resource ->
                resource.type().plural().equals(plural)
                    && resource.type().version().equals(version)
                    && resource.type().group().equals(group))
        .findFirst();
  }

  private static List<BuiltinResource> read() {
    try (InputStream in = BuiltinResources.class.getResourceAsStream("resources.txt")) {
      if (in == null) {
        throw new IllegalStateException("resource resources.txt is missing from the build");
      }
      return parse(new String(in.readAllBytes(), StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<BuiltinResource> parse(String text) {
    List<BuiltinResource> resources = new ArrayList<>();
    String group = "";
    String version = "";
    for (String line : text.split("\n")) {
      if (line.isBlank() || line.startsWith("#")) {
        continue;
      }
      if (line.startsWith("[")) {
        String[] parts = line.substring(1, line.length() - 1).split("/");
        group = parts.length == 2 ? parts[0] : "";
        version = parts[parts.length - 1];
      } else if (line.startsWith(" ")) {
        BuiltinResource parent = resources.removeLast();
        List<Subresource> subresources = new ArrayList<>(parent.subresources());
        subresources.add(subresource(parent.type(), line.strip().split(" +")));
        resources.add(
            new BuiltinResource(
                parent.type(),
                parent.singular(),
                parent.shortNames(),
                parent.categories(),
                parent.verbs(),
                subresources));
      } else {
        resources.add(resource(group, version, line.strip().split(" +")));
      }
    }
    return List.copyOf(resources);
  }

  private static BuiltinResource resource(String group, String version, String[] words) {
    List<String> shortNames = List.of();
    List<String> categories = List.of();
    Set<String> verbs = ALL_VERBS;
    for (String word : Arrays.asList(words).subList(3, words.length)) {
      String[] option = word.split("=");
      List<String> values = List.of(option[1].split(","));
      switch (option[0]) {
        case "short" -> shortNames = values;
        case "categories" -> categories = values;
        case "verbs" -> verbs = Set.copyOf(values);
        default -> throw new IllegalStateException("resources.txt: " + word);
      }
    }
    return new BuiltinResource(
        new ResourceType(group, version, words[0], words[1], words[2].equals("namespaced")),
        words[1].toLowerCase(Locale.ROOT),
        shortNames,
        categories,
        verbs,
        List.of());
  }

  private static Subresource subresource(ResourceType parent, String[] words) {
    if (words.length == 1) {
      return new Subresource(words[0], parent, SUBRESOURCE_VERBS);
    }
    boolean foreign = words[1].contains("/") || Character.isLowerCase(words[1].charAt(0));
    String apiVersion = foreign ? words[1] : parent.apiVersion();
    int kindAt = foreign ? 2 : 1;
    int slash = apiVersion.indexOf('/');
    return new Subresource(
        words[0],
        new ResourceType(
            slash < 0 ? "" : apiVersion.substring(0, slash),
            apiVersion.substring(slash + 1),
            parent.plural(),
            words[kindAt],
            parent.namespaced()),
        words.length > kindAt + 1 ? Set.of(words[kindAt + 1].split(",")) : SUBRESOURCE_VERBS);
  }
}
