package dev.kedge.cli.kubectl;

import static java.util.Map.entry;

import java.util.Map;
import java.util.function.Consumer;

/** Finds who describes a kind: one class per kind or family of kinds, any other as a tree. */
final class Describer {
  private static final Map<String, Consumer<Described>> KINDS =
      Map.ofEntries(
          entry("configmaps", ConfigMapDescription::write),
          entry("daemonsets.apps", WorkloadDescription::daemonSet),
          entry("deployments.apps", DeploymentDescription::write),
          entry("ingresses.networking.k8s.io", IngressDescription::write),
          entry("jobs.batch", WorkloadDescription::job),
          entry("namespaces", NamespaceDescription::write),
          entry("nodes", NodeDescription::write),
          entry("persistentvolumeclaims", ClaimDescription::write),
          entry("pods", PodDescription::write),
          entry("replicasets.apps", WorkloadDescription::replicaSet),
          entry("secrets", SecretDescription::write),
          entry("services", ServiceDescription::write),
          entry("statefulsets.apps", WorkloadDescription::statefulSet));

  private Describer() {}

  /** The long form of an object in kubectl's layout. */
  static String text(Session session, Item item) {
    DescriptionWriter out = new DescriptionWriter();
    KINDS
        .getOrDefault(item.served().type().groupResource(), Describer::tree)
        .accept(new Described(session, item, out));
    return out.toString();
  }

  /** Describes an object of a kind that has no description of its own. */
  private static void tree(Described object) {
    DescriptionWriter out = object.out();
    object.head();
    out.field("API Version", object.object().text("apiVersion"));
    out.field("Kind", object.object().text("kind"));
    out.heading("Metadata")
        .tree(
            object
                .object()
                .object("metadata")
                .without("name")
                .without("namespace")
                .without("labels")
                .without("annotations")
                .without("managedFields"));
    object
        .object()
        .without("apiVersion")
        .without("kind")
        .without("metadata")
        .forEach((name, value) -> out.value(DescriptionWriter.title(name), value));
    object.events();
  }
}
