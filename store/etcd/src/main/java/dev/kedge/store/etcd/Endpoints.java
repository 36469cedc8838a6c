package dev.kedge.store.etcd;

import dev.kedge.grpc.GrpcChannel;
import dev.kedge.grpc.GrpcException;
import dev.kedge.grpc.GrpcException.Code;
import dev.kedge.store.StoreException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;

/**
 * The members of an etcd cluster: calls go to one of them until it fails, then to the next. Any
 * thread.
 */
final class Endpoints implements AutoCloseable {
  /** What one member has for an answer, before another is asked. */
  private static final Duration ATTEMPT = Duration.ofSeconds(5);

  /** How long a call may take in all: longer than an election on a slow disk. */
  static final Duration PATIENCE = Duration.ofSeconds(20);

  private static final GrpcChannel.Options OPTIONS =
      // etcd bounds what it sends by the requests it took and by our own page sizes.
      new GrpcChannel.Options(Integer.MAX_VALUE, Duration.ofSeconds(2), Duration.ofSeconds(10));

  /** Cancels a watch when its member is cut off from the others, instead of leaving it silent. */
  private static final Map<String, String> NEEDS_LEADER = Map.of("hasleader", "true");

  private final List<Endpoint> all;
  private final CountDownLatch closing = new CountDownLatch(1);
  private volatile int preferred;

  private record Endpoint(URI url, GrpcChannel channel) {}

  Endpoints(List<URI> urls, Optional<SSLContext> tls) {
    all = urls.stream().map(url -> new Endpoint(url, channel(url, tls))).toList();
  }

  private static GrpcChannel channel(URI url, Optional<SSLContext> tls) {
    InetSocketAddress address =
        InetSocketAddress.createUnresolved(url.getHost().replaceAll("[\\[\\]]", ""), url.getPort());
    return url.getScheme().equals("https")
        ? GrpcChannel.tls(address, tls.orElseThrow(), OPTIONS)
        : GrpcChannel.plain(address, OPTIONS);
  }

  /**
   * Asks one member after the other, twice as long each round, until one answers.
   *
   * @param again which failures another attempt may mend
   * @throws GrpcException the last failure
   * @throws StoreException if closed
   */
  byte[] call(String method, byte[] request, Duration patience, Predicate<GrpcException> again) {
    long deadline = System.nanoTime() + patience.toNanos();
    long pause = 20;
    int start = preferred;
    for (int at = start; ; at++) {
      int member = at % all.size();
      try {
        byte[] answer = all.get(member).channel().unary(method, Map.of(), request, ATTEMPT);
        preferred = member;
        return answer;
      } catch (GrpcException e) {
        requireOpen();
        if (Thread.currentThread().isInterrupted()
            || !again.test(e)
            || System.nanoTime() - deadline > 0) {
          throw e;
        }
      }
      if ((at + 1 - start) % all.size() == 0) {
        await(pause);
        pause = Math.min(2 * pause, 500);
      }
    }
  }

  /** A read or anything else that may be done twice. */
  byte[] repeatable(String method, byte[] request) {
    return call(method, request, PATIENCE, Endpoints::isTransient);
  }

  /** Asks a certain member, once. */
  byte[] once(int member, String method, byte[] request, Duration patience) {
    requireOpen();
    return all.get(member).channel().unary(method, Map.of(), request, patience);
  }

  int count() {
    return all.size();
  }

  URI url(int member) {
    return all.get(member).url();
  }

  /** Opens a stream to the member that answered last. */
  GrpcChannel.Call stream(String method) {
    requireOpen();
    return all.get(preferred).channel().stream(method, NEEDS_LEADER);
  }

  /** As {@link #stream(String)}, all of it within a time. */
  GrpcChannel.Call stream(String method, Duration patience) {
    requireOpen();
    return all.get(preferred).channel().stream(method, NEEDS_LEADER, patience);
  }

  /** Lets the next stream go to another member. */
  void turnAway() {
    preferred = (preferred + 1) % all.size();
  }

  /** Waits, unless it is closed meanwhile. */
  void await(long millis) {
    try {
      if (closing.await(millis, TimeUnit.MILLISECONDS)) {
        requireOpen();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new StoreException("interrupted while waiting for etcd", e);
    }
  }

  boolean closed() {
    return closing.getCount() == 0;
  }

  private void requireOpen() {
    if (closed()) {
      throw new StoreException("the store is closed");
    }
  }

  /**
   * Whether the cluster may answer a moment later, or another member now. The call may have taken
   * effect all the same.
   */
  static boolean isTransient(GrpcException e) {
    return switch (e.code()) {
      case UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED, ABORTED, INTERNAL, UNKNOWN -> true;
      default -> isUntouched(e);
    };
  }

  /** Whether the call certainly took no effect and may be made again. */
  static boolean isUntouched(GrpcException e) {
    return e.isUnsent()
        || e.code() == Code.RESOURCE_EXHAUSTED && e.detail().contains("too many requests")
        || e.code() == Code.UNAVAILABLE && e.detail().contains("not supported for learner");
  }

  @Override
  public String toString() {
    return all.stream().map(each -> each.url().toString()).collect(Collectors.joining(", "));
  }

  @Override
  public void close() {
    closing.countDown();
    all.forEach(each -> each.channel().close());
  }
}
