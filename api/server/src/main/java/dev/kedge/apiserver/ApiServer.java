package dev.kedge.apiserver;

import dev.kedge.http.Exchange;
import dev.kedge.http.Handler;
import dev.kedge.http.TlsIdentity;
import dev.kedge.identity.Authenticator;
import dev.kedge.identity.Authorizer;
import dev.kedge.identity.ServiceAccountTokens;
import dev.kedge.registry.Registry;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * The Kubernetes API as one HTTP handler: a request passes the list of stages below from top to
 * bottom, and each either answers it or lets it go on. Any thread; a request blocks its own.
 *
 * <p>CORS has no stage because no origin is ever allowed, as is upstream's default.
 */
public final class ApiServer implements Handler, AutoCloseable {
  private final Stage.Next first;
  private final Aggregator aggregator;

  /**
   * What a server is made of.
   *
   * @param registry what requests mean
   * @param tokens for the OpenID documents
   * @param nodes the way to node agents
   * @param services the way to Services, for the proxy
   * @param proxyIdentity what this server shows to the servers of aggregated APIs
   * @param health what {@code /livez}, {@code /readyz} and {@code /healthz} look at
   * @param openApi the documents under {@code /openapi}
   * @param metrics what else is told at {@code /metrics}
   * @param audit the audit log; empty where none is kept
   * @param authorityPem the bundle at {@code /cacerts} that clients verify this server by
   * @param settings numbers and names
   */
  public record Parts(
      Registry registry,
      Authenticator authenticator,
      Authorizer authorizer,
      Optional<ServiceAccountTokens> tokens,
      NodeAccess nodes,
      ServiceAccess services,
      Supplier<TlsIdentity> proxyIdentity,
      HealthChecks health,
      OpenApiDocuments openApi,
      List<MetricSource> metrics,
      Optional<AuditLog> audit,
      String authorityPem,
      Settings settings) {}

  /**
   * Numbers and names.
   *
   * @param version of the server, as {@code kubectl version} shows it, such as {@code
   *     v1.36.2+kedge1}
   * @param address host and port that clients outside reach this server at
   * @param maxReads requests that read and run at once
   * @param maxWrites requests that write and run at once
   * @param limitWait how long a request waits for its turn before it is told to come again
   * @param requestTime how long a request may take that is no watch and no stream
   * @param minWatch the least time that a watch without a wish of its own runs; it ends at random
   *     before twice that
   */
  public record Settings(
      String version,
      String address,
      int maxReads,
      int maxWrites,
      Duration limitWait,
      Duration requestTime,
      Duration minWatch) {
    /** Upstream's numbers. */
    public static Settings of(String version, String address) {
      return new Settings(
          version,
          address,
          400,
          200,
          Duration.ofSeconds(15),
          Duration.ofMinutes(1),
          Duration.ofMinutes(30));
    }
  }

  /** A server of these parts. */
  public ApiServer(Parts parts) {
    List<MetricSource> sources = new ArrayList<>(parts.metrics());
    sources.add(parts.health());
    sources.add(out -> storedObjects(parts.registry(), out));
    aggregator = new Aggregator(parts.registry(), parts.services(), parts.proxyIdentity());
    sources.add(aggregator::write);
    parts.audit().ifPresent(log -> sources.add(log::metrics));
    sources.add(new ProcessMetrics());
    Metrics metrics = new Metrics(sources);
    List<Stage> stages =
        List.of(
            new FailureStage(metrics),
            new RequestInfoStage(),
            new DeadlineStage(parts.settings().requestTime(), metrics),
            new AuthenticationStage(parts.authenticator(), parts.audit()),
            new AuditStage(parts.audit()),
            new ImpersonationStage(parts.authorizer()),
            new LimitStage(parts.settings(), metrics),
            new AuthorizationStage(parts.authorizer()),
            new RoutingStage(parts, aggregator, metrics));
    Stage.Next next = Answers::noSuchPath;
    for (Stage stage : stages.reversed()) {
      Stage.Next rest = next;
      next = call -> stage.handle(call, rest);
    }
    first = next;
  }

  /**
   * Begins to keep APIServices: those of what is served here, and the servers behind the others.
   */
  public void start() {
    aggregator.start();
  }

  /** Ends what {@link #start} began. */
  @Override
  public void close() {
    aggregator.close();
  }

  private static void storedObjects(Registry registry, Exposition out) {
    Map<Registry.ResourceGroup, Long> counts = registry.counts();
    out.family(
        "apiserver_resource_objects",
        "gauge",
        "Number of stored objects at the time of last check split by kind. In case of a fetching"
            + " error, the value will be -1.");
    counts.forEach(
        (kind, count) -> out.sample(count, "group", kind.group(), "resource", kind.plural()));
    // The older name, which dashboards still read.
    out.family(
        "apiserver_storage_objects",
        "gauge",
        "[DEPRECATED, consider using apiserver_resource_objects instead] Number of stored objects"
            + " at the time of last check split by kind. In case of a fetching error, the value"
            + " will be -1.");
    counts.forEach(
        (kind, count) ->
            out.sample(
                count,
                "resource",
                kind.group().isEmpty() ? kind.plural() : kind.plural() + "." + kind.group()));
  }

  @Override
  public void handle(Exchange exchange) throws Exception {
    first.handle(new Call(exchange));
  }
}
