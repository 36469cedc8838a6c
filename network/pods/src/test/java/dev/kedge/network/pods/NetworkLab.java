package dev.kedge.network.pods;

import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/**
 * A node, its pods and an outside world, each in a network namespace of its own: real CNI plugins,
 * real nftables, nothing of the machine's own network touched. The node is {@link #NODE} towards
 * the outside, which is {@link #OUTSIDE}.
 */
public final class NetworkLab implements AutoCloseable {
  public static final String NODE = "192.168.77.1";
  public static final String OUTSIDE = "192.168.77.2";
  public static final String NODE_CIDR = "10.42.0.0/24";
  public static final String CLUSTER_CIDR = "10.42.0.0/16";

  private static final Path PLUGINS = Path.of("/usr/lib/cni");

  private final String name = "kst" + Long.toString(System.nanoTime() & 0xffffffL, 36);
  private final List<String> namespaces = new ArrayList<>();
  private final List<Process> servers = new ArrayList<>();
  private final Map<String, String> pods = new HashMap<>();
  private final Path directory;
  private final PodNetwork network;

  /** Makes the namespaces and starts the pod network; skips the test where that cannot be. */
  public NetworkLab(Path directory) throws Exception {
    Assumptions.assumeTrue(
        "root".equals(System.getProperty("user.name")), "network namespaces need root");
    Assumptions.assumeTrue(
        Files.exists(PLUGINS.resolve("bridge")), "containernetworking-plugins is not installed");
    Assumptions.assumeTrue(Files.exists(Path.of("/usr/sbin/nft")), "nftables is not installed");
    Assumptions.assumeTrue(Files.exists(Path.of("/bin/busybox")), "busybox is not installed");
    this.directory = directory;
    network = new PodNetwork(settings(), node());
    try {
      addNamespace("node");
      addNamespace("outside");
      String node = namespace("node");
      String outside = namespace("outside");
      HostCommands here = HostCommands.HERE;
      here.require(
          "", "ip", "link", "add", "eth0", "netns", node, "type", "veth", "peer", "name", "eth0",
          "netns", outside);
      address(node(), NODE + "/24");
      address(in("outside"), OUTSIDE + "/24");
      node().require("", "ip", "route", "add", "default", "via", OUTSIDE);
      network.start();
    } catch (Exception e) {
      close();
      throw e;
    }
  }

  public PodNetwork.Settings settings() {
    return new PodNetwork.Settings(
        directory.resolve("net.d"), directory.resolve("leases"), NODE_CIDR, CLUSTER_CIDR);
  }

  public PodNetwork network() {
    return network;
  }

  /** Commands on the node. */
  public HostCommands node() {
    return in("node");
  }

  /** Commands in the outside world. */
  public HostCommands outside() {
    return in("outside");
  }

  /** Commands in a namespace: node, outside, or a pod. */
  public HostCommands in(String which) {
    return new HostCommands(List.of("ip", "netns", "exec", namespace(which)));
  }

  /** Makes a pod and returns its address. */
  public String addPod(String pod) throws Exception {
    addNamespace(pod);
    JsonObject result = Json.parseObject(cni("ADD", pod));
    String address = result.objects("ips").getFirst().text("address");
    String ip = address.substring(0, address.indexOf('/'));
    pods.put(pod, ip);
    return ip;
  }

  /** Starts a TCP server that answers each connection with a text. */
  public void serve(String which, int port, String text) throws IOException {
    servers.add(
        new ProcessBuilder(
                "ip",
                "netns",
                "exec",
                namespace(which),
                "busybox",
                "nc",
                "-ll",
                "-p",
                "" + port,
                "-e",
                "/bin/echo",
                text)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start());
  }

  /** Connects and returns what is answered; "refused", "timeout" or another trouble otherwise. */
  public String connect(String from, String address, int port) throws InterruptedException {
    HostCommands.Output output = in(from).run("", "busybox", "nc", "-w", "2", address, "" + port);
    if (output.succeeded()) {
      return output.out().strip();
    }
    return output.error().contains("refused")
        ? "refused"
        : output.error().contains("timed out") ? "timeout" : output.error().strip();
  }

  /** The namespace's name on this machine. */
  public String namespace(String which) {
    return name + "-" + which;
  }

  @Override
  public void close() throws InterruptedException {
    for (Process server : servers) {
      server.destroy();
      if (!server.waitFor(60, TimeUnit.SECONDS)) {
        server.destroyForcibly();
      }
    }
    for (String namespace : namespaces.reversed()) {
      HostCommands.HERE.run("", "ip", "netns", "delete", namespace);
    }
  }

  private void addNamespace(String which) throws InterruptedException {
    HostCommands.HERE.require("", "ip", "netns", "add", namespace(which));
    namespaces.add(namespace(which));
    in(which).require("", "ip", "link", "set", "lo", "up");
  }

  private static void address(HostCommands where, String address) throws InterruptedException {
    where.require("", "ip", "address", "add", address, "dev", "eth0");
    where.require("", "ip", "link", "set", "eth0", "up");
  }

  /** Calls the bridge plugin as a runtime does: one plugin's part of the configuration list. */
  private String cni(String verb, String pod) throws Exception {
    JsonObject list =
        Json.parseObject(
            Files.readString(directory.resolve("net.d/10-kedge.conflist"), StandardCharsets.UTF_8));
    JsonObject plugin =
        list.objects("plugins")
            .getFirst()
            .with("cniVersion", list.text("cniVersion"))
            .with("name", list.text("name"));
    return node()
        .require(
            Json.write(plugin),
            "env",
            "CNI_COMMAND=" + verb,
            "CNI_CONTAINERID=" + pod,
            "CNI_NETNS=/var/run/netns/" + namespace(pod),
            "CNI_IFNAME=eth0",
            "CNI_PATH=" + PLUGINS,
            PLUGINS.resolve(plugin.text("type")).toString());
  }
}
