package dev.kedge.node;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Everything about a node that its operator can choose. Immutable; made by {@link #builder}, whose
 * defaults are those of a single server.
 *
 * @param nodeName the Node object's name
 * @param server whether the control plane runs here too: the node gets its role label
 * @param dataDirectory kedge's data, such as {@code /var/lib/kedge}; the node's part is below
 *     {@code agent}
 * @param runDirectory state that does not survive a reboot, such as {@code /run/kedge}
 * @param addresses the node's internal IP addresses, the preferred one first
 * @param externalAddresses addresses reachable from outside; may be empty
 * @param labels further labels of the Node
 * @param taints as {@code key=value:Effect} or {@code key:Effect}
 * @param clusterDns addresses of the cluster's DNS service
 * @param clusterDomain such as {@code cluster.local}
 * @param maxPods how many pods the node takes
 * @param resolvConf the host's resolver configuration, for pods with the node's DNS
 * @param registries K3s's {@code registries.yaml}; need not exist
 * @param kubeletPort where the kubelet API is served, for the Node's status
 * @param version reported as the kubelet's version, such as {@code v1.36.0+kedge1}
 * @param runtimeEndpoint the socket of a CRI runtime that is not kedge's own
 * @param snapshotter containerd's snapshotter
 * @param cniBinaries where the CNI plugins are
 * @param cniConfiguration where the CNI configuration is, or will be, written
 * @param podLogs root of the pods' log directories
 * @param containerLogs where links to the logs are kept, one per container
 * @param cgroupRoot parent of the pods' cgroup, empty for the root
 * @param localStorage where local-path volumes are made
 * @param wholeClusterReads whether ConfigMaps and Secrets are followed cluster-wide (cheap where
 *     the API server is in this process) instead of one by one
 */
public record NodeSettings(
    String nodeName,
    boolean server,
    Path dataDirectory,
    Path runDirectory,
    List<String> addresses,
    List<String> externalAddresses,
    Map<String, String> labels,
    List<String> taints,
    List<String> clusterDns,
    String clusterDomain,
    int maxPods,
    Path resolvConf,
    Path registries,
    int kubeletPort,
    String version,
    Optional<Path> runtimeEndpoint,
    String snapshotter,
    Path cniBinaries,
    Path cniConfiguration,
    Path podLogs,
    Path containerLogs,
    String cgroupRoot,
    Path localStorage,
    boolean wholeClusterReads) {
  public NodeSettings {
    addresses = List.copyOf(addresses);
    externalAddresses = List.copyOf(externalAddresses);
    labels = Map.copyOf(labels);
    taints = List.copyOf(taints);
    clusterDns = List.copyOf(clusterDns);
  }

  /** The image that holds a pod's namespaces; made by {@link PauseImage}. */
  public static final String PAUSE_IMAGE = "kedge.local/pause:1";

  /** The node's part of the data directory. */
  public Path agentDirectory() {
    return dataDirectory.resolve("agent");
  }

  /** Directories of pods: volumes, host files, termination logs. */
  public Path podsDirectory() {
    return agentDirectory().resolve("pods");
  }

  /** Image archives to import. */
  public Path imagesDirectory() {
    return agentDirectory().resolve("images");
  }

  /** containerd's state and socket. */
  public Path containerdState() {
    return runDirectory.resolve("containerd");
  }

  /** The CRI socket: the configured one, or that of kedge's own containerd. */
  public Path criSocket() {
    return runtimeEndpoint.orElse(containerdState().resolve("containerd.sock"));
  }

  /** Settings of a node with all defaults. */
  public static Builder builder(String nodeName, Path dataDirectory) {
    return new Builder(nodeName, dataDirectory);
  }

  /** Collects settings; each method sets one and returns this. */
  public static final class Builder {
    private final String nodeName;
    private final Path dataDirectory;
    private boolean server = true;
    private Path runDirectory = Path.of("/run/kedge");
    private List<String> addresses = List.of("127.0.0.1");
    private List<String> externalAddresses = List.of();
    private Map<String, String> labels = Map.of();
    private List<String> taints = List.of();
    private List<String> clusterDns = List.of("10.43.0.10");
    private String clusterDomain = "cluster.local";
    private int maxPods = 110;
    private Path resolvConf = Path.of("/etc/resolv.conf");
    private Path registries = Path.of("/etc/kedge/registries.yaml");
    private int kubeletPort = 10250;
    private String version = "v1.36.0+kedge";
    private Optional<Path> runtimeEndpoint = Optional.empty();
    private String snapshotter = "overlayfs";
    private Path cniBinaries;
    private Path cniConfiguration;
    private Path podLogs = Path.of("/var/log/pods");
    private Path containerLogs = Path.of("/var/log/containers");
    private String cgroupRoot = "";
    private Path localStorage;
    private boolean wholeClusterReads = true;

    private Builder(String nodeName, Path dataDirectory) {
      this.nodeName = nodeName;
      this.dataDirectory = dataDirectory;
      cniBinaries =
          Path.of(Files.isDirectory(Path.of("/opt/cni/bin")) ? "/opt/cni/bin" : "/usr/lib/cni");
      cniConfiguration = dataDirectory.resolve("agent/etc/cni/net.d");
      localStorage = dataDirectory.resolve("storage");
    }

    public Builder server(boolean value) {
      server = value;
      return this;
    }

    public Builder runDirectory(Path value) {
      runDirectory = value;
      return this;
    }

    public Builder addresses(List<String> value) {
      addresses = value;
      return this;
    }

    public Builder externalAddresses(List<String> value) {
      externalAddresses = value;
      return this;
    }

    public Builder labels(Map<String, String> value) {
      labels = value;
      return this;
    }

    public Builder taints(List<String> value) {
      taints = value;
      return this;
    }

    public Builder clusterDns(List<String> value) {
      clusterDns = value;
      return this;
    }

    public Builder clusterDomain(String value) {
      clusterDomain = value;
      return this;
    }

    public Builder maxPods(int value) {
      maxPods = value;
      return this;
    }

    public Builder resolvConf(Path value) {
      resolvConf = value;
      return this;
    }

    public Builder registries(Path value) {
      registries = value;
      return this;
    }

    public Builder kubeletPort(int value) {
      kubeletPort = value;
      return this;
    }

    public Builder version(String value) {
      version = value;
      return this;
    }

    public Builder runtimeEndpoint(Optional<Path> value) {
      runtimeEndpoint = value;
      return this;
    }

    public Builder snapshotter(String value) {
      snapshotter = value;
      return this;
    }

    public Builder cniBinaries(Path value) {
      cniBinaries = value;
      return this;
    }

    public Builder cniConfiguration(Path value) {
      cniConfiguration = value;
      return this;
    }

    public Builder podLogs(Path value) {
      podLogs = value;
      return this;
    }

    public Builder containerLogs(Path value) {
      containerLogs = value;
      return this;
    }

    public Builder cgroupRoot(String value) {
      cgroupRoot = value;
      return this;
    }

    public Builder localStorage(Path value) {
      localStorage = value;
      return this;
    }

    public Builder wholeClusterReads(boolean value) {
      wholeClusterReads = value;
      return this;
    }

    public NodeSettings build() {
      return new NodeSettings(
          nodeName,
          server,
          dataDirectory,
          runDirectory,
          addresses,
          externalAddresses,
          labels,
          taints,
          clusterDns,
          clusterDomain,
          maxPods,
          resolvConf,
          registries,
          kubeletPort,
          version,
          runtimeEndpoint,
          snapshotter,
          cniBinaries,
          cniConfiguration,
          podLogs,
          containerLogs,
          cgroupRoot,
          localStorage,
          wholeClusterReads);
    }
  }
}
