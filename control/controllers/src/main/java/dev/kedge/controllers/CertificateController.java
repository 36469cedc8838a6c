package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.controllers.ControllerContext.CertificateSigner;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Approves requests for kubelets' client certificates of those who may have them, signs what is
 * approved for Kubernetes' own signers, and removes requests that are over. Everything else is
 * approved by people ({@code kubectl certificate approve}) and signed by whoever owns the signer.
 */
final class CertificateController implements Reconciler {
  private static final String KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet";
  private static final Set<String> SIGNERS =
      Set.of(
          "kubernetes.io/kube-apiserver-client", KUBELET_CLIENT, "kubernetes.io/kubelet-serving");
  private static final Duration DECIDED_KEPT = Duration.ofHours(1);
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
    boolean refused =
        Conditions.isTrue(request.status(), "Denied")
            || Conditions.isTrue(request.status(), "Failed");
    boolean approved = Conditions.isTrue(request.status(), "Approved");
    boolean issued = !request.status().text("certificate").isEmpty();
    if (signer.isPresent() && !refused && !issued) {
      if (approved && SIGNERS.contains(request.spec().text("signerName"))) {
        sign(request, signer.get());
        return Result.DONE; // its own change brings it back
      }
      if (!approved && approve(request, signer.get())) {
        return Result.DONE;
      }
    }
    Optional<Instant> end = end(request, approved, issued);
    if (end.isEmpty()) {
      return Result.DONE;
    }
    Duration left = timeline.until(end.get());
    if (left.isPositive()) {
      return Result.again(left);
    }
    Writes.delete(client, Resources.CERTIFICATE_SIGNING_REQUESTS, request);
    return Result.DONE;
  }

  /** When a request is over: an hour after what was decided, a day if nothing was. */
  private static Optional<Instant> end(KubeObject request, boolean approved, boolean issued) {
    if (approved && !issued) {
      return Optional.empty(); // somebody's signer may take its time
    }
    Instant decided = Instant.EPOCH;
    for (JsonObject condition : request.status().objects("conditions")) {
      Instant time = Writes.instant(condition.text("lastUpdateTime"));
      decided = time.isAfter(decided) ? time : decided;
    }
    Instant end =
        decided.equals(Instant.EPOCH)
            ? PodState.created(request).plus(PENDING_KEPT)
            : decided.plus(DECIDED_KEPT);
    if (!issued) {
      return Optional.of(end);
    }
    Instant expiry = expiry(request.status().text("certificate"));
    return Optional.of(expiry.isBefore(end) ? expiry : end);
  }

  private static Instant expiry(String encoded) {
    try {
      return ((X509Certificate)
              CertificateFactory.getInstance("X.509")
                  .generateCertificate(
                      new ByteArrayInputStream(Base64.getMimeDecoder().decode(encoded))))
          .getNotAfter()
          .toInstant();
    } catch (CertificateException | IllegalArgumentException _) {
      return Instant.MAX; // a foreign signer's affair
    }
  }

  private static String pem(KubeObject request) {
    return new String(
        Base64.getMimeDecoder().decode(request.spec().text("request")), StandardCharsets.UTF_8);
  }

  // ---- approving

  private boolean approve(KubeObject request, CertificateSigner by) {
    JsonObject spec = request.spec();
    if (!spec.text("signerName").equals(KUBELET_CLIENT)) {
      return false;
    }
    Optional<String> node = by.kubelet(pem(request), spec.strings("usages"));
    if (node.isEmpty()) {
      return false;
    }
    boolean own = node.get().equals(spec.text("username"));
    String message;
    if (own && may(spec, "selfnodeclient")) {
      message = "Auto approving self kubelet client certificate after SubjectAccessReview.";
    } else if (may(spec, "nodeclient")) {
      message = "Auto approving kubelet client certificate after SubjectAccessReview.";
    } else {
      return false;
    }
    client.updateSubresource(
        Resources.CERTIFICATE_SIGNING_REQUESTS,
        request.withStatus(
            request
                .status()
                .with("conditions", with(request, "Approved", "AutoApproved", message))),
        "approval");
    return true;
  }

  /** Whether the sender may have such a certificate; asked as upstream asks. */
  private boolean may(JsonObject spec, String subresource) {
    JsonObject.Builder question =
        JsonObject.builder()
            .put("user", spec.text("username"))
            .putNonEmpty("uid", spec.text("uid"))
            .putNonEmpty("groups", spec.strings("groups"))
            .putNonEmpty("extra", spec.object("extra"))
            .put(
                "resourceAttributes",
                JsonObject.of(
                    "group",
                    "certificates.k8s.io",
                    "resource",
                    "certificatesigningrequests",
                    "verb",
                    "create",
                    "subresource",
                    subresource,
                    "version",
                    "*"));
    return client
        .create(
            Resources.SUBJECT_ACCESS_REVIEWS,
            new KubeObject(
                JsonObject.of(
                    "apiVersion",
                    "authorization.k8s.io/v1",
                    "kind",
                    "SubjectAccessReview",
                    "spec",
                    question.build())))
        .status()
        .flag("allowed");
  }

  // ---- signing

  private void sign(KubeObject request, CertificateSigner with) {
    JsonObject spec = request.spec();
    JsonObject status;
    try {
      String certificate =
          with.sign(
              pem(request),
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
                  with(
                      request,
                      "Failed",
                      "SignerValidationFailure",
                      String.valueOf(e.getMessage())));
    }
    Writes.status(client, Resources.CERTIFICATE_SIGNING_REQUESTS, request, status);
  }

  private List<JsonObject> with(KubeObject request, String type, String reason, String message) {
    Instant now = timeline.instant();
    return Conditions.with(request.status(), type, "True", reason, message, now).stream()
        .map(
            condition ->
                condition.text("type").equals(type)
                    ? condition.with("lastUpdateTime", Times.text(now))
                    : condition)
        .toList();
  }
}
