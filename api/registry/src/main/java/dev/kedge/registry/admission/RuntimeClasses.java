package dev.kedge.registry.admission;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin;
import java.util.ArrayList;
import java.util.List;

/** Checks that a pod's runtime class exists and takes its overhead and placement over. */
final class RuntimeClasses implements AdmissionPlugin {
  @Override
  public String name() {
    return "RuntimeClass";
  }

  @Override
  public KubeObject mutate(Review review, KubeObject pod) {
    if (!review.creating(Resources.PODS)) {
      return pod;
    }
    JsonObject spec = pod.spec();
    String name = spec.text("runtimeClassName");
    if (name.isEmpty()) {
      if (!spec.object("overhead").isEmpty()) {
        throw review.forbidden(
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
      }
      return pod;
    }
    KubeObject runtime =
        review
            .objects()
            .find(Resources.RUNTIME_CLASSES, "", name)
            .orElseThrow(
                () -> review.forbidden("pod rejected: RuntimeClass \"" + name + "\" not found"));
    JsonObject overhead = runtime.json().object("overhead", "podFixed");
    if (!spec.object("overhead").isEmpty() && !spec.object("overhead").equals(overhead)) {
      throw review.forbidden(
          "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    }
    if (!overhead.isEmpty()) {
      spec = spec.with("overhead", overhead);
    }
    JsonObject selector = spec.object("nodeSelector");
    JsonObject wanted = runtime.json().object("scheduling", "nodeSelector");
    for (String label : wanted.names()) {
      if (selector.has(label) && !selector.text(label).equals(wanted.text(label))) {
        throw review.forbidden(
            "conflict: runtimeClass.scheduling.nodeSelector["
                + label
                + "] = "
                + wanted.text(label)
                + "; pod.spec.nodeSelector["
                + label
                + "] = "
                + selector.text(label));
      }
      selector = selector.with(label, wanted.text(label));
    }
    if (!wanted.isEmpty()) {
      spec = spec.with("nodeSelector", selector);
    }
    List<JsonObject> tolerations = runtime.json().objects("scheduling", "tolerations");
    if (!tolerations.isEmpty()) {
      List<JsonValue> all = new ArrayList<>(spec.array("tolerations").items());
      tolerations.stream().filter(toleration -> !all.contains(toleration)).forEach(all::add);
      spec = spec.with("tolerations", new JsonArray(all));
    }
    return pod.with("spec", spec);
  }
}
