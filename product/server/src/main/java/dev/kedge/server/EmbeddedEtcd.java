package dev.kedge.server;

import dev.kedge.http.ClientTls;
import dev.kedge.http.TlsIdentity;
import dev.kedge.identity.ClusterCertificates;
import dev.kedge.identity.Credential;
import dev.kedge.lifecycle.Startup;
import dev.kedge.lifecycle.UserException;
import dev.kedge.store.StoreException;
import dev.kedge.store.etcd.EtcdCluster;
import dev.kedge.store.etcd.EtcdCluster.Member;
import dev.kedge.store.etcd.EtcdStore;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;

/**
 * The etcd member of a server with {@code --cluster-init} or {@code --server}: makes the first one
 * of a cluster, joins one as a learner and gets its vote, or goes on with the data that is there.
 * Members speak TLS with certificates of an authority of their own.
 */
final class EmbeddedEtcd implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.server");
  private static final String MEMBER = "etcd-member";
  private static final String CLIENT = "etcd-client";

  /** For slow disks and busy machines, as K3s: five times etcd's own. */
  private static final int HEARTBEAT_MILLIS = 500;

  private static final int ELECTION_MILLIS = 5000;

  /** A joining member that has not caught up by then will not. */
  private static final long JOINING_NANOS = TimeUnit.MINUTES.toNanos(5);

  private final EtcdMember process;
  private final EtcdCluster cluster;
  private final EtcdStore.Settings settings;

  private EmbeddedEtcd(EtcdMember process, EtcdCluster cluster, EtcdStore.Settings settings) {
    this.process = process;
    this.cluster = cluster;
    this.settings = settings;
  }

  /** Whether this server ran a member before. */
  static boolean hasData(ServerConfig config) {
    return Files.isDirectory(config.etcdDir().resolve("member"));
  }

  /**
   * Starts the member and waits until the cluster answers through it.
   *
   * @param others client URLs of the members to join; empty for the first one, and for one that has
   *     its data already and its vote
   */
  static EmbeddedEtcd start(
      ServerConfig config, ClusterCertificates certificates, List<URI> others, Startup startup) {
    SSLContext tls = tls(config, certificates);
    String name = name(config);
    List<String> command = command(config, certificates, name, startup);
    if (!hasData(config)) {
      command.addAll(
          others.isEmpty()
              ? List.of(
                  "--initial-cluster=" + name + "=" + peerUrl(config),
                  "--initial-cluster-state=new")
              : List.of(
                  "--initial-cluster=" + join(config, name, others, tls),
                  "--initial-cluster-state=existing"));
    }
    EtcdCluster cluster = new EtcdCluster(List.of(localUrl(config)), tls);
    EtcdMember process = EtcdMember.start(command, config.databaseDir(), () -> answers(cluster));
    EmbeddedEtcd etcd =
        new EmbeddedEtcd(
            process,
            cluster,
            new EtcdStore.Settings(List.of(localUrl(config)), Optional.of(tls), true, ""));
    try {
      etcd.awaitVote(config, others, tls);
      etcd.awaitQuorum(startup);
      return etcd;
    } catch (RuntimeException | Error e) {
      etcd.close();
      throw e;
    }
  }

  /**
   * Makes a cluster of this member alone out of what it has, after the others are lost for good,
   * and stops it again.
   */
  static void reset(ServerConfig config, ClusterCertificates certificates, Startup startup) {
    if (!hasData(config)) {
      throw new UserException(
          "there is no etcd data in "
              + config.etcdDir()
              + " to reset a cluster to; --cluster-reset is for a server that was a member");
    }
    SSLContext tls = tls(config, certificates);
    List<String> command = command(config, certificates, name(config), startup);
    command.add("--force-new-cluster");
    try (EtcdCluster cluster = new EtcdCluster(List.of(localUrl(config)), tls);
        EtcdMember process = EtcdMember.start(command, config.databaseDir(), cluster::hasQuorum)) {
      LOG.log(Level.INFO, "the cluster has {0} member", cluster.members().size());
    }
  }

  private static List<String> command(
      ServerConfig config, ClusterCertificates certificates, String name, Startup startup) {
    Set<String> names = new TreeSet<>(List.of("localhost", "127.0.0.1"));
    names.addAll(List.of(config.node().ip(), config.advertiseAddress(), config.node().name()));
    certificates.etcdMember(MEMBER, name, names);
    String certificate = certificates.certificateFile(MEMBER).toString();
    String key = certificates.keyFile(MEMBER).toString();
    String authority = certificates.certificateFile("etcd-ca").toString();
    Set<URI> listen = new TreeSet<>(List.of(localUrl(config), clientUrl(config)));
    return new ArrayList<>(
        List.of(
            EtcdProgram.find(config, startup::say).toString(),
            "--name=" + name,
            "--data-dir=" + config.etcdDir(),
            "--listen-client-urls="
                + listen.stream().map(URI::toString).collect(Collectors.joining(",")),
            "--advertise-client-urls=" + clientUrl(config),
            "--listen-peer-urls=" + peerUrl(config),
            "--initial-advertise-peer-urls=" + peerUrl(config),
            "--initial-cluster-token=kedge",
            "--cert-file=" + certificate,
            "--key-file=" + key,
            "--client-cert-auth",
            "--trusted-ca-file=" + authority,
            "--peer-cert-file=" + certificate,
            "--peer-key-file=" + key,
            "--peer-client-cert-auth",
            "--peer-trusted-ca-file=" + authority,
            "--heartbeat-interval=" + HEARTBEAT_MILLIS,
            "--election-timeout=" + ELECTION_MILLIS,
            "--snapshot-count=10000",
            // The API takes bodies of 3 MiB.
            "--max-request-bytes=" + (4 << 20),
            "--quota-backend-bytes=" + (8L << 30),
            "--logger=zap",
            "--log-level=warn"));
  }

  /** Adds this member to the cluster, unless it was added already. */
  private static String join(ServerConfig config, String name, List<URI> others, SSLContext tls) {
    URI own = peerUrl(config);
    try (EtcdCluster cluster = new EtcdCluster(others, tls)) {
      Optional<Member> known =
          cluster.members().stream()
              .filter(member -> member.peerUrls().contains(own.toString()))
              .findFirst();
      if (known.isPresent() && !known.get().name().isEmpty()) {
        // It was one and has lost its data: what it voted for then it knows no more.
        cluster.remove(known.get().id());
        known = Optional.empty();
      }
      List<Member> members = known.isPresent() ? cluster.members() : add(cluster, own);
      return members.stream()
          .flatMap(
              member ->
                  member.peerUrls().stream()
                      .map(url -> (url.equals(own.toString()) ? name : member.name()) + "=" + url))
          .collect(Collectors.joining(","));
    } catch (StoreException e) {
      throw new UserException("this server cannot join the cluster: " + e.getMessage(), e);
    }
  }

  /** One member learns at a time; the next one waits for its vote. */
  private static List<Member> add(EtcdCluster cluster, URI own) {
    long deadline = System.nanoTime() + JOINING_NANOS;
    while (true) {
      try {
        return cluster.addLearner(own);
      } catch (StoreException e) {
        String reason = String.valueOf(e.getMessage());
        boolean later = reason.contains("too many learner") || reason.contains("unhealthy");
        if (!later || System.nanoTime() - deadline > 0) {
          throw e;
        }
      }
      pause();
    }
  }

  private void awaitVote(ServerConfig config, List<URI> others, SSLContext tls) {
    if (!cluster.status().learner()) {
      return;
    }
    if (others.isEmpty()) {
      throw new UserException(
          "this server did not finish joining its cluster; give --server with the URL of another"
              + " server once more");
    }
    long deadline = System.nanoTime() + JOINING_NANOS;
    try (EtcdCluster voters = new EtcdCluster(others, tls)) {
      while (cluster.status().learner()) {
        try {
          voters.promote(cluster.status().id());
        } catch (StoreException e) {
          if (System.nanoTime() - deadline > 0) {
            throw new UserException(
                "this server cannot catch up with its cluster: " + e.getMessage(), e);
          }
          LOG.log(Level.DEBUG, "not promoted yet: {0}", e.getMessage());
        }
        pause();
      }
    }
    LOG.log(Level.INFO, "{0} is a voting member of the cluster", config.node().name());
  }

  private void awaitQuorum(Startup startup) {
    for (int attempts = 0; !cluster.hasQuorum(); attempts++) {
      if (attempts == 1) {
        startup.say(
            "  waiting for the other servers: too few members of the cluster answer; start them, or"
                + " if they are lost for good, start this one with --cluster-reset");
      }
      pause();
    }
  }

  private static boolean answers(EtcdCluster cluster) {
    try {
      return !cluster.status().version().isEmpty();
    } catch (StoreException e) {
      LOG.log(Level.DEBUG, "etcd does not answer yet: {0}", e.getMessage());
      return false;
    }
  }

  private static void pause() {
    try {
      Thread.sleep(300);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while waiting for etcd", e);
    }
  }

  /** The member's name, made once: a member that comes back without its data is another one. */
  private static String name(ServerConfig config) {
    Path file = config.etcdDir().resolveSibling("etcd.name");
    try {
      if (hasData(config) && Files.exists(file)) {
        return Files.readString(file).strip();
      }
      byte[] suffix = new byte[4];
      new SecureRandom().nextBytes(suffix);
      String name = config.node().name() + "-" + HexFormat.of().formatHex(suffix);
      Files.createDirectories(file.getParent());
      Files.writeString(file, name);
      return name;
    } catch (IOException e) {
      throw new UserException("the file " + file + " cannot be written: " + e.getMessage(), e);
    }
  }

  private static SSLContext tls(ServerConfig config, ClusterCertificates certificates) {
    Credential client = certificates.etcdClient(CLIENT, config.node().name());
    return ClientTls.trusting(
        List.of(certificates.etcdAuthority().certificate()),
        Optional.of(new TlsIdentity(client.chain(), client.key())));
  }

  private static URI localUrl(ServerConfig config) {
    return URI.create("https://127.0.0.1:" + config.cluster().etcdClientPort());
  }

  private static URI clientUrl(ServerConfig config) {
    return URI.create("https://" + config.node().ip() + ":" + config.cluster().etcdClientPort());
  }

  private static URI peerUrl(ServerConfig config) {
    return URI.create("https://" + config.node().ip() + ":" + config.cluster().etcdPeerPort());
  }

  /** How to reach the cluster through this server's member. */
  EtcdStore.Settings settings() {
    return settings;
  }

  EtcdCluster cluster() {
    return cluster;
  }

  /** Where all voting members take calls. */
  List<String> clientUrls() {
    return cluster.members().stream()
        .filter(member -> !member.learner())
        .flatMap(member -> member.clientUrls().stream())
        .toList();
  }

  @Override
  public void close() {
    cluster.close();
    process.close();
  }
}
