package dev.kedge.identity;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.interfaces.ECPublicKey;
import java.security.interfaces.RSAPublicKey;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Issues and checks service-account tokens: JSON Web Tokens signed with ES256 (RS256 is accepted
 * where an RSA key is given). A bound token is valid while its account, and the pod, secret or node
 * it is bound to, exist with the same uid. Any thread.
 *
 * <p>Claims and rules are those of KEP-1205 and KEP-4193.
 */
public final class ServiceAccountTokens implements TokenAuthenticator {
  /** Prefix of service accounts' user names. */
  public static final String USER_PREFIX = "system:serviceaccount:";

  private static final Duration CACHED = Duration.ofSeconds(10);
  private static final int MOST_CACHED = 2000;

  /** How long after its deletion was asked for an object still vouches for tokens. */
  private static final Duration DELETION_LEEWAY = Duration.ofSeconds(60);

  private static final String LEGACY_ISSUER = "kubernetes/serviceaccount";
  private static final Base64.Encoder ENCODER = Base64.getUrlEncoder().withoutPadding();
  private static final Base64.Decoder DECODER = Base64.getUrlDecoder();

  private final String issuer;
  private final List<String> audiences;
  private final KeyPair signing;
  private final Map<String, PublicKey> verifying = new LinkedHashMap<>();
  private final ObjectLookup lookup;
  private final Clock clock;
  private final Map<String, Cached> cache = new ConcurrentHashMap<>();

  private record Cached(Authenticated result, Instant until) {}

  /**
   * The tokens of a cluster.
   *
   * @param issuer URL, such as {@code https://kubernetes.default.svc.cluster.local}
   * @param audiences names of the API server itself; the first is put into tokens that ask for none
   * @param signing the key that new tokens are signed with
   * @param alsoValid further keys whose tokens are still accepted
   */
  public ServiceAccountTokens(
      String issuer,
      List<String> audiences,
      KeyPair signing,
      List<PublicKey> alsoValid,
      ObjectLookup lookup,
      Clock clock) {
    this.issuer = issuer;
    this.audiences = List.copyOf(audiences);
    this.signing = signing;
    this.lookup = lookup;
    this.clock = clock;
    verifying.put(keyId(signing.getPublic()), signing.getPublic());
    alsoValid.forEach(key -> verifying.put(keyId(key), key));
  }

  /**
   * What a token is asked for.
   *
   * @param audiences empty: the API server
   * @param bound the pod, secret or node that the token is to die with
   * @param node the node that the bound pod runs on
   */
  public record TokenRequest(
      String namespace,
      String name,
      String uid,
      List<String> audiences,
      Duration life,
      Optional<Bound> bound,
      Optional<Bound> node) {
    public TokenRequest {
      audiences = List.copyOf(audiences);
    }
  }

  /**
   * An object that a token names.
   *
   * @param kind Pod, Secret or Node
   */
  public record Bound(String kind, String name, String uid) {}

  /** A token and when it ends. */
  public record IssuedToken(String token, Instant expiration) {}

  /** The audiences of the API server itself. */
  public List<String> apiAudiences() {
    return audiences;
  }

  /** Signs a bound token. */
  public IssuedToken issue(TokenRequest request) {
    Instant now = Instant.ofEpochSecond(clock.instant().getEpochSecond());
    Instant until = now.plus(request.life());
    JsonObject.Builder kubernetes = JsonObject.builder().put("namespace", request.namespace());
    request.node().ifPresent(node -> kubernetes.put("node", reference(node.name(), node.uid())));
    request
        .bound()
        .ifPresent(
            bound ->
                kubernetes.put(
                    bound.kind().toLowerCase(java.util.Locale.ROOT),
                    reference(bound.name(), bound.uid())));
    kubernetes.put("serviceaccount", reference(request.name(), request.uid()));
    JsonObject claims =
        JsonObject.of(
            "aud", request.audiences().isEmpty() ? audiences : request.audiences(),
            "exp", until.getEpochSecond(),
            "iat", now.getEpochSecond(),
            "iss", issuer,
            "jti", UUID.randomUUID().toString(),
            "kubernetes.io", kubernetes.build(),
            "nbf", now.getEpochSecond(),
            "sub", USER_PREFIX + request.namespace() + ":" + request.name());
    return new IssuedToken(sign(claims), until);
  }

  /** Signs the everlasting token of a secret of type kubernetes.io/service-account-token. */
  public String issueLegacy(String namespace, String secret, String account, String accountUid) {
    String prefix = "kubernetes.io/serviceaccount/";
    return sign(
        JsonObject.of(
            "iss",
            LEGACY_ISSUER,
            prefix + "namespace",
            namespace,
            prefix + "secret.name",
            secret,
            prefix + "service-account.name",
            account,
            prefix + "service-account.uid",
            accountUid,
            "sub",
            USER_PREFIX + namespace + ":" + account));
  }

  @Override
  public Optional<Authenticated> authenticate(String token, List<String> asked)
      throws InvalidTokenException {
    List<String> wanted = asked.isEmpty() ? audiences : asked;
    Instant now = clock.instant();
    String cacheKey = wanted == audiences ? token : token + " " + wanted;
    Cached known = cache.get(cacheKey);
    if (known != null && known.until().isAfter(now)) {
      return Optional.of(known.result());
    }
    String[] parts = token.split("\\.", -1);
    if (parts.length != 3) {
      return Optional.empty();
    }
    JsonObject header;
    JsonObject claims;
    byte[] signature;
    try {
      header = Json.parseObject(DECODER.decode(parts[0]));
      claims = Json.parseObject(DECODER.decode(parts[1]));
      signature = DECODER.decode(parts[2]);
    } catch (IllegalArgumentException | JsonSyntaxException _) {
      return Optional.empty();
    }
    boolean legacy = claims.text("iss").equals(LEGACY_ISSUER);
    if (!legacy && !claims.text("iss").equals(issuer)) {
      return Optional.empty();
    }
    verify(header, (parts[0] + "." + parts[1]).getBytes(UTF_8), signature);
    Authenticated result = legacy ? checkLegacy(claims, token, wanted) : check(claims, wanted, now);
    if (cache.size() >= MOST_CACHED) {
      cache.values().removeIf(entry -> !entry.until().isAfter(now));
      if (cache.size() >= MOST_CACHED) {
        cache.clear();
      }
    }
    Instant expires = legacy ? Instant.MAX : instant(claims.integerOr(Long.MAX_VALUE >> 20, "exp"));
    Instant until = now.plus(CACHED);
    cache.put(cacheKey, new Cached(result, expires.isBefore(until) ? expires : until));
    return Optional.of(result);
  }

  /** The document at {@code /.well-known/openid-configuration}. */
  public JsonObject discoveryDocument(String jwksUri) {
    return JsonObject.of(
        "issuer", issuer,
        "jwks_uri", jwksUri,
        "response_types_supported", List.of("id_token"),
        "subject_types_supported", List.of("public"),
        "id_token_signing_alg_values_supported",
            verifying.values().stream().map(ServiceAccountTokens::algorithm).distinct().toList());
  }

  /** The document at {@code /openid/v1/jwks}. */
  public JsonObject keySet() {
    List<JsonObject> keys = new ArrayList<>();
    verifying.forEach(
        (id, key) -> {
          JsonObject.Builder entry = JsonObject.builder().put("use", "sig");
          if (key instanceof ECPublicKey curve) {
            entry
                .put("kty", "EC")
                .put("kid", id)
                .put("crv", "P-256")
                .put("alg", "ES256")
                .put("x", ENCODER.encodeToString(fixed(curve.getW().getAffineX(), 32)))
                .put("y", ENCODER.encodeToString(fixed(curve.getW().getAffineY(), 32)));
          } else if (key instanceof RSAPublicKey rsa) {
            entry
                .put("kty", "RSA")
                .put("kid", id)
                .put("alg", "RS256")
                .put("n", ENCODER.encodeToString(unsigned(rsa.getModulus())))
                .put("e", ENCODER.encodeToString(unsigned(rsa.getPublicExponent())));
          }
          keys.add(entry.build());
        });
    return JsonObject.of("keys", keys);
  }

  /** A time in seconds, at most the last one that there is. */
  private static Instant instant(long seconds) {
    return Instant.ofEpochSecond(
        Math.clamp(seconds, Instant.MIN.getEpochSecond(), Instant.MAX.getEpochSecond()));
  }

  private Authenticated check(JsonObject claims, List<String> wanted, Instant now)
      throws InvalidTokenException {
    Instant expires = instant(claims.integer("exp"));
    Instant from = instant(claims.integer("nbf"));
    if (!expires.isAfter(now)) {
      throw new InvalidTokenException("service account token has expired");
    }
    if (from.isAfter(now.plusSeconds(60))) {
      throw new InvalidTokenException("service account token is not valid yet");
    }
    List<String> meantFor =
        claims.get("aud").orElse(JsonArray.EMPTY) instanceof JsonString one
            ? List.of(one.value())
            : claims.strings("aud");
    List<String> common = wanted.stream().filter(meantFor::contains).toList();
    if (common.isEmpty()) {
      throw new InvalidTokenException(
          "token audiences " + go(meantFor) + " is invalid for the target audiences " + go(wanted));
    }
    JsonObject kubernetes = claims.object("kubernetes.io");
    String namespace = kubernetes.text("namespace");
    JsonObject account = kubernetes.object("serviceaccount");
    requireAlive(
        Resources.SERVICE_ACCOUNTS,
        "ServiceAccount",
        namespace,
        account.text("name"),
        account.text("uid"),
        now);
    Map<String, List<String>> extra = new LinkedHashMap<>();
    String id = claims.text("jti");
    if (!id.isEmpty()) {
      extra.put("authentication.kubernetes.io/credential-id", List.of("JTI=" + id));
    }
    JsonObject pod = kubernetes.object("pod");
    JsonObject node = kubernetes.object("node");
    JsonObject secret = kubernetes.object("secret");
    if (!pod.isEmpty()) {
      requireAlive(Resources.PODS, "Pod", namespace, pod.text("name"), pod.text("uid"), now);
      extra.put("authentication.kubernetes.io/pod-name", List.of(pod.text("name")));
      extra.put("authentication.kubernetes.io/pod-uid", List.of(pod.text("uid")));
    }
    if (!secret.isEmpty()) {
      requireAlive(
          Resources.SECRETS, "Secret", namespace, secret.text("name"), secret.text("uid"), now);
    }
    if (!node.isEmpty()) {
      if (pod.isEmpty()) {
        requireAlive(Resources.NODES, "Node", "", node.text("name"), node.text("uid"), now);
      }
      extra.put("authentication.kubernetes.io/node-name", List.of(node.text("name")));
      if (!node.text("uid").isEmpty()) {
        extra.put("authentication.kubernetes.io/node-uid", List.of(node.text("uid")));
      }
    }
    return new Authenticated(
        user(namespace, account.text("name"), account.text("uid"), extra), common);
  }

  private Authenticated checkLegacy(JsonObject claims, String token, List<String> wanted)
      throws InvalidTokenException {
    String prefix = "kubernetes.io/serviceaccount/";
    String namespace = claims.text(prefix + "namespace");
    String secretName = claims.text(prefix + "secret.name");
    String account = claims.text(prefix + "service-account.name");
    String uid = claims.text(prefix + "service-account.uid");
    List<String> common = wanted.stream().filter(audiences::contains).toList();
    if (common.isEmpty()) {
      throw new InvalidTokenException(
          "token audiences "
              + go(audiences)
              + " is invalid for the target audiences "
              + go(wanted));
    }
    requireAlive(
        Resources.SERVICE_ACCOUNTS, "ServiceAccount", namespace, account, uid, clock.instant());
    KubeObject secret =
        lookup
            .find(Resources.SECRETS, namespace, secretName)
            .orElseThrow(() -> new InvalidTokenException("Token has been invalidated"));
    byte[] held = Base64.getMimeDecoder().decode(secret.json().text("data", "token"));
    if (secret.deleting() || !MessageDigest.isEqual(held, token.getBytes(UTF_8))) {
      throw new InvalidTokenException("Token does not match server's copy");
    }
    return new Authenticated(user(namespace, account, uid, Map.of()), common);
  }

  /** The user that an account acts as. */
  public static User user(
      String namespace, String name, String uid, Map<String, List<String>> extra) {
    return new User(
        USER_PREFIX + namespace + ":" + name,
        uid,
        List.of("system:serviceaccounts", "system:serviceaccounts:" + namespace),
        extra);
  }

  private void requireAlive(
      ResourceType type, String kind, String namespace, String name, String uid, Instant now)
      throws InvalidTokenException {
    Optional<KubeObject> found = lookup.find(type, namespace, name);
    if (found.isEmpty()) {
      throw new InvalidTokenException(kind + " " + key(namespace, name) + " has been deleted");
    }
    KubeObject object = found.get();
    String deletion = object.json().text("metadata", "deletionTimestamp");
    boolean deleted =
        !deletion.isEmpty()
            && Times.instant(deletion)
                .map(time -> time.plus(DELETION_LEEWAY).isBefore(now))
                .orElse(true);
    if (deleted) {
      throw new InvalidTokenException(kind + " " + key(namespace, name) + " has been deleted");
    }
    if (!object.uid().equals(uid)) {
      throw new InvalidTokenException(
          kind + " UID (" + object.uid() + ") does not match claim (" + uid + ")");
    }
  }

  private String sign(JsonObject claims) {
    JsonObject header =
        JsonObject.of("alg", algorithm(signing.getPublic()), "kid", keyId(signing.getPublic()));
    String text =
        ENCODER.encodeToString(Json.bytes(header))
            + "."
            + ENCODER.encodeToString(Json.bytes(claims));
    try {
      Signature signature = signature(signing.getPublic());
      signature.initSign(signing.getPrivate());
      signature.update(text.getBytes(UTF_8));
      return text + "." + ENCODER.encodeToString(signature.sign());
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("a token cannot be signed", e);
    }
  }

  private void verify(JsonObject header, byte[] text, byte[] signed) throws InvalidTokenException {
    PublicKey named = verifying.get(header.text("kid"));
    for (PublicKey key : named == null ? verifying.values() : List.of(named)) {
      // The key decides the algorithm; a header that says another one is not followed.
      if (!header.text("alg").equals(algorithm(key))) {
        continue;
      }
      try {
        Signature signature = signature(key);
        signature.initVerify(key);
        signature.update(text);
        if (signature.verify(signed)) {
          return;
        }
      } catch (GeneralSecurityException e) {
        throw new InvalidTokenException("invalid signature in token: " + e.getMessage(), e);
      }
    }
    throw new InvalidTokenException("invalid signature in token");
  }

  private static Signature signature(PublicKey key) throws GeneralSecurityException {
    return Signature.getInstance(
        key instanceof ECPublicKey ? "SHA256withECDSAinP1363Format" : "SHA256withRSA");
  }

  private static String algorithm(PublicKey key) {
    return key instanceof ECPublicKey ? "ES256" : "RS256";
  }

  private static String keyId(PublicKey key) {
    try {
      return ENCODER.encodeToString(MessageDigest.getInstance("SHA-256").digest(key.getEncoded()));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  private static JsonObject reference(String name, String uid) {
    return JsonObject.builder().put("name", name).putNonEmpty("uid", uid).build();
  }

  private static byte[] unsigned(BigInteger number) {
    byte[] bytes = number.toByteArray();
    return bytes[0] == 0 ? java.util.Arrays.copyOfRange(bytes, 1, bytes.length) : bytes;
  }

  private static byte[] fixed(BigInteger number, int length) {
    byte[] bytes = unsigned(number);
    byte[] out = new byte[length];
    System.arraycopy(bytes, 0, out, length - bytes.length, bytes.length);
    return out;
  }

  private static String key(String namespace, String name) {
    return namespace.isEmpty() ? name : namespace + "/" + name;
  }

  /** A list as Go prints it with %q. */
  private static String go(List<String> texts) {
    StringBuilder out = new StringBuilder("[");
    for (String text : texts) {
      out.append(out.length() > 1 ? " " : "").append('"').append(text).append('"');
    }
    return out.append(']').toString();
  }
}
