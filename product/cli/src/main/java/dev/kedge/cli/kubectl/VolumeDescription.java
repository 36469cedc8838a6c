package dev.kedge.cli.kubectl;

import static dev.kedge.cli.kubectl.DescriptionWriter.cell;
import static dev.kedge.cli.kubectl.DescriptionWriter.or;

import dev.kedge.model.JsonObject;
import java.util.List;
import java.util.Map;

/** Describes the volumes of a pod or of a template. */
final class VolumeDescription {
  private static final Map<String, String> TYPES =
      Map.of(
          "configMap", "ConfigMap (a volume populated by a ConfigMap)",
          "secret", "Secret (a volume populated by a Secret)",
          "emptyDir", "EmptyDir (a temporary directory that shares a pod's lifetime)",
          "hostPath", "HostPath (bare host directory volume)",
          "projected", "Projected (a volume that contains injected data from multiple sources)",
          "downwardAPI", "DownwardAPI (a volume populated by information about the pod)",
          "persistentVolumeClaim",
              "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same"
                  + " namespace)");

  private VolumeDescription() {}

  static void write(DescriptionWriter out, List<JsonObject> volumes) {
    if (volumes.isEmpty()) {
      out.field("Volumes", "<none>");
      return;
    }
    DescriptionWriter in = out.heading("Volumes");
    volumes.forEach(volume -> volume(in.heading(volume.text("name")), volume));
  }

  private static void volume(DescriptionWriter out, JsonObject volume) {
    String type =
        volume.names().stream().filter(name -> !name.equals("name")).findFirst().orElse("emptyDir");
    JsonObject source = volume.object(type);
    out.field("Type", TYPES.getOrDefault(type, type));
    switch (type) {
      case "configMap" -> {
        out.field("Name", source.text("name"));
        out.field("Optional", source.flag("optional"));
      }
      case "secret" -> {
        out.field("SecretName", source.text("secretName"));
        out.field("Optional", source.flag("optional"));
      }
      case "emptyDir" -> {
        out.field("Medium", source.text("medium"));
        out.field("SizeLimit", or(cell(source, "sizeLimit"), "<unset>"));
      }
      case "hostPath" -> {
        out.field("Path", source.text("path"));
        out.field("HostPathType", source.text("type"));
      }
      case "persistentVolumeClaim" -> {
        out.field("ClaimName", source.text("claimName"));
        out.field("ReadOnly", source.flag("readOnly"));
      }
      case "projected" -> source.objects("sources").forEach(part -> projected(out, part));
      default -> out.tree(source);
    }
  }

  private static void projected(DescriptionWriter out, JsonObject part) {
    if (part.has("serviceAccountToken")) {
      out.field("TokenExpirationSeconds", part.integer("serviceAccountToken", "expirationSeconds"));
    } else if (part.has("configMap")) {
      out.field("ConfigMapName", part.text("configMap", "name"));
      out.field("Optional", part.flag("configMap", "optional"));
    } else if (part.has("secret")) {
      out.field("SecretName", part.text("secret", "name"));
      out.field("Optional", part.flag("secret", "optional"));
    } else if (part.has("downwardAPI")) {
      out.field("DownwardAPI", "true");
    }
  }
}
