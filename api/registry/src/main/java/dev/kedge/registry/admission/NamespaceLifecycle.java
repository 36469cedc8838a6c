package dev.kedge.registry.admission;

import dev.kedge.model.ApiException;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.model.Status;
import dev.kedge.model.Status.Cause;
import dev.kedge.model.Status.Details;
import dev.kedge.registry.AdmissionPlugin;
import java.util.List;
import java.util.Set;

/** Refuses objects in namespaces that are absent or going, and the deletion of the first ones. */
final class NamespaceLifecycle implements AdmissionPlugin {
  private static final Set<String> IMMORTAL = Set.of("default", "kube-system", "kube-public");

  @Override
  public String name() {
    return "NamespaceLifecycle";
  }

  // In the mutating phase, so that nothing else is computed for a namespace that is not there.
  @Override
  public KubeObject mutate(Review review, KubeObject object) {
    check(review);
    return object;
  }

  @Override
  public void validate(Review review, KubeObject object) {
    if (review.operation() == Operation.DELETE
        && review.on(Resources.NAMESPACES)
        && IMMORTAL.contains(review.name())) {
      throw review.forbidden("this namespace may not be deleted");
    }
  }

  private static void check(Review review) {
    boolean access = review.type().plural().equals("localsubjectaccessreviews");
    if (review.namespace().isEmpty()
        || access
        || review.operation() == Operation.DELETE
        || review.type().plural().equals("namespaces")) {
      return;
    }
    KubeObject namespace =
        review
            .objects()
            .find(Resources.NAMESPACES, "", review.namespace())
            .orElseThrow(() -> ApiException.notFound("", "namespaces", review.namespace()));
    if (review.operation() == Operation.CREATE
        && (namespace.json().text("status", "phase").equals("Terminating")
            || namespace.deleting())) {
      Status status =
          review
              .forbidden(
                  "unable to create new content in namespace "
                      + review.namespace()
                      + " because it is being terminated")
              .status();
      Details details = status.details();
      throw new ApiException(
          new Status(
              status.code(),
              status.reason(),
              status.message(),
              new Details(
                  details.name(),
                  details.group(),
                  details.kind(),
                  "",
                  List.of(
                      new Cause(
                          "NamespaceTerminating",
                          "namespace " + review.namespace() + " is being terminated",
                          "metadata.namespace")),
                  0)));
    }
  }
}
