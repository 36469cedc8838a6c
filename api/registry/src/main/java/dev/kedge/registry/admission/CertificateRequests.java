package dev.kedge.registry.admission;

import dev.kedge.identity.Authorizer;
import dev.kedge.identity.Authorizer.Attributes;
import dev.kedge.identity.User;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin;

/**
 * Writes into a certificate signing request who sent it, and lets only those approve or sign who
 * may do so for its signer (upstream's CertificateApproval, CertificateSigning and
 * CertificateSubjectRestriction).
 */
final class CertificateRequests implements AdmissionPlugin {
  private static final String GROUP = "certificates.k8s.io";

  private final Authorizer authorizer;

  CertificateRequests(Authorizer authorizer) {
    this.authorizer = authorizer;
  }

  @Override
  public String name() {
    return "CertificateRequests";
  }

  @Override
  public KubeObject mutate(Review review, KubeObject request) {
    if (!review.creating(Resources.CERTIFICATE_SIGNING_REQUESTS)) {
      return request;
    }
    User user = review.user();
    JsonObject.Builder extra = JsonObject.builder();
    user.extra().keySet().stream()
        .sorted()
        .forEach(name -> extra.put(name, user.extra().get(name)));
    // Whatever the sender claims to be, it is who it is.
    JsonObject spec =
        request
            .spec()
            .without("uid")
            .without("extra")
            .with("username", user.name())
            .with("groups", user.groups());
    if (!user.uid().isEmpty()) {
      spec = spec.with("uid", user.uid());
    }
    JsonObject others = extra.build();
    return request.with("spec", others.isEmpty() ? spec : spec.with("extra", others));
  }

  @Override
  public void validate(Review review, KubeObject request) {
    if (!review.type().groupResource().equals("certificatesigningrequests." + GROUP)) {
      return;
    }
    String signer = request.spec().text("signerName");
    if (review.operation() == Operation.CREATE
        && signer.equals("kubernetes.io/kube-apiserver-client")
        && CertificateSubject.organizations(request.spec().text("request"))
            .contains("system:masters")) {
      throw review.forbidden(
          "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not"
              + " allowed");
    }
    if (review.subresource().equals("approval")) {
      require(review, "approve", signer);
    } else if (review.subresource().equals("status")
        && !request
            .status()
            .text("certificate")
            .equals(review.old().status().text("certificate"))) {
      require(review, "sign", signer);
    }
  }

  private void require(Review review, String verb, String signer) {
    if (may(review.user(), verb, signer)
        || may(review.user(), verb, signer.replaceFirst("/.*", "/*"))) {
      return;
    }
    throw review.forbidden(
        "user not permitted to " + verb + " requests with signerName \"" + signer + "\"");
  }

  private boolean may(User user, String verb, String signer) {
    return user.groups().contains("system:masters")
        || authorizer
            .authorize(user, new Attributes(verb, GROUP, "*", "signers", "", "", signer, ""))
            .allowed();
  }
}
