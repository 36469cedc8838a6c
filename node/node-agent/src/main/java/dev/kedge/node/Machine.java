package dev.kedge.node;

import dev.kedge.model.JsonObject;
import dev.kedge.model.Quantity;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;

/** What the machine has and who it is, read from /proc and /sys. */
final class Machine {
  private static final Path UNKNOWN = Path.of("/");
  private final Map<String, Quantity> capacity = new LinkedHashMap<>();

  Machine(NodeSettings settings) throws IOException {
    capacity.put("cpu", Quantity.of(processors()));
    Path disk = Files.isDirectory(settings.dataDirectory()) ? settings.dataDirectory() : UNKNOWN;
    capacity.put("ephemeral-storage", kibibytes(Files.getFileStore(disk).getTotalSpace() / 1024));
    Path hugepages = Path.of("/sys/kernel/mm/hugepages");
    if (Files.isDirectory(hugepages)) {
      try (Stream<Path> sizes = Files.list(hugepages)) {
        for (Path size : sizes.sorted().toList()) {
          long kilobytes = Long.parseLong(size.getFileName().toString().replaceAll("[^0-9]", ""));
          long pages = Cgroups.readNumber(size.resolve("nr_hugepages"));
          Quantity bytes =
              new Quantity(
                  BigDecimal.valueOf(Math.max(0, pages) * kilobytes * 1024),
                  Quantity.Format.BINARY_SI);
          String name =
              kilobytes >= 1 << 20
                  ? kilobytes / (1 << 20) + "Gi"
                  : kilobytes >= 1 << 10 ? kilobytes / (1 << 10) + "Mi" : kilobytes + "Ki";
          capacity.put("hugepages-" + name, bytes);
        }
      }
    }
    capacity.put("memory", kibibytes(memory("MemTotal") / 1024));
    capacity.put("pods", Quantity.of(settings.maxPods()));
  }

  /** The machine's processors; the JVM's count may be that of kedge's own cgroup. */
  private static int processors() throws IOException {
    Path online = Path.of("/sys/devices/system/cpu/online");
    if (!Files.exists(online)) {
      return Runtime.getRuntime().availableProcessors();
    }
    int count = 0;
    for (String range : Cgroups.readKernelFile(online).split(",")) {
      String[] ends = range.split("-");
      count += Integer.parseInt(ends[ends.length - 1]) - Integer.parseInt(ends[0]) + 1;
    }
    return count;
  }

  private static Quantity kibibytes(long kibibytes) {
    return new Quantity(BigDecimal.valueOf(kibibytes * 1024), Quantity.Format.BINARY_SI);
  }

  /** Whether the kernel can confine processes by AppArmor profiles. */
  static boolean hasAppArmor() {
    try {
      return Cgroups.readKernelFile(Path.of("/sys/module/apparmor/parameters/enabled"))
          .startsWith("Y");
    } catch (IOException _) {
      return false; // built without it
    }
  }

  /** A value of /proc/meminfo in bytes; 0 where it is not told. */
  static long memory(String name) throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/meminfo"))) {
      if (line.startsWith(name + ":")) {
        return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
      }
    }
    return 0;
  }

  /** What the node gives of a resource; zero for one it does not have. */
  Quantity allocatable(String resource) {
    Quantity amount = capacity.get(resource);
    return amount == null ? Quantity.ZERO : amount;
  }

  /** All resources in their canonical form. */
  JsonObject resources() {
    JsonObject.Builder out = JsonObject.builder();
    capacity.forEach((name, amount) -> out.put(name, amount.toString()));
    return out.build();
  }

  /** The Node's {@code nodeInfo}. */
  JsonObject info(NodeSettings settings, String runtime) throws IOException {
    return JsonObject.of(
        "machineID",
        first("/etc/machine-id", "/var/lib/dbus/machine-id"),
        "systemUUID",
        first("/sys/class/dmi/id/product_uuid", "/etc/machine-id"),
        "bootID",
        first("/proc/sys/kernel/random/boot_id"),
        "kernelVersion",
        first("/proc/sys/kernel/osrelease"),
        "osImage",
        osImage(),
        "containerRuntimeVersion",
        runtime,
        "kubeletVersion",
        settings.version(),
        "kubeProxyVersion",
        "",
        "operatingSystem",
        "linux",
        "architecture",
        PauseImage.architecture());
  }

  private static String first(String... files) {
    for (String file : files) {
      try {
        String text = Cgroups.readKernelFile(Path.of(file));
        if (!text.isEmpty()) {
          return text;
        }
      } catch (IOException e) {
        System.getLogger("dev.kedge.node").log(System.Logger.Level.DEBUG, "no " + file, e);
      }
    }
    return "";
  }

  private static String osImage() throws IOException {
    for (String file : new String[] {"/etc/os-release", "/usr/lib/os-release"}) {
      if (Files.exists(Path.of(file))) {
        for (String line : Files.readAllLines(Path.of(file), StandardCharsets.UTF_8)) {
          if (line.startsWith("PRETTY_NAME=")) {
            return line.substring(12).replace("\"", "");
          }
        }
      }
    }
    return "Linux";
  }
}
