package dev.kedge.node;

import dev.kedge.cri.Cri;
import dev.kedge.grpc.GrpcException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;

/**
 * The images of one pod's containers: found by the pull policy, pulled beside the pod's thread,
 * tried again after a back-off. Used by the pod's thread alone.
 */
final class PodImages {
  private final NodeServices node;
  private final Runnable wake;
  private final Backoff pulls = new Backoff(Duration.ofSeconds(10), Duration.ofMinutes(5));
  private final Map<String, CompletableFuture<Images.Pulled>> pulling = new HashMap<>();
  private final Map<String, PullFailure> pullFailures = new HashMap<>();
  private final Set<String> neverPulled = new HashSet<>();

  private record PullFailure(String reason, String message, Instant at) {}

  /**
   * @param wake called when a pull has ended: time to look again
   */
  PodImages(NodeServices node, Runnable wake) {
    this.node = node;
    this.wake = wake;
  }

  /** An image, or why the container waits for it. */
  record Found(Cri.@Nullable Image image, PodStatus.Waiting waiting, Duration next) {}

  Found find(KubeObject pod, JsonObject container) throws InterruptedException {
    String name = container.text("name");
    String image = container.text("image");
    String policy = Pods.pullPolicy(container);
    Instant now = node.clock().instant();
    CompletableFuture<Images.Pulled> pull = pulling.get(name);
    if (pull != null) {
      if (!pull.isDone()) {
        return new Found(null, PodStatus.CREATING, PodWorker.NEVER);
      }
      pulling.remove(name);
      try {
        Images.Pulled pulled = pull.join();
        pullFailures.remove(name);
        pulls.forget(name);
        Optional<Cri.Image> found = node.images().find(image);
        if (found.isPresent()) {
          String took = seconds(pulled.duration());
          node.event(
              pod,
              name,
              "Normal",
              "Pulled",
              "Successfully pulled image \""
                  + image
                  + "\" in "
                  + took
                  + " ("
                  + took
                  + " including waiting). Image size: "
                  + found.get().size()
                  + " bytes.");
          return new Found(found.get(), PodStatus.CREATING, PodWorker.NEVER);
        }
      } catch (CompletionException e) {
        String detail =
            e.getCause() instanceof GrpcException cri
                ? pullMessage(cri)
                : String.valueOf(e.getCause());
        node.event(
            pod, name, "Warning", "Failed", "Failed to pull image \"" + image + "\": " + detail);
        node.event(pod, name, "Warning", "Failed", "Error: ErrImagePull");
        pullFailures.put(name, new PullFailure("ErrImagePull", detail, now));
        pulls.next(name, now, now);
        return new Found(
            null, new PodStatus.Waiting("ErrImagePull", detail), Duration.ofMillis(500));
      }
    }
    Optional<Cri.Image> present = node.images().find(image);
    if (present.isPresent() && !policy.equals("Always")) {
      if (pullFailures.remove(name) != null) {
        pulls.forget(name);
      }
      node.event(
          pod,
          name,
          "Normal",
          "Pulled",
          "Container image \""
              + image
              + "\" already present on machine and can be accessed by the pod");
      return new Found(present.get(), PodStatus.CREATING, PodWorker.NEVER);
    }
    if (policy.equals("Never")) {
      String message = "Container image \"" + image + "\" is not present with pull policy of Never";
      if (neverPulled.add(name)) {
        node.event(pod, name, "Warning", "ErrImageNeverPull", message);
        node.event(pod, name, "Warning", "Failed", "Error: ErrImageNeverPull");
      }
      return new Found(null, new PodStatus.Waiting("ErrImageNeverPull", message), PodWorker.RELIST);
    }
    PullFailure failure = pullFailures.get(name);
    if (failure != null) {
      Duration left = pulls.remaining(name, failure.at(), now);
      if (left.isPositive()) {
        String message =
            "Back-off pulling image \"" + image + "\": ErrImagePull: " + failure.message();
        if (!failure.reason().equals("ImagePullBackOff")) {
          node.event(pod, name, "Normal", "BackOff", "Back-off pulling image \"" + image + "\"");
          node.event(pod, name, "Warning", "Failed", "Error: ImagePullBackOff");
          pullFailures.put(
              name, new PullFailure("ImagePullBackOff", failure.message(), failure.at()));
        }
        return new Found(null, new PodStatus.Waiting("ImagePullBackOff", message), left);
      }
    }
    node.event(pod, name, "Normal", "Pulling", "Pulling image \"" + image + "\"");
    List<KubeObject> secrets = new ArrayList<>();
    for (JsonObject reference : pod.spec().objects("imagePullSecrets")) {
      node.object(Resources.SECRETS, pod.namespace(), reference.text("name"))
          .ifPresent(secrets::add);
    }
    CompletableFuture<Images.Pulled> begun =
        node.images().pull(image, Images.credentials(image, secrets));
    pulling.put(name, begun);
    begun.whenComplete((_, _) -> wake.run());
    return new Found(null, PodStatus.CREATING, PodWorker.NEVER);
  }

  private static String pullMessage(GrpcException e) {
    return e.getMessage() == null ? e.detail() : e.getMessage();
  }

  private static String seconds(Duration duration) {
    return duration.toMillis() < 1000
        ? duration.toMillis() + "ms"
        : duration.toMillis() / 1000
            + "."
            + String.format("%03d", duration.toMillis() % 1000)
            + "s";
  }
}
