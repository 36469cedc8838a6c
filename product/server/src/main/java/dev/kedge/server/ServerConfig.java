package dev.kedge.server;

import dev.kedge.store.snapshot.S3Bucket;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Everything an operator decides about a server, checked and complete.
 *
 * @param dataDir root of all state; layout as K3s: {@code server/} and {@code agent/} below
 * @param datastore where objects are kept
 * @param cluster the servers of which this is one
 * @param bindAddress where the API listens; {@code 0.0.0.0} is all addresses
 * @param httpsPort the API's port
 * @param advertiseAddress address that cluster members and pods reach the API at
 * @param tlsSans further names and addresses in the API's certificate
 * @param clusterDns address of the cluster's DNS inside the service CIDR
 * @param disabled packaged parts left out: coredns, servicelb, ingress, local-storage
 * @param runAgent whether this machine runs pods
 * @param node settings of this machine as a node
 * @param audit what is written to the audit log; empty for nothing
 * @param snapshots how the datastore is saved
 */
public record ServerConfig(
    Path dataDir,
    Datastore datastore,
    Cluster cluster,
    String bindAddress,
    int httpsPort,
    String advertiseAddress,
    int advertisePort,
    List<String> tlsSans,
    String clusterCidr,
    String serviceCidr,
    int nodePortFirst,
    int nodePortLast,
    String clusterDns,
    String clusterDomain,
    Path kubeconfig,
    String kubeconfigMode,
    Optional<String> kubeconfigGroup,
    List<String> disabled,
    boolean scheduler,
    boolean serviceProxy,
    boolean runAgent,
    int ingressHttpPort,
    int ingressHttpsPort,
    Node node,
    Optional<Audit> audit,
    Snapshots snapshots) {

  public ServerConfig {
    tlsSans = List.copyOf(tlsSans);
    disabled = List.copyOf(disabled);
  }

  /**
   * The audit log.
   *
   * @param policy a file with an audit policy
   * @param log the file to write, or {@code -} for standard output
   * @param maxDays how long files that were put aside are kept; 0 for ever
   * @param maxFiles how many of them are kept; 0 for all
   * @param maxMegabytes when a file is put aside; 0 for never
   */
  public record Audit(Path policy, String log, int maxDays, int maxFiles, int maxMegabytes) {}

  /**
   * How snapshots of the datastore are taken and kept.
   *
   * @param disabled whether none are taken by schedule
   * @param cron when they are taken; empty: as fits the engine, {@link SnapshotSchedule.Plan}
   * @param retention how many of a series stay; empty likewise
   * @param directory empty: {@code server/db/snapshots} in the data directory
   * @param name what the names of those taken by schedule begin with
   * @param encrypted whether with a key drawn from the token
   * @param passphraseFile with a key drawn from this file's text instead; also for reading
   * @param s3 where they are brought besides
   * @param s3Retention how many of a series stay there; empty: as many as here
   */
  public record Snapshots(
      boolean disabled,
      Optional<String> cron,
      OptionalInt retention,
      Optional<Path> directory,
      String name,
      boolean compressed,
      boolean encrypted,
      Optional<Path> passphraseFile,
      Optional<S3Bucket.Settings> s3,
      OptionalInt s3Retention) {
    /** As without any flag. */
    public static final Snapshots DEFAULT =
        new Snapshots(
            false,
            Optional.empty(),
            OptionalInt.empty(),
            Optional.empty(),
            "etcd-snapshot",
            true,
            false,
            Optional.empty(),
            Optional.empty(),
            OptionalInt.empty());

    /**
     * Checks the schedule.
     *
     * @throws dev.kedge.lifecycle.UserException if it is none
     */
    public Snapshots {
      cron.ifPresent(SnapshotSchedule::parse);
    }
  }

  /**
   * The servers of a cluster.
   *
   * @param token what they share, whole or the password alone; empty: kept from an earlier start,
   *     or made
   * @param server the one to join
   * @param init whether this is the first one of several, which each run an etcd member
   * @param reset whether to make a cluster of this server's etcd member alone, and end
   * @param restore the snapshot to do that with
   * @param etcdClientPort where its etcd member takes calls, if it runs one
   * @param etcdPeerPort where other members reach it
   * @param install whether a missing etcd may be got from Debian
   */
  public record Cluster(
      Optional<String> token,
      Optional<URI> server,
      boolean init,
      boolean reset,
      Optional<String> restore,
      int etcdClientPort,
      int etcdPeerPort,
      boolean install) {
    /** A server alone. */
    public static final Cluster ALONE =
        new Cluster(
            Optional.empty(), Optional.empty(), false, false, Optional.empty(), 2379, 2380, true);
  }

  /**
   * This machine as a node.
   *
   * @param ip the address other nodes and the API reach it at
   * @param externalIps addresses published as ExternalIP
   * @param taints as {@code key=value:Effect}
   * @param containerRuntimeEndpoint empty: kedge runs its own containerd
   * @param registries file in K3s's registries.yaml format; need not exist
   * @param localStorage root directory of local-path volumes
   */
  public record Node(
      String name,
      String ip,
      List<String> externalIps,
      Map<String, String> labels,
      List<String> taints,
      Path resolvConf,
      Optional<String> containerRuntimeEndpoint,
      String snapshotter,
      Path registries,
      Path localStorage) {
    public Node {
      externalIps = List.copyOf(externalIps);
      labels = Map.copyOf(labels);
      taints = List.copyOf(taints);
    }
  }

  /** Whether a packaged part is wanted. */
  boolean enabled(String part) {
    return !disabled.contains(part);
  }

  /** {@code server/tls}: certificates and keys. */
  Path tlsDir() {
    return dataDir.resolve("server/tls");
  }

  /** Where the administrator's commands on this machine may come in without TLS. */
  public Path socket() {
    return dataDir.resolve("server").resolve("socket").resolve("api.sock");
  }

  /** {@code server/db/state.db}: the embedded datastore. */
  Path databaseFile() {
    return dataDir.resolve("server/db/state.db");
  }

  /** Whether this server keeps its objects in an etcd that it runs itself with others. */
  boolean embeddedEtcd() {
    return cluster.init()
        || cluster.server().isPresent()
        || cluster.reset()
        || EmbeddedEtcd.hasData(this);
  }

  /** {@code server/db}: where the datastore lies, whichever it is. */
  Path databaseDir() {
    return dataDir.resolve("server/db");
  }

  /** {@code server/db/etcd}: the data of the etcd member. */
  Path etcdDir() {
    return dataDir.resolve("server/db/etcd");
  }

  /** {@code server/db/snapshots}, or where else snapshots are kept. */
  Path snapshotDir() {
    return snapshots.directory().orElseGet(() -> dataDir.resolve("server/db/snapshots"));
  }

  /** What the objects are kept in, as a snapshot names it. */
  String engine() {
    return embeddedEtcd() ? "etcd" : datastore.engineName();
  }

  /** {@code server/token}: what further servers need to join. */
  Path tokenFile() {
    return dataDir.resolve("server/token");
  }

  /** {@code agent}: state of this machine as a node. */
  Path agentDir() {
    return dataDir.resolve("agent");
  }
}
