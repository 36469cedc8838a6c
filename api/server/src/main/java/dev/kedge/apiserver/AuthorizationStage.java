package dev.kedge.apiserver;

import dev.kedge.identity.Authorizer;
import dev.kedge.identity.Authorizer.Attributes;
import dev.kedge.identity.Authorizer.Decision;
import dev.kedge.identity.User;
import dev.kedge.model.ApiException;
import dev.kedge.model.Status;
import java.util.List;

/** Asks whether the user may do it. */
final class AuthorizationStage implements Stage {
  private final Authorizer authorizer;

  AuthorizationStage(Authorizer authorizer) {
    this.authorizer = authorizer;
  }

  @Override
  public void handle(Call call, Next next) throws Exception {
    // The certificate bundle is public, as K3s has it: agents compare it with the hash they know.
    if (!call.path().equals("/cacerts")) {
      Attributes attributes = attributes(call.info());
      Decision decision = authorizer.authorize(call.user(), attributes);
      call.audit()
          .ifPresent(
              event -> {
                event.annotate(
                    "authorization.k8s.io/decision", decision.allowed() ? "allow" : "forbid");
                event.annotate("authorization.k8s.io/reason", decision.reason());
              });
      if (!decision.allowed()) {
        throw forbidden(call.user(), attributes, decision.reason());
      }
    }
    next.handle(call);
  }

  private static Attributes attributes(RequestInfo info) {
    return info.resourceRequest()
        ? new Attributes(
            info.verb(),
            info.group(),
            info.version(),
            info.resource(),
            info.subresource(),
            info.namespace(),
            info.name(),
            "")
        : Attributes.path(info.verb(), info.path());
  }

  /** The refusal, in upstream's words. */
  static ApiException forbidden(User user, Attributes attributes, String reason) {
    String why = reason.isEmpty() ? "" : ": " + reason;
    if (!attributes.path().isEmpty()) {
      return new ApiException(
          new Status(
              403,
              "Forbidden",
              "forbidden: User \""
                  + user.name()
                  + "\" cannot "
                  + attributes.verb()
                  + " path \""
                  + attributes.path()
                  + "\""
                  + why,
              Status.Details.NONE));
    }
    String resource =
        attributes.subresource().isEmpty()
            ? attributes.resource()
            : attributes.resource() + "/" + attributes.subresource();
    String scope =
        attributes.namespace().isEmpty()
            ? " at the cluster scope"
            : " in the namespace \"" + attributes.namespace() + "\"";
    String subject =
        attributes.group().isEmpty()
            ? attributes.resource()
            : attributes.resource() + "." + attributes.group();
    if (!attributes.name().isEmpty()) {
      subject += " \"" + attributes.name() + "\"";
    }
    return new ApiException(
        new Status(
            403,
            "Forbidden",
            subject
                + " is forbidden: User \""
                + user.name()
                + "\" cannot "
                + attributes.verb()
                + " resource \""
                + resource
                + "\" in API group \""
                + attributes.group()
                + "\""
                + scope
                + why,
            new Status.Details(
                attributes.name(), attributes.group(), attributes.resource(), "", List.of(), 0)));
  }
}
