package dev.kedge.apiserver;

import dev.kedge.http.Headers.Header;
import dev.kedge.identity.Authenticator;
import dev.kedge.identity.Authenticator.Credentials;
import dev.kedge.identity.Authenticator.UnauthenticatedException;
import dev.kedge.identity.User;
import dev.kedge.model.ApiException;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Finds out who asks. */
final class AuthenticationStage implements Stage {
  private static final System.Logger LOG = System.getLogger("dev.kedge.apiserver");

  /** Who may open the socket may read the administrator's kubeconfig as well. */
  private static final User LOCAL =
      User.of("system:admin", "system:masters", "system:authenticated");

  private final Authenticator authenticator;

  private final Optional<AuditLog> log;

  AuthenticationStage(Authenticator authenticator, Optional<AuditLog> log) {
    this.authenticator = authenticator;
    this.log = log;
  }

  @Override
  public void handle(Call call, Next next) throws Exception {
    // A client that checks the server's certificate by a token's hash fetches it before it can
    // authenticate, perhaps with credentials that only the other side of the join understands.
    if (call.local()) {
      call.user(LOCAL);
    } else if (!call.path().equals("/cacerts")) {
      try {
        call.user(authenticator.authenticate(new CallCredentials(call)));
      } catch (UnauthenticatedException e) {
        LOG.log(
            System.Logger.Level.DEBUG,
            "unable to authenticate a request from {0}: {1}",
            call.remoteAddress(),
            e.getMessage());
        log.ifPresent(open -> AuditStage.begin(open, call));
        throw ApiException.unauthorized();
      }
    }
    next.handle(call);
  }

  private record CallCredentials(Call call) implements Credentials {
    @Override
    public List<X509Certificate> peerCertificates() {
      return call.peerCertificates();
    }

    @Override
    public List<String> header(String name) {
      return call.headers().values(name);
    }

    @Override
    public List<Map.Entry<String, String>> headers() {
      return call.headers().all().stream()
          .map((Header header) -> Map.entry(header.name(), header.value()))
          .toList();
    }
  }
}
