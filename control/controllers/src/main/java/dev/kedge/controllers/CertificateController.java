package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.controllers.ControllerContext.CertificateSigner;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Optional;
import java.util.Set;

/**
 * Signs approved certificate requests for Kubernetes' own signers and removes requests that are
 * over. Approval is a person's act here ({@code kubectl certificate approve}): kedge's nodes get
 * their certificates when they join, not by requests.
 */
final class CertificateController implements Reconciler {
  private static final Set<String> SIGNERS =
      Set.of(
          "kubernetes.io/kube-apiserver-client",
          "kubernetes.io/kube-apiserver-client-kubelet",
          "kubernetes.io/kubelet-serving");
  private static final Duration ISSUED_KEPT = Duration.ofHours(1);
  private static final Duration PENDING_KEPT = Duration.ofHours(24);
  private static final long ONE_YEAR = 365L * 24 * 3600;

  private final KubeClient client;
  private final Timeline timeline;
  private final Optional<CertificateSigner> signer;
  private final Informer requests;

  private CertificateController(ControllerContext context) {
    this.client = context.client();
    this.timeline = context.timeline();
    this.signer = context.settings().certificateSigner();
    this.requests = context.informer(Resources.CERTIFICATE_SIGNING_REQUESTS);
  }

  static Controller create(ControllerContext context) {
    CertificateController reconciler = new CertificateController(context);
    return Controller.builder("certificate", context.timeline(), reconciler)
        .watches(reconciler.requests)
        .build();
  }

  @Override
  public Result reconcile(ObjectKey key) {
    Optional<KubeObject> found = requests.get(key);
    if (found.isEmpty() || found.get().deleting()) {
      return Result.DONE;
    }
    KubeObject request = found.get();
    boolean approved = Conditions.isTrue(request.status(), "Approved");
    boolean over =
        Conditions.isTrue(request.status(), "Denied")
            || Conditions.isTrue(request.status(), "Failed")
            || !request.status().text("certificate").isEmpty();
    if (approved
        && !over
        && signer.isPresent()
        && SIGNERS.contains(request.spec().text("signerName"))) {
      sign(request, signer.get());
      return Result.again(ISSUED_KEPT);
    }
    Instant end = PodState.created(request).plus(over ? ISSUED_KEPT : PENDING_KEPT);
    Duration left = timeline.until(end);
    if (left.isPositive()) {
      return Result.again(left);
    }
    Writes.delete(client, Resources.CERTIFICATE_SIGNING_REQUESTS, request);
    return Result.DONE;
  }

  private void sign(KubeObject request, CertificateSigner with) {
    JsonObject spec = request.spec();
    JsonObject status;
    try {
      String certificate =
          with.sign(
              new String(
                  Base64.getMimeDecoder().decode(spec.text("request")), StandardCharsets.UTF_8),
              spec.text("signerName"),
              spec.strings("usages"),
              spec.integerOr(ONE_YEAR, "expirationSeconds"));
      status =
          request
              .status()
              .with(
                  "certificate",
                  Base64.getEncoder().encodeToString(certificate.getBytes(StandardCharsets.UTF_8)));
    } catch (IllegalArgumentException e) {
      status =
          request
              .status()
              .with(
                  "conditions",
                  Conditions.with(
                      request.status(),
                      "Failed",
                      "True",
                      "SignerValidationFailure",
                      String.valueOf(e.getMessage()),
                      timeline.instant()));
    }
    Writes.status(client, Resources.CERTIFICATE_SIGNING_REQUESTS, request, status);
  }
}
