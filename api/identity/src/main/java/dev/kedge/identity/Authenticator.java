package dev.kedge.identity;

import dev.kedge.identity.TokenAuthenticator.Authenticated;
import dev.kedge.identity.TokenAuthenticator.InvalidTokenException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.cert.CertPath;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Says who sends a request: front proxies by their headers, client certificates, bearer tokens, and
 * nobody as {@code system:anonymous}, in upstream's order. Any thread.
 */
public final class Authenticator {
  private static final String ALL_AUTHENTICATED = "system:authenticated";
  private static final String USER_HEADER = "X-Remote-User";
  private static final String UID_HEADER = "X-Remote-Uid";
  private static final String GROUP_HEADER = "X-Remote-Group";
  private static final String EXTRA_PREFIX = "x-remote-extra-";
  private static final int MOST_CACHED = 4096;

  private final List<X509Certificate> clientAuthorities;
  private final List<X509Certificate> proxyAuthorities;
  private final Set<String> proxyNames;
  private final List<TokenAuthenticator> tokens;
  private final boolean anonymous;
  private final Clock clock;
  // Chains are checked once; what is kept is which authority they come from. Validity times are
  // looked at on every request.
  private final Map<X509Certificate, Known> certificates = new ConcurrentHashMap<>();

  private enum Origin {
    CLIENT,
    PROXY,
    BOTH,
    NEITHER
  }

  /** Where a certificate comes from, and whom it stands for if clients' authorities issued it. */
  private record Known(Origin origin, User user) {}

  /** What is known of a request before anything about it is believed. */
  public interface Credentials {
    /** The TLS peer's chain, leaf first; empty without one. */
    List<X509Certificate> peerCertificates();

    /** All values of a header field. */
    List<String> header(String name);

    /** Every header field. */
    List<Map.Entry<String, String>> headers();
  }

  /**
   * Why a request has no user.
   *
   * @see #authenticate
   */
  public static final class UnauthenticatedException extends Exception {
    UnauthenticatedException(String message) {
      super(message);
    }
  }

  /**
   * An authenticator.
   *
   * @param clientAuthorities sign user and node certificates
   * @param proxyAuthorities sign front proxies
   * @param proxyNames common names that front proxies may have; empty: any
   * @param anonymous whether requests without credentials are let through as anonymous
   */
  public Authenticator(
      List<X509Certificate> clientAuthorities,
      List<X509Certificate> proxyAuthorities,
      Set<String> proxyNames,
      List<TokenAuthenticator> tokens,
      boolean anonymous,
      Clock clock) {
    this.clientAuthorities = List.copyOf(clientAuthorities);
    this.proxyAuthorities = List.copyOf(proxyAuthorities);
    this.proxyNames = Set.copyOf(proxyNames);
    this.tokens = List.copyOf(tokens);
    this.anonymous = anonymous;
    this.clock = clock;
  }

  /**
   * Who sends a request; members of {@code system:authenticated} but for the anonymous.
   *
   * @throws UnauthenticatedException if credentials were given and none is valid, or none was given
   *     and anonymous requests are not served
   */
  public User authenticate(Credentials credentials) throws UnauthenticatedException {
    List<X509Certificate> chain = credentials.peerCertificates();
    List<String> faults = new ArrayList<>();
    if (!chain.isEmpty()) {
      Known known = known(chain);
      Origin origin = known.origin();
      if (origin == Origin.PROXY || origin == Origin.BOTH) {
        User user = fromHeaders(chain.getFirst(), credentials);
        if (user != null) {
          return authenticated(user);
        }
      }
      if (origin == Origin.CLIENT || origin == Origin.BOTH) {
        if (alive(chain.getFirst())) {
          User user = known.user();
          if (!user.name().isEmpty()) {
            return user;
          }
        }
        faults.add("x509: certificate has expired or is not yet valid");
      } else if (origin == Origin.NEITHER) {
        faults.add("x509: certificate signed by unknown authority");
      }
    }
    Optional<String> bearer = bearer(credentials);
    if (bearer.isPresent()) {
      Optional<Authenticated> known = authenticateToken(bearer.get(), List.of(), faults);
      if (known.isPresent()) {
        return known.get().user();
      }
      faults.add("invalid bearer token");
    }
    if (!faults.isEmpty()) {
      throw new UnauthenticatedException(String.join("; ", faults));
    }
    if (!anonymous) {
      throw new UnauthenticatedException("no credentials were given");
    }
    return User.ANONYMOUS;
  }

  /**
   * Who a token stands for, for TokenReview.
   *
   * @param audiences empty: the API server
   * @throws InvalidTokenException if no one knows it; the message says why
   */
  public Authenticated review(String token, List<String> audiences) throws InvalidTokenException {
    List<String> faults = new ArrayList<>();
    return authenticateToken(token, audiences, faults)
        .orElseThrow(
            () ->
                new InvalidTokenException(
                    faults.isEmpty()
                        ? "invalid bearer token"
                        : "[invalid bearer token, " + String.join(", ", faults) + "]"));
  }

  private Optional<Authenticated> authenticateToken(
      String token, List<String> audiences, List<String> faults) {
    for (TokenAuthenticator authenticator : tokens) {
      try {
        Optional<Authenticated> known = authenticator.authenticate(token, audiences);
        if (known.isPresent()) {
          return known.map(
              found -> new Authenticated(authenticated(found.user()), found.audiences()));
        }
      } catch (InvalidTokenException e) {
        faults.add(e.getMessage());
      }
    }
    return Optional.empty();
  }

  private static Optional<String> bearer(Credentials credentials) {
    for (String value : credentials.header("Authorization")) {
      int space = value.indexOf(' ');
      if (space > 0 && value.substring(0, space).equalsIgnoreCase("Bearer")) {
        String token = value.substring(space + 1).strip();
        return token.isEmpty() ? Optional.empty() : Optional.of(token);
      }
    }
    // Browsers cannot set headers on WebSockets: the token comes as a subprotocol.
    for (String value : credentials.header("Sec-WebSocket-Protocol")) {
      for (String protocol : value.split(",")) {
        String prefix = "base64url.bearer.authorization.k8s.io.";
        if (protocol.strip().startsWith(prefix)) {
          try {
            return Optional.of(
                new String(
                    java.util.Base64.getUrlDecoder()
                        .decode(protocol.strip().substring(prefix.length())),
                    StandardCharsets.UTF_8));
          } catch (IllegalArgumentException _) {
            return Optional.of(protocol.strip());
          }
        }
      }
    }
    return Optional.empty();
  }

  private @Nullable User fromHeaders(X509Certificate proxy, Credentials credentials) {
    List<String> names = credentials.header(USER_HEADER);
    if (names.isEmpty() || names.getFirst().isEmpty() || !alive(proxy)) {
      return null;
    }
    if (!proxyNames.isEmpty() && !proxyNames.contains(Subject.of(proxy).user())) {
      return null;
    }
    Map<String, List<String>> extra = new LinkedHashMap<>();
    for (Map.Entry<String, String> header : credentials.headers()) {
      String name = header.getKey().toLowerCase(Locale.ROOT);
      if (name.startsWith(EXTRA_PREFIX)) {
        extra
            .computeIfAbsent(
                unescape(name.substring(EXTRA_PREFIX.length())), _ -> new ArrayList<>())
            .add(header.getValue());
      }
    }
    List<String> uids = credentials.header(UID_HEADER);
    return new User(
        names.getFirst(),
        uids.isEmpty() ? "" : uids.getFirst(),
        credentials.header(GROUP_HEADER),
        extra);
  }

  /**
   * Reads a percent-encoded key of an extra header; a plus sign stays what it is, as does a key
   * that is not encoded in order.
   */
  public static String unescape(String key) {
    try {
      return URLDecoder.decode(key.replace("+", "%2B"), StandardCharsets.UTF_8);
    } catch (IllegalArgumentException _) {
      return key;
    }
  }

  private static User authenticated(User user) {
    if (user.groups().contains(ALL_AUTHENTICATED)) {
      return user;
    }
    List<String> groups = new ArrayList<>(user.groups());
    groups.add(ALL_AUTHENTICATED);
    return new User(user.name(), user.uid(), groups, user.extra());
  }

  private boolean alive(X509Certificate certificate) {
    Date now = Date.from(clock.instant());
    return !now.before(certificate.getNotBefore()) && !now.after(certificate.getNotAfter());
  }

  private Known known(List<X509Certificate> chain) {
    Known known = certificates.get(chain.getFirst());
    if (known != null) {
      return known;
    }
    boolean client = signedBy(chain, clientAuthorities);
    boolean proxy = signedBy(chain, proxyAuthorities);
    Origin origin =
        client && proxy
            ? Origin.BOTH
            : client ? Origin.CLIENT : proxy ? Origin.PROXY : Origin.NEITHER;
    Subject subject = Subject.of(chain.getFirst());
    User user =
        authenticated(new User(subject.user(), "", List.copyOf(subject.groups()), Map.of()));
    known = new Known(origin, user);
    if (certificates.size() >= MOST_CACHED) {
      certificates.clear();
    }
    certificates.put(chain.getFirst(), known);
    return known;
  }

  private static boolean signedBy(List<X509Certificate> chain, List<X509Certificate> authorities) {
    if (authorities.isEmpty()) {
      return false;
    }
    try {
      List<String> usages = chain.getFirst().getExtendedKeyUsage();
      if (usages != null && !usages.contains("1.3.6.1.5.5.7.3.2")) {
        return false;
      }
      Set<TrustAnchor> anchors = new HashSet<>();
      authorities.forEach(authority -> anchors.add(new TrustAnchor(authority, null)));
      List<X509Certificate> path =
          chain.stream().filter(certificate -> !authorities.contains(certificate)).toList();
      CertPath certPath = CertificateFactory.getInstance("X.509").generateCertPath(path);
      PKIXParameters parameters = new PKIXParameters(anchors);
      parameters.setRevocationEnabled(false);
      parameters.setDate(chain.getFirst().getNotBefore());
      CertPathValidator.getInstance("PKIX").validate(certPath, parameters);
      return true;
    } catch (GeneralSecurityException _) {
      return false;
    }
  }
}
