package dev.kedge.store.etcd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kedge.grpc.GrpcChannel;
import dev.kedge.grpc.GrpcException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** An etcd cluster of the test's own: real processes, in a temporary directory, on free ports. */
public final class EtcdProcesses implements AutoCloseable {
  private static final boolean OWN_NETWORK = "own".equals(System.getProperty("kedge.network"));

  private final Path directory;
  private final List<Member> members;
  private final List<Process> processes = new ArrayList<>();

  private record Member(String name, int clientPort, int peerPort, List<String> options) {
    String peerUrl() {
      return "http://127.0.0.1:" + peerPort;
    }

    String clientUrl() {
      return (options.isEmpty() ? "http" : "https") + "://127.0.0.1:" + clientPort;
    }
  }

  private EtcdProcesses(Path directory, List<Member> members) {
    this.directory = directory;
    this.members = members;
  }

  /** Starts so many members; skips the test where Debian's package etcd-server is not installed. */
  public static EtcdProcesses start(int count) throws IOException {
    assumeInstalled();
    Path memory = Path.of("/dev/shm");
    return start(
        count,
        Files.isDirectory(memory)
            ? Files.createTempDirectory(memory, "kedge-etcd")
            : Files.createTempDirectory("kedge-etcd"));
  }

  /** One member, as durable as operators have it. */
  static EtcdProcesses startOnDisk() throws IOException {
    assumeInstalled();
    return start(1, Files.createTempDirectory("kedge-etcd"));
  }

  private static void assumeInstalled() {
    assumeTrue(
        Stream.of(System.getenv("PATH").split(":", -1))
            .anyMatch(place -> Files.isExecutable(Path.of(place, "etcd"))),
        "etcd is not installed (Debian package etcd-server)");
  }

  /**
   * One member that speaks TLS and asks for certificates. It is for the caller to wait until it
   * does.
   */
  public static EtcdProcesses startSecure(Path authority, Path certificate, Path key)
      throws IOException {
    assumeInstalled();
    return start(
        1,
        Files.createTempDirectory("kedge-etcd"),
        List.of(
            "--client-cert-auth",
            "--trusted-ca-file=" + authority,
            "--cert-file=" + certificate,
            "--key-file=" + key));
  }

  private static EtcdProcesses start(int count, Path directory) throws IOException {
    EtcdProcesses cluster = start(count, directory, List.of());
    for (int i = 0; i < count; i++) {
      cluster.awaitReady(i);
    }
    return cluster;
  }

  private static EtcdProcesses start(int count, Path directory, List<String> options)
      throws IOException {
    if (OWN_NETWORK) {
      Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxrwxrwx"));
    }
    int[] ports = freePorts(2 * count);
    List<Member> members =
        IntStream.range(0, count)
            .mapToObj(i -> new Member("m" + i, ports[2 * i], ports[2 * i + 1], options))
            .toList();
    EtcdProcesses cluster = new EtcdProcesses(directory, members);
    for (int i = 0; i < count; i++) {
      cluster.processes.add(cluster.launch(i));
    }
    return cluster;
  }

  /** Whose processes a member's are, where the network is the tests' own. */
  static int user(int index) {
    return 61_000 + index;
  }

  private static int[] freePorts(int count) throws IOException {
    List<ServerSocket> held = new ArrayList<>();
    try {
      for (int i = 0; i < count; i++) {
        held.add(new ServerSocket(0));
      }
      return held.stream().mapToInt(ServerSocket::getLocalPort).toArray();
    } finally {
      for (ServerSocket each : held) {
        each.close();
      }
    }
  }

  private Process launch(int index) throws IOException {
    Member member = members.get(index);
    List<String> command = new ArrayList<>();
    if (OWN_NETWORK) {
      // A user of its own, so that packets can be told apart.
      command.addAll(List.of("setpriv", "--reuid=" + user(index), "--clear-groups", "--"));
    }
    command.addAll(
        List.of(
            "etcd",
            "--name=" + member.name(),
            "--data-dir=" + directory.resolve(member.name()),
            "--listen-client-urls=" + member.clientUrl(),
            "--advertise-client-urls=" + member.clientUrl(),
            "--listen-peer-urls=" + member.peerUrl(),
            "--initial-advertise-peer-urls=" + member.peerUrl(),
            "--initial-cluster="
                + members.stream()
                    .map(each -> each.name() + "=" + each.peerUrl())
                    .collect(Collectors.joining(",")),
            "--max-request-bytes=" + (8 << 20),
            "--logger=zap",
            "--log-level=error"));
    command.addAll(member.options());
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.redirectErrorStream(true);
    builder.redirectOutput(
        ProcessBuilder.Redirect.appendTo(directory.resolve(member.name() + ".log").toFile()));
    return builder.start();
  }

  private void awaitReady(int index) {
    InetSocketAddress address = new InetSocketAddress("127.0.0.1", members.get(index).clientPort());
    GrpcChannel.Options options =
        new GrpcChannel.Options(1 << 20, Duration.ofSeconds(1), Duration.ZERO);
    org.awaitility.Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(50))
        .ignoreException(GrpcException.class)
        .until(
            () -> {
              try (GrpcChannel channel = GrpcChannel.plain(address, options)) {
                channel.unary(
                    Rpc.RANGE,
                    Map.of(),
                    Rpc.range(new byte[1], new byte[0], 1, 0, true),
                    Duration.ofSeconds(5));
                return true;
              }
            });
  }

  /** Where its members answer. */
  public List<URI> urls() {
    return members.stream().map(member -> URI.create(member.clientUrl())).toList();
  }

  public EtcdStore open(String root) {
    return EtcdStore.open(new EtcdStore.Settings(urls(), Optional.empty(), false, root));
  }

  /** As a power cut. */
  void kill(int index) {
    processes.get(index).destroyForcibly().onExit().join();
  }

  void restart(int index) throws IOException {
    processes.set(index, launch(index));
    awaitReady(index);
  }

  /** Stops it without ending it, or lets it go on: as a hanging disk. */
  void signal(int index, String signal) throws IOException, InterruptedException {
    Process kill =
        new ProcessBuilder("kill", "-" + signal, Long.toString(processes.get(index).pid())).start();
    assertThat(kill.waitFor(60, TimeUnit.SECONDS)).isTrue();
  }

  @Override
  public void close() {
    processes.forEach(process -> process.destroyForcibly().onExit().join());
    try (Stream<Path> files = Files.walk(directory)) {
      files
          .sorted(Comparator.reverseOrder())
          .forEach(
              file -> {
                try {
                  Files.delete(file);
                } catch (IOException e) {
                  throw new UncheckedIOException(e);
                }
              });
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
