package dev.kedge.apiserver;

import dev.kedge.apiserver.AuditPolicy.Step;
import dev.kedge.apiserver.DeadlineStage.Deadline;
import dev.kedge.http.Exchange;
import dev.kedge.http.Headers;
import dev.kedge.http.Headers.Header;
import dev.kedge.http.Query;
import dev.kedge.identity.User;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/**
 * One request on its way through the stages: the exchange, and what the stages found out. Adds to
 * each answer the headers that all answers have. For the request's thread only.
 */
final class Call implements Exchange {
  /** Characters of all warnings from which on they are cut, and what each is cut to. */
  private static final int WARNINGS_LENGTH = 4 * 1024;

  private static final int WARNING_LENGTH = 256;

  private final Exchange exchange;
  private final String auditId;
  private final long started = System.nanoTime();
  private final List<String> warnings = new ArrayList<>();
  private RequestInfo info = RequestInfo.NONE;
  private User user = User.ANONYMOUS;
  private int status;
  private long sent;
  private @Nullable Deadline deadline;
  private @Nullable AuditEvent audit;

  Call(Exchange exchange) {
    this.exchange = exchange;
    String given = exchange.headers().first("Audit-ID").orElse("");
    this.auditId = given.isEmpty() || given.length() > 64 ? newAuditId() : given;
  }

  /** A random UUID. It names a request in logs and guards nothing: it need not be unguessable. */
  private static String newAuditId() {
    ThreadLocalRandom random = ThreadLocalRandom.current();
    long high = random.nextLong() & ~0xf000L | 0x4000L;
    long low = random.nextLong() & ~(3L << 62) | 1L << 63;
    return new UUID(high, low).toString();
  }

  RequestInfo info() {
    return info;
  }

  void info(RequestInfo known) {
    info = known;
  }

  User user() {
    return user;
  }

  void user(User known) {
    user = known;
  }

  void audit(AuditEvent begun) {
    audit = begun;
  }

  /** What the audit log is told of this call; empty for calls that are not audited. */
  Optional<AuditEvent> audit() {
    return Optional.ofNullable(audit);
  }

  void deadline(Deadline known) {
    deadline = known;
  }

  /** An answer begins: it is not to be interrupted any more. */
  private void answering(int code) {
    status = code;
    if (deadline != null) {
      deadline.end();
    }
    if (audit != null && info.longRunning()) {
      audit.write(Step.RESPONSE_STARTED);
    }
  }

  String auditId() {
    return auditId;
  }

  /** Adds what the sender should know, for Warning headers. */
  void warn(List<String> more) {
    warnings.addAll(more);
  }

  /** The status that was answered with; 0 before. */
  int status() {
    return status;
  }

  boolean answered() {
    return status != 0;
  }

  /** Bytes of the answer's body so far, before compression; those of watches are not counted. */
  long sent() {
    return sent;
  }

  void sent(long more) {
    sent += more;
  }

  long nanosSoFar() {
    return System.nanoTime() - started;
  }

  String header(String name) {
    return exchange.headers().first(name).orElse("");
  }

  private Headers complete(Headers headers) {
    List<Header> all = new ArrayList<>(headers.all().size() + 3 + warnings.size());
    all.add(new Header("Audit-Id", auditId));
    if (headers.first("Cache-Control").isEmpty()) {
      all.add(new Header("Cache-Control", "no-cache, private"));
    }
    all.addAll(headers.all());
    for (String warning : shortWarnings()) {
      all.add(new Header("Warning", "299 - " + quoted(warning)));
    }
    return new Headers(all);
  }

  /** The warnings, each once; cut as upstream cuts them when they are too long together. */
  private List<String> shortWarnings() {
    if (warnings.isEmpty()) {
      return List.of();
    }
    List<String> once = warnings.stream().distinct().toList();
    if (once.stream().mapToInt(String::length).sum() <= WARNINGS_LENGTH) {
      return once;
    }
    List<String> cut = new ArrayList<>();
    int length = 0;
    for (String warning : once) {
      if (length >= WARNINGS_LENGTH) {
        break;
      }
      int end =
          warning.length() <= WARNING_LENGTH
              ? warning.length()
              : warning.offsetByCodePoints(
                  0, Math.min(WARNING_LENGTH, warning.codePointCount(0, warning.length())));
      cut.add(warning.substring(0, end));
      length += end;
    }
    return cut;
  }

  /** A quoted string of a header; what does not fit a header's line becomes a space. */
  private static String quoted(String text) {
    StringBuilder out = new StringBuilder("\"");
    text.codePoints()
        .forEach(
            c -> {
              if (c == '"' || c == '\\') {
                out.append('\\');
              }
              out.appendCodePoint(c < ' ' || c == 127 ? ' ' : c);
            });
    return out.append('"').toString();
  }

  @Override
  public String method() {
    return exchange.method();
  }

  @Override
  public String path() {
    return exchange.path();
  }

  @Override
  public Query query() {
    return exchange.query();
  }

  @Override
  public String rawQuery() {
    return exchange.rawQuery();
  }

  @Override
  public String host() {
    return exchange.host();
  }

  @Override
  public boolean secure() {
    return exchange.secure();
  }

  @Override
  public boolean local() {
    return exchange.local();
  }

  @Override
  public byte[] readBody(int maxBytes) throws IOException {
    return exchange.readBody(maxBytes);
  }

  @Override
  public Headers headers() {
    return exchange.headers();
  }

  @Override
  public List<X509Certificate> peerCertificates() {
    return exchange.peerCertificates();
  }

  @Override
  public String remoteAddress() {
    return exchange.remoteAddress();
  }

  @Override
  public String protocol() {
    return exchange.protocol();
  }

  @Override
  public InputStream body() {
    return exchange.body();
  }

  @Override
  public void respond(int code, Headers headers, byte[] body) throws IOException {
    answering(code);
    sent(body.length);
    exchange.respond(code, complete(headers), body);
  }

  @Override
  public OutputStream stream(int code, Headers headers) throws IOException {
    answering(code);
    return exchange.stream(code, complete(headers));
  }

  @Override
  public Connection hijack(Headers headers) throws IOException {
    answering(101);
    return exchange.hijack(headers);
  }

  @Override
  public void onGone(Runnable action) {
    exchange.onGone(action);
  }
}
