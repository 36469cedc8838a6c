package dev.kedge.cri;

import dev.kedge.grpc.ProtoMessage;
import dev.kedge.grpc.ProtoWriter;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The messages of CRI v1 ({@code k8s.io/cri-api/pkg/apis/runtime/v1/api.proto}) as records. The
 * field numbers stand in each record's {@code encode} or {@code decode}. Times are nanoseconds
 * since 1970, sizes bytes, unless said otherwise.
 */
public final class Cri {
  private Cri() {}

  /** How a namespace is shared: with the pod, alone, with the node, with a target container. */
  public enum NamespaceMode {
    POD,
    CONTAINER,
    NODE,
    TARGET
  }

  public enum SandboxState {
    READY,
    NOT_READY;

    static SandboxState of(int number) {
      return number == 0 ? READY : NOT_READY;
    }
  }

  public enum ContainerState {
    CREATED,
    RUNNING,
    EXITED,
    UNKNOWN;

    static ContainerState of(int number) {
      return number >= 0 && number < 3 ? values()[number] : UNKNOWN;
    }
  }

  public enum MountPropagation {
    PRIVATE,
    HOST_TO_CONTAINER,
    BIDIRECTIONAL
  }

  public enum Protocol {
    TCP,
    UDP,
    SCTP
  }

  public enum ProfileType {
    RUNTIME_DEFAULT,
    UNCONFINED,
    LOCALHOST
  }

  public enum ContainerEventType {
    CREATED,
    STARTED,
    STOPPED,
    DELETED
  }

  /** Names and versions of runtime and API. */
  public record Version(
      String version, String runtimeName, String runtimeVersion, String runtimeApiVersion) {
    static Version decode(ProtoMessage in) {
      return new Version(in.string(1), in.string(2), in.string(3), in.string(4));
    }
  }

  /** {@code RuntimeReady} or {@code NetworkReady}. */
  public record RuntimeCondition(String type, boolean status, String reason, String message) {
    static RuntimeCondition decode(ProtoMessage in) {
      return new RuntimeCondition(in.string(1), in.bool(2), in.string(3), in.string(4));
    }
  }

  /**
   * The runtime's state; {@code info} is filled when asked for verbosely.
   *
   * @param recursiveReadOnly whether mounts can be read-only with all that is mounted below them
   */
  public record RuntimeStatus(
      List<RuntimeCondition> conditions, Map<String, String> info, boolean recursiveReadOnly) {
    public RuntimeStatus {
      conditions = List.copyOf(conditions);
      info = Map.copyOf(info);
    }

    static RuntimeStatus decode(ProtoMessage in) {
      // Of the handlers' features the default handler's count, whose name is empty.
      List<Boolean> readOnly =
          in.messages(3, handler -> handler.string(1).isEmpty() && handler.message(2).bool(1));
      return new RuntimeStatus(
          in.message(1).messages(1, RuntimeCondition::decode), in.map(2), readOnly.contains(true));
    }

    /** The condition of a type; one that is false where the runtime does not report it. */
    public RuntimeCondition condition(String type) {
      return conditions.stream()
          .filter(condition -> condition.type().equals(type))
          .findFirst()
          .orElse(new RuntimeCondition(type, false, "NotReported", "not reported by the runtime"));
    }
  }

  public record DnsConfig(List<String> servers, List<String> searches, List<String> options) {
    public DnsConfig {
      servers = List.copyOf(servers);
      searches = List.copyOf(searches);
      options = List.copyOf(options);
    }

    void encode(ProtoWriter out) {
      out.strings(1, servers).strings(2, searches).strings(3, options);
    }
  }

  public record PortMapping(Protocol protocol, int containerPort, int hostPort, String hostIp) {
    void encode(ProtoWriter out) {
      out.integer(1, protocol.ordinal())
          .integer(2, containerPort)
          .integer(3, hostPort)
          .string(4, hostIp);
    }
  }

  public record Mount(
      String containerPath,
      String hostPath,
      boolean readonly,
      boolean selinuxRelabel,
      MountPropagation propagation,
      boolean recursiveReadOnly) {
    void encode(ProtoWriter out) {
      out.string(1, containerPath)
          .string(2, hostPath)
          .bool(3, readonly)
          .bool(4, selinuxRelabel)
          .integer(5, propagation.ordinal())
          .bool(8, recursiveReadOnly);
    }

    static Mount decode(ProtoMessage in) {
      int propagation = in.int32(5);
      return new Mount(
          in.string(1),
          in.string(2),
          in.bool(3),
          in.bool(4),
          propagation >= 0 && propagation < 3
              ? MountPropagation.values()[propagation]
              : MountPropagation.PRIVATE,
          in.bool(8));
    }
  }

  /** Which namespaces of the node or of another container are shared. */
  public record NamespaceOption(
      NamespaceMode network, NamespaceMode pid, NamespaceMode ipc, String targetId) {
    void encode(ProtoWriter out) {
      out.integer(1, network.ordinal())
          .integer(2, pid.ordinal())
          .integer(3, ipc.ordinal())
          .string(4, targetId);
    }

    static NamespaceOption decode(ProtoMessage in) {
      return new NamespaceOption(
          mode(in.int32(1)), mode(in.int32(2)), mode(in.int32(3)), in.string(4));
    }

    private static NamespaceMode mode(int number) {
      return number >= 0 && number < 4 ? NamespaceMode.values()[number] : NamespaceMode.POD;
    }
  }

  public record SelinuxOption(String user, String role, String type, String level) {
    void encode(ProtoWriter out) {
      out.string(1, user).string(2, role).string(3, type).string(4, level);
    }
  }

  /** A seccomp or AppArmor profile; the reference only for {@link ProfileType#LOCALHOST}. */
  public record SecurityProfile(ProfileType type, String localhostRef) {
    void encode(ProtoWriter out) {
      out.integer(1, type.ordinal()).string(2, localhostRef);
    }
  }

  public record SandboxSecurityContext(
      NamespaceOption namespaceOptions,
      @Nullable SelinuxOption selinuxOptions,
      @Nullable Long runAsUser,
      @Nullable Long runAsGroup,
      boolean readonlyRootfs,
      List<Long> supplementalGroups,
      boolean strictSupplementalGroups,
      boolean privileged,
      @Nullable SecurityProfile seccomp,
      @Nullable SecurityProfile apparmor) {
    public SandboxSecurityContext {
      supplementalGroups = List.copyOf(supplementalGroups);
    }

    void encode(ProtoWriter out) {
      out.message(1, namespaceOptions::encode);
      if (selinuxOptions != null) {
        out.message(2, selinuxOptions::encode);
      }
      out.integerValue(3, runAsUser)
          .bool(4, readonlyRootfs)
          .packed(5, supplementalGroups)
          .bool(6, privileged)
          .integerValue(8, runAsGroup);
      if (seccomp != null) {
        out.message(9, seccomp::encode);
      }
      if (apparmor != null) {
        out.message(10, apparmor::encode);
      }
      out.bool(11, strictSupplementalGroups);
    }
  }

  public record LinuxSandbox(
      String cgroupParent,
      SandboxSecurityContext securityContext,
      Map<String, String> sysctls,
      LinuxResources overhead,
      LinuxResources resources) {
    public LinuxSandbox {
      sysctls = Map.copyOf(sysctls);
    }

    void encode(ProtoWriter out) {
      out.string(1, cgroupParent)
          .message(2, securityContext::encode)
          .map(3, sysctls)
          .message(4, overhead::encode)
          .message(5, resources::encode);
    }
  }

  public record SandboxMetadata(String name, String uid, String namespace, int attempt) {
    void encode(ProtoWriter out) {
      out.string(1, name).string(2, uid).string(3, namespace).integer(4, attempt);
    }

    static SandboxMetadata decode(ProtoMessage in) {
      return new SandboxMetadata(in.string(1), in.string(2), in.string(3), in.int32(4));
    }
  }

  public record SandboxConfig(
      SandboxMetadata metadata,
      String hostname,
      String logDirectory,
      @Nullable DnsConfig dnsConfig,
      List<PortMapping> portMappings,
      Map<String, String> labels,
      Map<String, String> annotations,
      LinuxSandbox linux) {
    public SandboxConfig {
      portMappings = List.copyOf(portMappings);
      labels = Map.copyOf(labels);
      annotations = Map.copyOf(annotations);
    }

    void encode(ProtoWriter out) {
      out.message(1, metadata::encode).string(2, hostname).string(3, logDirectory);
      if (dnsConfig != null) {
        out.message(4, dnsConfig::encode);
      }
      portMappings.forEach(mapping -> out.message(5, mapping::encode));
      out.map(6, labels).map(7, annotations).message(8, linux::encode);
    }
  }

  /** A sandbox as it is listed. */
  public record Sandbox(
      String id,
      SandboxMetadata metadata,
      SandboxState state,
      long createdAt,
      Map<String, String> labels,
      Map<String, String> annotations,
      String runtimeHandler) {
    static Sandbox decode(ProtoMessage in) {
      return new Sandbox(
          in.string(1),
          SandboxMetadata.decode(in.message(2)),
          SandboxState.of(in.int32(3)),
          in.integer(4),
          in.map(5),
          in.map(6),
          in.string(7));
    }
  }

  /** A sandbox in detail. {@code ips} is empty on the host's network. */
  public record SandboxStatus(
      String id,
      SandboxMetadata metadata,
      SandboxState state,
      long createdAt,
      List<String> ips,
      NamespaceOption namespaces,
      Map<String, String> labels,
      Map<String, String> annotations,
      String runtimeHandler,
      Map<String, String> info) {
    static SandboxStatus decode(ProtoMessage in, Map<String, String> info) {
      ProtoMessage network = in.message(5);
      List<String> ips = new java.util.ArrayList<>();
      if (!network.string(1).isEmpty()) {
        ips.add(network.string(1));
      }
      ips.addAll(network.messages(2, ip -> ip.string(1)));
      return new SandboxStatus(
          in.string(1),
          SandboxMetadata.decode(in.message(2)),
          SandboxState.of(in.int32(3)),
          in.integer(4),
          List.copyOf(ips),
          NamespaceOption.decode(in.message(6).message(1).message(2)),
          in.map(7),
          in.map(8),
          in.string(9),
          info);
    }
  }

  /** Which sandboxes to list; empty id, null state and empty labels select all. */
  public record SandboxFilter(String id, @Nullable SandboxState state, Map<String, String> labels) {
    public static final SandboxFilter ALL = new SandboxFilter("", null, Map.of());

    void encode(ProtoWriter out) {
      out.string(1, id);
      if (state != null) {
        out.message(2, value -> value.integer(1, state.ordinal()));
      }
      out.map(3, labels);
    }
  }

  /** Resource limits of a container; 0 and "" mean not set. CPU period and quota in µs. */
  public record LinuxResources(
      long cpuPeriod,
      long cpuQuota,
      long cpuShares,
      long memoryLimit,
      long oomScoreAdj,
      String cpusetCpus,
      String cpusetMems,
      Map<String, Long> hugepageLimits,
      Map<String, String> unified,
      long memorySwapLimit) {
    public static final LinuxResources NONE =
        new LinuxResources(0, 0, 0, 0, 0, "", "", Map.of(), Map.of(), 0);

    void encode(ProtoWriter out) {
      out.integer(1, cpuPeriod)
          .integer(2, cpuQuota)
          .integer(3, cpuShares)
          .integer(4, memoryLimit)
          .integer(5, oomScoreAdj)
          .string(6, cpusetCpus)
          .string(7, cpusetMems);
      hugepageLimits.forEach(
          (size, limit) -> out.message(8, page -> page.string(1, size).integer(2, limit)));
      out.map(9, unified).integer(10, memorySwapLimit);
    }

    static LinuxResources decode(ProtoMessage in) {
      Map<String, Long> hugepages = new java.util.LinkedHashMap<>();
      in.messages(8, page -> hugepages.put(page.string(1), page.integer(2)));
      return new LinuxResources(
          in.integer(1),
          in.integer(2),
          in.integer(3),
          in.integer(4),
          in.integer(5),
          in.string(6),
          in.string(7),
          hugepages,
          in.map(9),
          in.integer(10));
    }
  }

  public record ContainerSecurityContext(
      List<String> addCapabilities,
      List<String> dropCapabilities,
      boolean privileged,
      NamespaceOption namespaceOptions,
      @Nullable SelinuxOption selinuxOptions,
      @Nullable Long runAsUser,
      @Nullable Long runAsGroup,
      String runAsUsername,
      boolean readonlyRootfs,
      List<Long> supplementalGroups,
      boolean strictSupplementalGroups,
      boolean noNewPrivs,
      List<String> maskedPaths,
      List<String> readonlyPaths,
      @Nullable SecurityProfile seccomp,
      @Nullable SecurityProfile apparmor) {
    public ContainerSecurityContext {
      addCapabilities = List.copyOf(addCapabilities);
      dropCapabilities = List.copyOf(dropCapabilities);
      supplementalGroups = List.copyOf(supplementalGroups);
      maskedPaths = List.copyOf(maskedPaths);
      readonlyPaths = List.copyOf(readonlyPaths);
    }

    void encode(ProtoWriter out) {
      if (!addCapabilities.isEmpty() || !dropCapabilities.isEmpty()) {
        out.message(1, inner -> inner.strings(1, addCapabilities).strings(2, dropCapabilities));
      }
      out.bool(2, privileged).message(3, namespaceOptions::encode);
      if (selinuxOptions != null) {
        out.message(4, selinuxOptions::encode);
      }
      out.integerValue(5, runAsUser)
          .string(6, runAsUsername)
          .bool(7, readonlyRootfs)
          .packed(8, supplementalGroups)
          .bool(11, noNewPrivs)
          .integerValue(12, runAsGroup)
          .strings(13, maskedPaths)
          .strings(14, readonlyPaths);
      if (seccomp != null) {
        out.message(15, seccomp::encode);
      }
      if (apparmor != null) {
        out.message(16, apparmor::encode);
      }
      out.bool(17, strictSupplementalGroups);
    }
  }

  public record Device(String containerPath, String hostPath, String permissions) {
    void encode(ProtoWriter out) {
      out.string(1, containerPath).string(2, hostPath).string(3, permissions);
    }
  }

  public record ContainerMetadata(String name, int attempt) {
    void encode(ProtoWriter out) {
      out.string(1, name).integer(2, attempt);
    }

    static ContainerMetadata decode(ProtoMessage in) {
      return new ContainerMetadata(in.string(1), in.int32(2));
    }
  }

  /** An environment variable. */
  public record KeyValue(String key, String value) {
    void encode(ProtoWriter out) {
      out.string(1, key).bytes(2, value.getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }
  }

  /** How to name an image: what to use, and what the user wrote. */
  public record ImageSpec(String image, String userSpecifiedImage) {
    public ImageSpec(String image) {
      this(image, "");
    }

    void encode(ProtoWriter out) {
      out.string(1, image).string(18, userSpecifiedImage);
    }

    static ImageSpec decode(ProtoMessage in) {
      return new ImageSpec(in.string(1), in.string(18));
    }
  }

  public record ContainerConfig(
      ContainerMetadata metadata,
      ImageSpec image,
      List<String> command,
      List<String> args,
      String workingDir,
      List<KeyValue> envs,
      List<Mount> mounts,
      List<Device> devices,
      Map<String, String> labels,
      Map<String, String> annotations,
      String logPath,
      boolean stdin,
      boolean stdinOnce,
      boolean tty,
      LinuxResources resources,
      ContainerSecurityContext securityContext) {
    public ContainerConfig {
      command = List.copyOf(command);
      args = List.copyOf(args);
      envs = List.copyOf(envs);
      mounts = List.copyOf(mounts);
      devices = List.copyOf(devices);
      labels = Map.copyOf(labels);
      annotations = Map.copyOf(annotations);
    }

    void encode(ProtoWriter out) {
      out.message(1, metadata::encode)
          .message(2, image::encode)
          .strings(3, command)
          .strings(4, args)
          .string(5, workingDir);
      envs.forEach(env -> out.message(6, env::encode));
      mounts.forEach(mount -> out.message(7, mount::encode));
      devices.forEach(device -> out.message(8, device::encode));
      out.map(9, labels)
          .map(10, annotations)
          .string(11, logPath)
          .bool(12, stdin)
          .bool(13, stdinOnce)
          .bool(14, tty)
          .message(
              15, linux -> linux.message(1, resources::encode).message(2, securityContext::encode));
    }
  }

  /** A container as it is listed. */
  public record Container(
      String id,
      String sandboxId,
      ContainerMetadata metadata,
      ImageSpec image,
      String imageRef,
      ContainerState state,
      long createdAt,
      Map<String, String> labels,
      Map<String, String> annotations) {
    static Container decode(ProtoMessage in) {
      return new Container(
          in.string(1),
          in.string(2),
          ContainerMetadata.decode(in.message(3)),
          ImageSpec.decode(in.message(4)),
          in.string(5),
          ContainerState.of(in.int32(6)),
          in.integer(7),
          in.map(8),
          in.map(9));
    }
  }

  /** Which containers to list; empty texts, null state and empty labels select all. */
  public record ContainerFilter(
      String id, @Nullable ContainerState state, String sandboxId, Map<String, String> labels) {
    public static final ContainerFilter ALL = new ContainerFilter("", null, "", Map.of());

    void encode(ProtoWriter out) {
      out.string(1, id);
      if (state != null) {
        out.message(2, value -> value.integer(1, state.ordinal()));
      }
      out.string(3, sandboxId).map(4, labels);
    }
  }

  /** A container in detail. {@code startedAt} and {@code finishedAt} are 0 before they happen. */
  public record ContainerStatus(
      String id,
      ContainerMetadata metadata,
      ContainerState state,
      long createdAt,
      long startedAt,
      long finishedAt,
      int exitCode,
      ImageSpec image,
      String imageRef,
      String reason,
      String message,
      Map<String, String> labels,
      Map<String, String> annotations,
      List<Mount> mounts,
      String logPath,
      LinuxResources resources,
      Map<String, String> info) {
    static ContainerStatus decode(ProtoMessage in, Map<String, String> info) {
      return new ContainerStatus(
          in.string(1),
          ContainerMetadata.decode(in.message(2)),
          ContainerState.of(in.int32(3)),
          in.integer(4),
          in.integer(5),
          in.integer(6),
          in.int32(7),
          ImageSpec.decode(in.message(8)),
          in.string(9),
          in.string(10),
          in.string(11),
          in.map(12),
          in.map(13),
          in.messages(14, Mount::decode),
          in.string(15),
          LinuxResources.decode(in.message(16).message(1)),
          info);
    }
  }

  /** What a command that ran to its end left. */
  public record ExecResult(byte[] stdout, byte[] stderr, int exitCode) {
    static ExecResult decode(ProtoMessage in) {
      return new ExecResult(in.bytes(1), in.bytes(2), in.int32(3));
    }
  }

  /** An image. {@code uid} is null where the image names a user instead. */
  public record Image(
      String id,
      List<String> repoTags,
      List<String> repoDigests,
      long size,
      @Nullable Long uid,
      String username,
      boolean pinned) {
    static Image decode(ProtoMessage in) {
      return new Image(
          in.string(1),
          in.strings(2),
          in.strings(3),
          in.integer(4),
          in.integerValue(5),
          in.string(6),
          in.bool(8));
    }
  }

  /** Credentials for a registry; empty fields are not used. */
  public record AuthConfig(
      String username,
      String password,
      String auth,
      String serverAddress,
      String identityToken,
      String registryToken) {
    void encode(ProtoWriter out) {
      out.string(1, username)
          .string(2, password)
          .string(3, auth)
          .string(4, serverAddress)
          .string(5, identityToken)
          .string(6, registryToken);
    }

    @Override
    public String toString() {
      return "AuthConfig[username=" + username + ", serverAddress=" + serverAddress + "]";
    }
  }

  public record FilesystemUsage(
      long timestamp, String mountpoint, long usedBytes, long inodesUsed) {
    static FilesystemUsage decode(ProtoMessage in) {
      return new FilesystemUsage(
          in.integer(1),
          in.message(2).string(1),
          in.message(3).integer(1),
          in.message(4).integer(1));
    }
  }

  public record CpuUsage(long timestamp, long usageCoreNanoSeconds, long usageNanoCores) {
    static CpuUsage decode(ProtoMessage in) {
      return new CpuUsage(in.integer(1), in.message(2).integer(1), in.message(3).integer(1));
    }
  }

  public record MemoryUsage(
      long timestamp,
      long workingSetBytes,
      long availableBytes,
      long usageBytes,
      long rssBytes,
      long pageFaults,
      long majorPageFaults) {
    static MemoryUsage decode(ProtoMessage in) {
      return new MemoryUsage(
          in.integer(1),
          in.message(2).integer(1),
          in.message(3).integer(1),
          in.message(4).integer(1),
          in.message(5).integer(1),
          in.message(6).integer(1),
          in.message(7).integer(1));
    }
  }

  public record ContainerStats(
      String id,
      ContainerMetadata metadata,
      Map<String, String> labels,
      CpuUsage cpu,
      MemoryUsage memory,
      FilesystemUsage writableLayer) {
    static ContainerStats decode(ProtoMessage in) {
      ProtoMessage attributes = in.message(1);
      return new ContainerStats(
          attributes.string(1),
          ContainerMetadata.decode(attributes.message(2)),
          attributes.map(3),
          CpuUsage.decode(in.message(2)),
          MemoryUsage.decode(in.message(3)),
          FilesystemUsage.decode(in.message(4)));
    }
  }

  public record NetworkInterfaceUsage(
      String name, long rxBytes, long rxErrors, long txBytes, long txErrors) {
    static NetworkInterfaceUsage decode(ProtoMessage in) {
      return new NetworkInterfaceUsage(
          in.string(1),
          in.message(2).integer(1),
          in.message(3).integer(1),
          in.message(4).integer(1),
          in.message(5).integer(1));
    }
  }

  public record SandboxStats(
      String id,
      SandboxMetadata metadata,
      CpuUsage cpu,
      MemoryUsage memory,
      NetworkInterfaceUsage network,
      long processCount,
      List<ContainerStats> containers) {
    static SandboxStats decode(ProtoMessage in) {
      ProtoMessage attributes = in.message(1);
      ProtoMessage linux = in.message(2);
      return new SandboxStats(
          attributes.string(1),
          SandboxMetadata.decode(attributes.message(2)),
          CpuUsage.decode(linux.message(1)),
          MemoryUsage.decode(linux.message(2)),
          NetworkInterfaceUsage.decode(linux.message(3).message(2)),
          linux.message(4).message(2).integer(1),
          linux.messages(5, ContainerStats::decode));
    }
  }

  /** A container's change as a runtime with CRI events reports it. */
  public record ContainerEvent(
      String containerId, ContainerEventType type, long createdAt, String sandboxId) {
    static ContainerEvent decode(ProtoMessage in) {
      int type = in.int32(2);
      return new ContainerEvent(
          in.string(1),
          type >= 0 && type < 4 ? ContainerEventType.values()[type] : ContainerEventType.STOPPED,
          in.integer(3),
          in.message(4).string(1));
    }
  }
}
