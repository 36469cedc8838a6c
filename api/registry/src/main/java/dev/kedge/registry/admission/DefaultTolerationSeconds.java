package dev.kedge.registry.admission;

import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin;
import java.util.ArrayList;
import java.util.List;

/** Lets pods stay for five minutes on a node that is not ready or not reachable. */
final class DefaultTolerationSeconds implements AdmissionPlugin {
  private static final long SECONDS = 300;
  private static final List<String> TAINTS =
      List.of("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable");

  @Override
  public String name() {
    return "DefaultTolerationSeconds";
  }

  @Override
  public KubeObject mutate(Review review, KubeObject pod) {
    if (!review.on(Resources.PODS)) {
      return pod;
    }
    List<JsonObject> tolerations = pod.spec().objects("tolerations");
    List<JsonValue> all = new ArrayList<>(tolerations);
    for (String taint : TAINTS) {
      if (tolerations.stream().noneMatch(toleration -> tolerates(toleration, taint))) {
        all.add(
            JsonObject.of(
                "key",
                taint,
                "operator",
                "Exists",
                "effect",
                "NoExecute",
                "tolerationSeconds",
                SECONDS));
      }
    }
    return all.size() == tolerations.size()
        ? pod
        : pod.with("spec", pod.spec().with("tolerations", new JsonArray(all)));
  }

  private static boolean tolerates(JsonObject toleration, String taint) {
    String key = toleration.text("key");
    String effect = toleration.text("effect");
    return (key.equals(taint) || key.isEmpty()) && (effect.equals("NoExecute") || effect.isEmpty());
  }
}
