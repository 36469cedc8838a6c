package dev.kedge.cri;

import dev.kedge.cri.Cri.AuthConfig;
import dev.kedge.cri.Cri.ContainerConfig;
import dev.kedge.cri.Cri.ContainerFilter;
import dev.kedge.cri.Cri.ContainerStats;
import dev.kedge.cri.Cri.ContainerStatus;
import dev.kedge.cri.Cri.ExecResult;
import dev.kedge.cri.Cri.FilesystemUsage;
import dev.kedge.cri.Cri.Image;
import dev.kedge.cri.Cri.ImageSpec;
import dev.kedge.cri.Cri.LinuxResources;
import dev.kedge.cri.Cri.SandboxConfig;
import dev.kedge.cri.Cri.SandboxFilter;
import dev.kedge.cri.Cri.SandboxStats;
import dev.kedge.cri.Cri.SandboxStatus;
import dev.kedge.grpc.GrpcChannel;
import dev.kedge.grpc.GrpcException;
import dev.kedge.grpc.ProtoMessage;
import dev.kedge.grpc.ProtoWriter;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * A container runtime as CRI v1 shows it: RuntimeService and ImageService on one Unix domain
 * socket. Methods block; any thread; the connection is made when needed and made again when it
 * breaks. Every failure is a {@link GrpcException}; the container runtime's NOT_FOUND, for one, is
 * {@link GrpcException#isNotFound}.
 */
public final class CriClient implements AutoCloseable {
  private static final String RUNTIME = "/runtime.v1.RuntimeService/";
  private static final String IMAGES = "/runtime.v1.ImageService/";
  // Kubelet's own limits: two minutes for most calls, four for a sandbox with its network.
  private static final Duration NORMAL = Duration.ofMinutes(2);
  private static final Duration SANDBOX = Duration.ofMinutes(4);
  private static final Duration PULL = Duration.ofHours(6);

  private final GrpcChannel channel;

  /** A client of the runtime behind a socket; nothing is connected before the first call. */
  public CriClient(Path socket) {
    channel = GrpcChannel.unix(socket);
  }

  /**
   * Whether the runtime could not be reached, went away during the call, or is still starting
   * (which containerd says with the code UNKNOWN).
   */
  public static boolean isUnavailable(GrpcException e) {
    return e.isUnavailable()
        || e.code() == GrpcException.Code.UNKNOWN
            && e.detail().contains("server is not initialized yet");
  }

  private ProtoMessage call(String method, Duration timeout, Consumer<ProtoWriter> request) {
    ProtoWriter out = new ProtoWriter();
    request.accept(out);
    return ProtoMessage.parse(channel.unary(method, Map.of(), out.bytes(), timeout));
  }

  public Cri.Version version() {
    return Cri.Version.decode(call(RUNTIME + "Version", NORMAL, out -> out.string(1, "v1")));
  }

  public Cri.RuntimeStatus status(boolean verbose) {
    return Cri.RuntimeStatus.decode(call(RUNTIME + "Status", NORMAL, out -> out.bool(1, verbose)));
  }

  /** Tells the runtime the node's pod CIDR. */
  public void updateRuntimeConfig(String podCidr) {
    call(
        RUNTIME + "UpdateRuntimeConfig",
        NORMAL,
        out -> out.message(1, config -> config.message(1, net -> net.string(1, podCidr))));
  }

  /**
   * Creates and starts a sandbox, its network included.
   *
   * @param runtimeHandler empty for the default
   * @return the sandbox's id
   */
  public String runPodSandbox(SandboxConfig config, String runtimeHandler) {
    return call(
            RUNTIME + "RunPodSandbox",
            SANDBOX,
            out -> out.message(1, config::encode).string(2, runtimeHandler))
        .string(1);
  }

  /** Stops everything in a sandbox and takes its network down. May be repeated. */
  public void stopPodSandbox(String id) {
    call(RUNTIME + "StopPodSandbox", SANDBOX, out -> out.string(1, id));
  }

  /** Removes a sandbox and what is in it. May be repeated. */
  public void removePodSandbox(String id) {
    call(RUNTIME + "RemovePodSandbox", SANDBOX, out -> out.string(1, id));
  }

  public List<Cri.Sandbox> listPodSandboxes(SandboxFilter filter) {
    return call(RUNTIME + "ListPodSandbox", NORMAL, out -> out.message(1, filter::encode))
        .messages(1, Cri.Sandbox::decode);
  }

  public SandboxStatus podSandboxStatus(String id, boolean verbose) {
    ProtoMessage answer =
        call(RUNTIME + "PodSandboxStatus", NORMAL, out -> out.string(1, id).bool(2, verbose));
    return SandboxStatus.decode(answer.message(1), answer.map(2));
  }

  /** Creates a container; returns its id. */
  public String createContainer(
      String sandboxId, ContainerConfig config, SandboxConfig sandboxConfig) {
    return call(
            RUNTIME + "CreateContainer",
            SANDBOX,
            out ->
                out.string(1, sandboxId)
                    .message(2, config::encode)
                    .message(3, sandboxConfig::encode))
        .string(1);
  }

  public void startContainer(String id) {
    call(RUNTIME + "StartContainer", NORMAL, out -> out.string(1, id));
  }

  /** Sends the stop signal, waits at most so many seconds, then kills. May be repeated. */
  public void stopContainer(String id, long seconds) {
    call(
        RUNTIME + "StopContainer",
        NORMAL.plusSeconds(Math.max(0, seconds)),
        out -> out.string(1, id).integer(2, seconds));
  }

  /** Removes a container, killing it if it runs. May be repeated. */
  public void removeContainer(String id) {
    call(RUNTIME + "RemoveContainer", NORMAL, out -> out.string(1, id));
  }

  public List<Cri.Container> listContainers(ContainerFilter filter) {
    return call(RUNTIME + "ListContainers", NORMAL, out -> out.message(1, filter::encode))
        .messages(1, Cri.Container::decode);
  }

  public ContainerStatus containerStatus(String id, boolean verbose) {
    ProtoMessage answer =
        call(RUNTIME + "ContainerStatus", NORMAL, out -> out.string(1, id).bool(2, verbose));
    return ContainerStatus.decode(answer.message(1), answer.map(2));
  }

  public void updateContainerResources(String id, LinuxResources resources) {
    call(
        RUNTIME + "UpdateContainerResources",
        NORMAL,
        out -> out.string(1, id).message(2, resources::encode));
  }

  /** Makes the runtime write to a new log file, after the old one was renamed. */
  public void reopenContainerLog(String id) {
    call(RUNTIME + "ReopenContainerLog", NORMAL, out -> out.string(1, id));
  }

  /**
   * Runs a command in a container to its end.
   *
   * @param timeout zero for none
   * @throws GrpcException DEADLINE_EXCEEDED, or UNKNOWN with a message about the deadline, when the
   *     command takes longer
   */
  public ExecResult execSync(String id, List<String> command, Duration timeout) {
    return ExecResult.decode(
        call(
            RUNTIME + "ExecSync",
            timeout.isZero() ? Duration.ofDays(1) : timeout.plus(NORMAL),
            out ->
                out.string(1, id)
                    .strings(2, command)
                    .integer(3, Math.ceilDiv(timeout.toMillis(), 1000))));
  }

  /** The URL at which a command can be run with its streams. */
  public URI exec(
      String id, List<String> command, boolean tty, boolean stdin, boolean stdout, boolean stderr) {
    return URI.create(
        call(
                RUNTIME + "Exec",
                NORMAL,
                out ->
                    out.string(1, id)
                        .strings(2, command)
                        .bool(3, tty)
                        .bool(4, stdin)
                        .bool(5, stdout)
                        .bool(6, stderr))
            .string(1));
  }

  /** The URL at which a container's own streams can be had. */
  public URI attach(String id, boolean tty, boolean stdin, boolean stdout, boolean stderr) {
    return URI.create(
        call(
                RUNTIME + "Attach",
                NORMAL,
                out ->
                    out.string(1, id).bool(2, stdin).bool(3, tty).bool(4, stdout).bool(5, stderr))
            .string(1));
  }

  /** The URL at which a sandbox's ports can be reached. */
  public URI portForward(String sandboxId, List<Integer> ports) {
    return URI.create(
        call(
                RUNTIME + "PortForward",
                NORMAL,
                out ->
                    out.string(1, sandboxId)
                        .packed(2, ports.stream().map(Integer::longValue).toList()))
            .string(1));
  }

  public List<ContainerStats> listContainerStats(String sandboxId) {
    return call(
            RUNTIME + "ListContainerStats",
            NORMAL,
            out -> out.message(1, filter -> filter.string(2, sandboxId)))
        .messages(1, ContainerStats::decode);
  }

  public SandboxStats podSandboxStats(String id) {
    return SandboxStats.decode(
        call(RUNTIME + "PodSandboxStats", NORMAL, out -> out.string(1, id)).message(1));
  }

  public List<SandboxStats> listPodSandboxStats() {
    return call(RUNTIME + "ListPodSandboxStats", NORMAL, out -> {})
        .messages(1, SandboxStats::decode);
  }

  /**
   * Hands every container event to the listener until the stream breaks or the thread is
   * interrupted; always ends by an exception, UNIMPLEMENTED where the runtime has no such events.
   */
  public void followContainerEvents(Consumer<Cri.ContainerEvent> listener) {
    try (GrpcChannel.Call call = channel.stream(RUNTIME + "GetContainerEvents", Map.of())) {
      call.sendLast(new byte[0]);
      for (byte[] event = call.next(); event != null; event = call.next()) {
        listener.accept(Cri.ContainerEvent.decode(ProtoMessage.parse(event)));
      }
    }
    throw new GrpcException(GrpcException.Code.UNAVAILABLE, "the event stream ended");
  }

  /** An image by name, id or digest; empty when it is not on the node. */
  public Optional<Image> imageStatus(String image) {
    ProtoMessage answer =
        call(IMAGES + "ImageStatus", NORMAL, out -> out.message(1, new ImageSpec(image)::encode));
    return answer.has(1) ? Optional.of(Image.decode(answer.message(1))) : Optional.empty();
  }

  public List<Image> listImages() {
    return call(IMAGES + "ListImages", NORMAL, out -> {}).messages(1, Image::decode);
  }

  /** Pulls an image; returns its reference on the node. */
  public String pullImage(String image, Optional<AuthConfig> auth, SandboxConfig sandboxConfig) {
    return call(
            IMAGES + "PullImage",
            PULL,
            out -> {
              out.message(1, new ImageSpec(image)::encode);
              auth.ifPresent(config -> out.message(2, config::encode));
              out.message(3, sandboxConfig::encode);
            })
        .string(1);
  }

  /** Pulls an image outside any pod; returns its reference on the node. */
  public String pullImage(String image, Optional<AuthConfig> auth) {
    return call(
            IMAGES + "PullImage",
            PULL,
            out -> {
              out.message(1, new ImageSpec(image)::encode);
              auth.ifPresent(config -> out.message(2, config::encode));
            })
        .string(1);
  }

  /** Removes an image with all its names. May be repeated. */
  public void removeImage(String image) {
    call(IMAGES + "RemoveImage", NORMAL, out -> out.message(1, new ImageSpec(image)::encode));
  }

  /** The file systems that hold images. */
  public List<FilesystemUsage> imageFsInfo() {
    return call(IMAGES + "ImageFsInfo", NORMAL, out -> {}).messages(1, FilesystemUsage::decode);
  }

  @Override
  public void close() {
    channel.close();
  }
}
