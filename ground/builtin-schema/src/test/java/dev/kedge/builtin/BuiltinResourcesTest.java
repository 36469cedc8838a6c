package dev.kedge.builtin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.model.JsonObject;
import dev.kedge.model.ResourceType;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class BuiltinResourcesTest {
  @Test
  void equalsUpstreamsDiscoveryForEveryStableGroup() {
    List<String> expected = new ArrayList<>();
    List<String> groups = new ArrayList<>();
    for (JsonObject list :
        Oracle.json("discovery", file -> file.matches("apis?__.*v[12]\\.json"))) {
      String groupVersion = list.text("groupVersion");
      groups.add(groupVersion);
      for (JsonObject resource : list.objects("resources")) {
        expected.add(
            line(
                groupVersion,
                resource.text("name"),
                resource.text("singularName"),
                resource.text("group").isEmpty() && resource.text("version").isEmpty()
                    ? groupVersion
                    : apiVersion(resource.text("group"), resource.text("version")),
                resource.text("kind"),
                resource.flag("namespaced"),
                resource.strings("verbs"),
                resource.strings("shortNames"),
                resource.strings("categories")));
      }
    }
    List<String> served = new ArrayList<>();
    for (BuiltinResource resource : BuiltinResources.all()) {
      ResourceType type = resource.type();
      served.add(
          line(
              type.apiVersion(),
              type.plural(),
              resource.singular(),
              type.apiVersion(),
              type.kind(),
              type.namespaced(),
              List.copyOf(resource.verbs()),
              resource.shortNames(),
              resource.categories()));
      for (BuiltinResource.Subresource sub : resource.subresources()) {
        served.add(
            line(
                type.apiVersion(),
                type.plural() + "/" + sub.name(),
                "",
                sub.type().apiVersion(),
                sub.type().kind(),
                type.namespaced(),
                List.copyOf(sub.verbs()),
                List.of(),
                List.of()));
      }
    }
    System.out.printf(
        "discovery: %d resources and subresources in %d stable groups and versions%n",
        expected.size(), groups.size());
    assertThat(served).containsExactlyInAnyOrderElementsOf(expected);
  }

  @Test
  void everyKindHasASchema() {
    assertThat(BuiltinResources.all())
        .allSatisfy(
            resource -> {
              assertThat(resource.schema().fields()).containsKeys("apiVersion", "kind");
              resource
                  .subresources()
                  .forEach(sub -> BuiltinSchemas.ofKind(sub.type().groupVersionKind()));
            });
  }

  private static String apiVersion(String group, String version) {
    return group.isEmpty() ? version : group + "/" + version;
  }

  private static String line(
      String groupVersion,
      String name,
      String singular,
      String apiVersion,
      String kind,
      boolean namespaced,
      List<String> verbs,
      List<String> shortNames,
      List<String> categories) {
    return String.join(
        " ",
        groupVersion,
        name,
        singular,
        apiVersion,
        kind,
        Boolean.toString(namespaced),
        new TreeSet<>(verbs).toString(),
        shortNames.toString(),
        categories.toString());
  }
}
