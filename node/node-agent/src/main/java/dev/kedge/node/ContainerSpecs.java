package dev.kedge.node;

import dev.kedge.cri.Cri;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Quantity;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Translates a pod's spec into what CRI takes. Stateless apart from the files that it writes. */
final class ContainerSpecs {
  private static final List<String> MASKED =
      List.of(
          "/proc/asound",
          "/proc/acpi",
          "/proc/interrupts",
          "/proc/kcore",
          "/proc/keys",
          "/proc/latency_stats",
          "/proc/timer_list",
          "/proc/timer_stats",
          "/proc/sched_debug",
          "/proc/scsi",
          "/sys/firmware",
          "/sys/devices/virtual/powercap");
  private static final List<String> READONLY =
      List.of("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger");

  private final NodeServices node;
  private final Dns dns;

  ContainerSpecs(NodeServices node) {
    this.node = node;
    this.dns = new Dns(node.settings());
  }

  Dns dns() {
    return dns;
  }

  static Path logDirectory(NodeSettings settings, KubeObject pod) {
    return settings.podLogs().resolve(pod.namespace() + "_" + pod.name() + "_" + pod.uid());
  }

  static Path podDirectory(NodeSettings settings, String uid) {
    return settings.podsDirectory().resolve(uid);
  }

  private static Map<String, String> podLabels(KubeObject pod) {
    Map<String, String> labels = new LinkedHashMap<>();
    labels.put(Pods.NAME_LABEL, pod.name());
    labels.put(Pods.NAMESPACE_LABEL, pod.namespace());
    labels.put(Pods.UID_LABEL, pod.uid());
    return labels;
  }

  private static Cri.NamespaceOption namespaces(KubeObject pod) {
    JsonObject spec = pod.spec();
    return new Cri.NamespaceOption(
        spec.flag("hostNetwork") ? Cri.NamespaceMode.NODE : Cri.NamespaceMode.POD,
        spec.flag("hostPID")
            ? Cri.NamespaceMode.NODE
            : spec.flag("shareProcessNamespace")
                ? Cri.NamespaceMode.POD
                : Cri.NamespaceMode.CONTAINER,
        spec.flag("hostIPC") ? Cri.NamespaceMode.NODE : Cri.NamespaceMode.POD,
        "");
  }

  private static Cri.NamespaceOption containerNamespaces(KubeObject pod, String targetId) {
    Cri.NamespaceOption shared = namespaces(pod);
    return targetId.isEmpty()
        ? shared
        : new Cri.NamespaceOption(
            shared.network(), Cri.NamespaceMode.TARGET, shared.ipc(), targetId);
  }

  private static @Nullable Long number(JsonObject object, String name) {
    return object.has(name) ? (Long) object.integer(name) : null;
  }

  private static List<Long> supplementalGroups(JsonObject podContext) {
    List<Long> groups = new ArrayList<>();
    podContext
        .array("supplementalGroups")
        .items()
        .forEach(
            item -> {
              if (item instanceof dev.kedge.model.JsonInteger number) {
                groups.add(number.value());
              }
            });
    if (podContext.has("fsGroup")) {
      groups.add(podContext.integer("fsGroup"));
    }
    return groups;
  }

  private static Cri.@Nullable SelinuxOption selinux(JsonObject context) {
    JsonObject options = context.object("seLinuxOptions");
    return options.isEmpty()
        ? null
        : new Cri.SelinuxOption(
            options.text("user"),
            options.text("role"),
            options.text("type"),
            options.text("level"));
  }

  private Cri.SecurityProfile seccomp(JsonObject podContext, JsonObject context) {
    JsonObject profile =
        context.has("seccompProfile")
            ? context.object("seccompProfile")
            : podContext.object("seccompProfile");
    return switch (profile.text("type")) {
      case "RuntimeDefault" -> new Cri.SecurityProfile(Cri.ProfileType.RUNTIME_DEFAULT, "");
      case "Localhost" ->
          new Cri.SecurityProfile(
              Cri.ProfileType.LOCALHOST,
              node.settings()
                  .agentDirectory()
                  .resolve("seccomp")
                  .resolve(profile.text("localhostProfile"))
                  .toString());
      default -> new Cri.SecurityProfile(Cri.ProfileType.UNCONFINED, "");
    };
  }

  private static Cri.@Nullable SecurityProfile apparmor(JsonObject podContext, JsonObject context) {
    JsonObject profile =
        context.has("appArmorProfile")
            ? context.object("appArmorProfile")
            : podContext.object("appArmorProfile");
    return switch (profile.text("type")) {
      case "RuntimeDefault" -> new Cri.SecurityProfile(Cri.ProfileType.RUNTIME_DEFAULT, "");
      case "Unconfined" -> new Cri.SecurityProfile(Cri.ProfileType.UNCONFINED, "");
      case "Localhost" ->
          new Cri.SecurityProfile(Cri.ProfileType.LOCALHOST, profile.text("localhostProfile"));
      default -> null;
    };
  }

  /** The sandbox of a pod. */
  Cri.SandboxConfig sandbox(KubeObject pod, int attempt) throws IOException {
    JsonObject context = pod.spec().object("securityContext");
    // An ephemeral container comes later than the sandbox, but is created with this.
    boolean privileged =
        Stream.concat(Pods.all(pod).stream(), Pods.ephemeralContainers(pod).stream())
            .anyMatch(c -> c.flag("securityContext", "privileged"));
    Map<String, String> sysctls = new LinkedHashMap<>();
    for (JsonObject sysctl : context.objects("sysctls")) {
      sysctls.put(sysctl.text("name"), sysctl.text("value"));
    }
    Map<String, String> labels = new LinkedHashMap<>(pod.labels());
    labels.putAll(podLabels(pod));
    Map<String, String> annotations = new LinkedHashMap<>(pod.annotations());
    annotations.put("kubernetes.io/config.source", "api");
    annotations.put("kubernetes.io/config.seen", node.clock().instant().toString());
    List<Cri.PortMapping> ports = new ArrayList<>();
    if (!Pods.hostNetwork(pod)) {
      for (Pods.HostPort port : Pods.hostPorts(pod)) {
        ports.add(
            new Cri.PortMapping(
                Cri.Protocol.valueOf(port.protocol()),
                port.containerPort(),
                port.hostPort(),
                port.hostIp()));
      }
    }
    return new Cri.SandboxConfig(
        new Cri.SandboxMetadata(pod.name(), pod.uid(), pod.namespace(), attempt),
        dns.hostname(pod),
        logDirectory(node.settings(), pod).toString(),
        dns.config(pod),
        ports,
        labels,
        annotations,
        new Cri.LinuxSandbox(
            node.cgroups().podPath(Pods.qosClass(pod), pod.uid()),
            new Cri.SandboxSecurityContext(
                namespaces(pod),
                selinux(context),
                number(context, "runAsUser"),
                number(context, "runAsGroup"),
                false,
                supplementalGroups(context),
                context.text("supplementalGroupsPolicy").equals("Strict"),
                privileged,
                new Cri.SecurityProfile(Cri.ProfileType.RUNTIME_DEFAULT, ""),
                null),
            sysctls,
            Cri.LinuxResources.NONE,
            Cri.LinuxResources.NONE));
  }

  /** Limits for the pod's cgroup. */
  static Cgroups.PodLimits podLimits(KubeObject pod) {
    long shares = shares(Pods.request(pod, "cpu"));
    long memory = 0;
    long quota = 0;
    boolean allMemory = true;
    boolean allCpu = true;
    for (JsonObject container : Pods.containers(pod)) {
      Quantity limit = Pods.quantity(container, "limits", "memory");
      allMemory &= !limit.isZero();
      memory += limit.units();
      Quantity cpu = Pods.quantity(container, "limits", "cpu");
      allCpu &= !cpu.isZero();
      quota += cpu.milli() * 100;
    }
    for (JsonObject container : Pods.initContainers(pod)) {
      Quantity limit = Pods.quantity(container, "limits", "memory");
      Quantity cpu = Pods.quantity(container, "limits", "cpu");
      allMemory &= !limit.isZero();
      allCpu &= !cpu.isZero();
      if (Pods.isSidecar(container)) {
        memory += limit.units();
        quota += cpu.milli() * 100;
      } else {
        memory = Math.max(memory, limit.units());
        quota = Math.max(quota, cpu.milli() * 100);
      }
    }
    Quantity wholeCpu = Pods.quantity(pod.spec(), "limits", "cpu");
    Quantity wholeMemory = Pods.quantity(pod.spec(), "limits", "memory");
    return new Cgroups.PodLimits(
        shares,
        wholeCpu.isZero() ? allCpu ? quota : 0 : wholeCpu.milli() * 100,
        wholeMemory.isZero() ? allMemory ? memory : 0 : wholeMemory.units());
  }

  private static long shares(Quantity cpu) {
    return Math.clamp(cpu.milli() * 1024 / 1000, 2, 262144);
  }

  /** What a container is given of the machine. */
  Cri.LinuxResources resources(KubeObject pod, JsonObject container) {
    Quantity cpuLimit = Pods.quantity(container, "limits", "cpu");
    Quantity memoryLimit = Pods.quantity(container, "limits", "memory");
    Map<String, String> unified =
        node.cgroups().unified() ? Map.of("memory.oom.group", "1") : Map.of();
    return new Cri.LinuxResources(
        cpuLimit.isZero() ? 0 : 100_000,
        cpuLimit.isZero() ? 0 : Math.max(1000, cpuLimit.milli() * 100),
        shares(Pods.request(container, "cpu")),
        memoryLimit.units(),
        oomScore(pod, container),
        "",
        "",
        hugepages(container),
        unified,
        node.cgroups().unified() ? memoryLimit.units() : 0);
  }

  /** Limits by page size, as cgroups name it: 2MB for {@code hugepages-2Mi}. */
  private static Map<String, Long> hugepages(JsonObject container) {
    Map<String, Long> limits = new LinkedHashMap<>();
    container
        .object("resources", "limits")
        .forEach(
            (name, amount) -> {
              if (name.startsWith("hugepages-")) {
                limits.put(
                    name.substring("hugepages-".length()).replace("i", "B"),
                    Quantity.of(amount).units());
              }
            });
    return limits;
  }

  private long oomScore(KubeObject pod, JsonObject container) {
    return switch (Pods.qosClass(pod)) {
      case "Guaranteed" -> -997;
      case "BestEffort" -> 1000;
      default -> {
        long capacity = Math.max(1, node.machine().allocatable("memory").units());
        long score = 1000 - 1000 * Pods.request(container, "memory").units() / capacity;
        yield Math.clamp(score, 3, 999);
      }
    };
  }

  /**
   * The configuration of a container.
   *
   * @param targetId the container whose processes an ephemeral container sees; empty for none
   * @throws Environment.ConfigException when it cannot be configured as the spec wants it
   */
  Cri.ContainerConfig container(
      KubeObject pod,
      JsonObject container,
      int attempt,
      Cri.Image image,
      List<String> podIps,
      Volumes volumes,
      String targetId)
      throws Environment.ConfigException, IOException, InterruptedException {
    String name = container.text("name");
    if (!container.array("volumeDevices").isEmpty()) {
      throw new Environment.ConfigException(
          "volumeDevices: block volumes are not supported by this node");
    }
    JsonObject podContext = pod.spec().object("securityContext");
    JsonObject context = container.object("securityContext");
    Map<String, String> variables = new Environment(node, pod, podIps).variables(container);
    checkUser(podContext, context, image, name);
    List<Cri.Mount> mounts = new ArrayList<>(volumes.mounts(pod, container, variables));
    addHostsFile(pod, podIps, mounts);
    String terminationPath =
        container.text("terminationMessagePath").isEmpty()
            ? "/dev/termination-log"
            : container.text("terminationMessagePath");
    Path terminationLog = terminationLog(node.settings(), pod.uid(), name, attempt);
    if (mounts.stream().noneMatch(mount -> mount.containerPath().equals(terminationPath))) {
      Files.createDirectories(
          podDirectory(node.settings(), pod.uid()).resolve("containers").resolve(name));
      Files.deleteIfExists(terminationLog);
      Files.createFile(terminationLog);
      Files.setPosixFilePermissions(terminationLog, Volumes.permissions(0666));
      mounts.add(mount(terminationPath, terminationLog));
    }
    Path logs = logDirectory(node.settings(), pod).resolve(name);
    Files.createDirectories(logs);
    Map<String, String> labels = podLabels(pod);
    labels.put(Pods.CONTAINER_LABEL, name);
    Map<String, String> annotations = new LinkedHashMap<>();
    annotations.put(Pods.HASH, Pods.hash(container));
    annotations.put(Pods.RESTART_COUNT, "" + attempt);
    annotations.put("io.kubernetes.container.terminationMessagePath", terminationPath);
    annotations.put(
        "io.kubernetes.container.terminationMessagePolicy",
        container.text("terminationMessagePolicy").isEmpty()
            ? "File"
            : container.text("terminationMessagePolicy"));
    annotations.put(
        "io.kubernetes.pod.terminationGracePeriod",
        "" + pod.spec().integerOr(30, "terminationGracePeriodSeconds"));
    if (!container.objects("ports").isEmpty()) {
      annotations.put("io.kubernetes.container.ports", Json.write(container.array("ports")));
    }
    boolean privileged = context.flag("privileged");
    boolean masked = !privileged && !context.text("procMount").equals("Unmasked");
    Long user = user(podContext, context);
    Long group =
        context.has("runAsGroup")
            ? number(context, "runAsGroup")
            : number(podContext, "runAsGroup");
    // A group needs a user beside it; the image's own is meant.
    boolean imageUser = user == null && group != null;
    return new Cri.ContainerConfig(
        new Cri.ContainerMetadata(name, attempt),
        new Cri.ImageSpec(image.id(), container.text("image")),
        container.strings("command").stream()
            .map(word -> Environment.expand(word, variables))
            .toList(),
        container.strings("args").stream()
            .map(word -> Environment.expand(word, variables))
            .toList(),
        container.text("workingDir"),
        variables.entrySet().stream()
            .map(entry -> new Cri.KeyValue(entry.getKey(), entry.getValue()))
            .toList(),
        mounts,
        List.of(),
        labels,
        annotations,
        name + "/" + attempt + ".log",
        container.flag("stdin"),
        container.flag("stdinOnce"),
        container.flag("tty"),
        resources(pod, container),
        new Cri.ContainerSecurityContext(
            context.strings("capabilities", "add"),
            context.strings("capabilities", "drop"),
            privileged,
            containerNamespaces(pod, targetId),
            selinux(context.has("seLinuxOptions") ? context : podContext),
            imageUser ? (image.uid() == null ? Long.valueOf(0) : image.uid()) : user,
            group,
            user == null && !imageUser ? image.username() : "",
            context.flag("readOnlyRootFilesystem"),
            supplementalGroups(podContext),
            podContext.text("supplementalGroupsPolicy").equals("Strict"),
            context.has("allowPrivilegeEscalation") && !context.flag("allowPrivilegeEscalation"),
            masked ? MASKED : List.of(),
            masked ? READONLY : List.of(),
            privileged
                ? new Cri.SecurityProfile(Cri.ProfileType.UNCONFINED, "")
                : seccomp(podContext, context),
            apparmor(podContext, context)));
  }

  static Path terminationLog(NodeSettings settings, String uid, String name, int attempt) {
    return podDirectory(settings, uid).resolve("containers").resolve(name).resolve("" + attempt);
  }

  private static @Nullable Long user(JsonObject podContext, JsonObject context) {
    return context.has("runAsUser")
        ? number(context, "runAsUser")
        : number(podContext, "runAsUser");
  }

  private static void checkUser(
      JsonObject podContext, JsonObject context, Cri.Image image, String name)
      throws Environment.ConfigException {
    boolean nonRoot =
        context.has("runAsNonRoot")
            ? context.flag("runAsNonRoot")
            : podContext.flag("runAsNonRoot");
    if (!nonRoot) {
      return;
    }
    Optional<Long> user = Optional.ofNullable(user(podContext, context));
    if (user.isPresent()) {
      if (user.get() == 0) {
        throw new Environment.ConfigException(
            "container's runAsUser breaks non-root policy (container: " + name + ")");
      }
    } else if (image.uid() != null && image.uid() == 0
        || image.uid() == null && image.username().isEmpty()) {
      throw new Environment.ConfigException(
          "container has runAsNonRoot and image will run as root (container: " + name + ")");
    } else if (image.uid() == null) {
      throw new Environment.ConfigException(
          "container has runAsNonRoot and image has non-numeric user ("
              + image.username()
              + "), cannot verify user is non-root (container: "
              + name
              + ")");
    }
  }

  private void addHostsFile(KubeObject pod, List<String> podIps, List<Cri.Mount> mounts)
      throws IOException {
    if (mounts.stream().anyMatch(mount -> mount.containerPath().equals("/etc/hosts"))) {
      return;
    }
    Path file = podDirectory(node.settings(), pod.uid()).resolve("etc-hosts");
    Files.createDirectories(podDirectory(node.settings(), pod.uid()));
    Files.writeString(file, dns.hosts(pod, podIps));
    Files.setPosixFilePermissions(file, Volumes.permissions(0644));
    mounts.add(mount("/etc/hosts", file));
  }

  private static Cri.Mount mount(String containerPath, Path hostPath) {
    return new Cri.Mount(
        containerPath, hostPath.toString(), false, false, Cri.MountPropagation.PRIVATE, false);
  }
}
