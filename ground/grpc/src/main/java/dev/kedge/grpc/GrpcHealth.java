package dev.kedge.grpc;

import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.Map;

/** Asks {@code grpc.health.v1.Health/Check} over TCP in the clear, as gRPC probes do. */
public final class GrpcHealth {
  /** The answer of a service that is well. */
  public static final int SERVING = 1;

  private GrpcHealth() {}

  /**
   * One check on a connection of its own.
   *
   * @param service the service's name, empty for the whole server
   * @return the health protocol's status number
   * @throws GrpcException UNAVAILABLE, DEADLINE_EXCEEDED, UNIMPLEMENTED, or what the server says
   */
  public static int check(InetSocketAddress address, String service, Duration timeout) {
    try (GrpcChannel channel =
        GrpcChannel.plain(address, new GrpcChannel.Options(64 << 10, timeout, Duration.ZERO))) {
      byte[] answer =
          channel.unary(
              "/grpc.health.v1.Health/Check",
              Map.of(),
              new ProtoWriter().string(1, service).bytes(),
              timeout);
      return ProtoMessage.parse(answer).int32(1);
    }
  }

  /** The status' name. */
  public static String name(int status) {
    return switch (status) {
      case 1 -> "SERVING";
      case 2 -> "NOT_SERVING";
      case 3 -> "SERVICE_UNKNOWN";
      default -> "UNKNOWN";
    };
  }
}
