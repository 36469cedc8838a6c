package dev.kedge.registry.admission;

import dev.kedge.identity.Authorizer;
import dev.kedge.identity.RbacAuthorizer;
import dev.kedge.registry.AdmissionPlugin;
import dev.kedge.registry.WebhookCalls;
import java.util.List;

/** The admission plugins of a cluster, in the order they run. */
public final class AdmissionPlugins {
  private AdmissionPlugins() {}

  /**
   * What upstream switches on by default, as far as it is built.
   *
   * @param authorizer says who may give away rights he does not have
   * @param rbac says which rights somebody has
   */
  public static List<AdmissionPlugin> standard(Authorizer authorizer, RbacAuthorizer rbac) {
    WebhookCalls calls = new WebhookCalls();
    return List.of(
        new NamespaceLifecycle(),
        new LimitRanger(),
        new ServiceAccounts(),
        new NodeRestriction(),
        new RuntimeClasses(),
        new DeviceClaims(),
        new Priority(),
        new DefaultTolerationSeconds(),
        DefaultClasses.storage(),
        DefaultClasses.ingress(),
        new StorageProtection(),
        new ClaimResize(),
        new CertificateRequests(authorizer),
        new RbacEscalation(authorizer, rbac),
        new PodSecurity(),
        new MutatingPolicies(authorizer),
        new MutatingWebhooks(calls, authorizer),
        new ValidatingPolicies(authorizer),
        new ValidatingWebhooks(calls, authorizer),
        // Counts, so it comes when nobody else can refuse any more.
        new ResourceQuotas());
  }
}
