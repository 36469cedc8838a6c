package dev.kedge.network.pods;

import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The pods' network on one node: a bridge that CNI's plugins make with the first pod, addresses
 * from the node's part of the cluster CIDR, forwarding, and masquerading of what leaves the
 * cluster.
 *
 * <p>{@link #start} may be called over what an earlier run left; pods keep running when the server
 * stops, so only {@link #remove} takes anything away.
 */
public final class PodNetwork {
  /** The bridge's name on the node. */
  public static final String BRIDGE = "kedge0";

  private static final Logger LOG = System.getLogger("dev.kedge.network.pods");
  private static final String NETWORK = "kedge";
  private static final String CONFIGURATION = "10-kedge.conflist";
  private static final Pattern HANDLE = Pattern.compile("# handle (\\d+)$");

  private final Settings settings;
  private final HostCommands host;

  public PodNetwork(Settings settings) {
    this(settings, HostCommands.HERE);
  }

  PodNetwork(Settings settings, HostCommands host) {
    this.settings = settings;
    this.host = host;
  }

  /**
   * What the network is to be.
   *
   * @param configurationDirectory where the container runtime looks for CNI configurations
   * @param stateDirectory where the address leases are kept; belongs to this network
   * @param nodeCidr the node's pod addresses, such as {@code 10.42.0.0/24} (IPv4)
   * @param clusterCidr all pods' addresses, such as {@code 10.42.0.0/16}
   */
  public record Settings(
      Path configurationDirectory, Path stateDirectory, String nodeCidr, String clusterCidr) {
    /**
     * @throws IllegalArgumentException for IPv6, which is not supported yet
     */
    public Settings {
      if (nodeCidr.contains(":") || clusterCidr.contains(":")) {
        throw new IllegalArgumentException(
            "IPv6 is not supported yet: cluster CIDR " + clusterCidr + ", node's " + nodeCidr);
      }
    }
  }

  /**
   * Sets the kernel and the firewall up and writes the CNI configuration, last of all: from then on
   * the runtime can start pods.
   *
   * @throws IllegalStateException if the kernel or nft refuses
   * @throws UncheckedIOException if the configuration cannot be written
   */
  public void start() throws InterruptedException {
    if (!host.sysctl("net/ipv4/ip_forward", "1")) {
      throw new IllegalStateException(
          "cannot set net.ipv4.ip_forward: kedge must run as root and may write /proc/sys");
    }
    filterBridgedPackets();
    host.require(rules(), "nft", "-f", "-");
    openForwardChain();
    writeConfiguration();
  }

  /** Takes away the bridge, the leases, the rules and the configuration; pods must be gone. */
  public void remove() throws InterruptedException {
    host.run("", "ip", "link", "delete", BRIDGE);
    host.require("table ip kedge-pods {}\ndelete table ip kedge-pods\n", "nft", "-f", "-");
    closeForwardChain();
    try {
      Files.deleteIfExists(settings.configurationDirectory().resolve(CONFIGURATION));
      deleteTree(settings.stateDirectory());
      deleteResults(Path.of("/var/lib/cni/results"));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot remove the pod network's files", e);
    }
  }

  /**
   * Packets between two pods of the node stay on the bridge; for answers of a Service to find their
   * way back they must be seen by connection tracking all the same.
   */
  private void filterBridgedPackets() throws InterruptedException {
    String path = "net/bridge/bridge-nf-call-iptables";
    if (!host.sysctl(path, "1")) {
      HostCommands.Output loaded = host.run("", "modprobe", "br_netfilter");
      if (!host.sysctl(path, "1")) {
        LOG.log(
            Level.WARNING,
            "the kernel has no br_netfilter ({0}): a pod cannot reach a Service whose endpoint is"
                + " another pod of this node",
            loaded.error().strip());
      }
    }
  }

  private String rules() {
    return """
    table ip kedge-pods {}
    delete table ip kedge-pods
    table ip kedge-pods {
      chain forward {
        type filter hook forward priority filter; policy accept;
        ip saddr %1$s accept
        ip daddr %1$s accept
      }
      chain postrouting {
        type nat hook postrouting priority srcnat + 10; policy accept;
        ip saddr %1$s ip daddr != { %2$s, 224.0.0.0/4 } masquerade fully-random
      }
    }
    """
        .formatted(settings.nodeCidr(), settings.clusterCidr());
  }

  /**
   * Where another tool, Docker for one, has the machine drop forwarded packets, accepting them in
   * our table does not help: what one table drops is dropped. So the pods are let through there.
   */
  private void openForwardChain() throws InterruptedException {
    HostCommands.Output chain = host.run("", "nft", "list", "chain", "ip", "filter", "FORWARD");
    if (!chain.out().contains("policy drop") || chain.out().contains(comment())) {
      return;
    }
    for (String side : List.of("saddr", "daddr")) {
      host.require(
          "insert rule ip filter FORWARD ip "
              + side
              + " "
              + settings.nodeCidr()
              + " accept comment "
              + comment()
              + "\n",
          "nft",
          "-f",
          "-");
    }
  }

  private void closeForwardChain() throws InterruptedException {
    HostCommands.Output chain =
        host.run("", "nft", "-a", "list", "chain", "ip", "filter", "FORWARD");
    for (String line : chain.out().lines().toList()) {
      Matcher handle = HANDLE.matcher(line.strip());
      if (line.contains(comment()) && handle.find()) {
        host.require(
            "", "nft", "delete", "rule", "ip", "filter", "FORWARD", "handle", handle.group(1));
      }
    }
  }

  private static String comment() {
    return "\"kedge-pods\"";
  }

  private void writeConfiguration() throws InterruptedException {
    JsonObject ipam =
        JsonObject.of(
            "type",
            "host-local",
            "dataDir",
            settings.stateDirectory().toString(),
            "ranges",
            JsonArray.of((Object) JsonArray.of(JsonObject.of("subnet", settings.nodeCidr()))));
    // Hairpin: a pod reaches itself through its own Service. Host ports are no matter of CNI here.
    JsonObject bridge =
        JsonObject.of(
            "type",
            "bridge",
            "bridge",
            BRIDGE,
            "isGateway",
            true,
            "isDefaultGateway",
            true,
            "forceAddress",
            true,
            "hairpinMode",
            true,
            "mtu",
            mtu(),
            "ipam",
            ipam);
    JsonObject configuration =
        JsonObject.of(
            "cniVersion", "1.0.0", "name", NETWORK, "plugins", JsonArray.of((Object) bridge));
    Path directory = settings.configurationDirectory();
    try {
      Files.createDirectories(settings.stateDirectory());
      Files.createDirectories(directory);
      Path part = directory.resolve(CONFIGURATION + ".part");
      Files.write(part, Json.bytes(configuration));
      // The runtime watches the directory and must never read half a file.
      Files.move(
          part,
          directory.resolve(CONFIGURATION),
          StandardCopyOption.ATOMIC_MOVE,
          StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write the CNI configuration in " + directory, e);
    }
  }

  /** The packet size of the way out, which may be less than Ethernet's in clouds and tunnels. */
  private int mtu() throws InterruptedException {
    Matcher device =
        Pattern.compile("\\bdev (\\S+)")
            .matcher(host.run("", "ip", "-4", "route", "show", "default").out());
    if (!device.find()) {
      return 1500;
    }
    Matcher mtu =
        Pattern.compile("\\bmtu (\\d+)")
            .matcher(host.run("", "ip", "link", "show", "dev", device.group(1)).out());
    return mtu.find() ? Math.min(1500, Integer.parseInt(mtu.group(1))) : 1500;
  }

  private static void deleteTree(Path root) throws IOException {
    if (!Files.exists(root)) {
      return;
    }
    try (Stream<Path> paths = Files.walk(root)) {
      for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    }
  }

  /** What the CNI library remembers of pods in this network. */
  private static void deleteResults(Path directory) throws IOException {
    if (!Files.isDirectory(directory)) {
      return;
    }
    try (DirectoryStream<Path> results = Files.newDirectoryStream(directory, NETWORK + "-*")) {
      for (Path result : results) {
        String text = Files.readString(result, StandardCharsets.UTF_8);
        if (text.contains("\"" + NETWORK + "\"")) {
          Files.delete(result);
        }
      }
    }
  }
}
