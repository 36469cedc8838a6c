package dev.kedge.cli;

import static dev.kedge.cli.Flags.Kind.LIST;
import static dev.kedge.cli.Flags.Kind.SWITCH;
import static dev.kedge.cli.Flags.Kind.TEXT;

import dev.kedge.cli.Flags.Flag;
import java.util.ArrayList;
import java.util.List;

/** The flags of {@code kedge server}: K3s's names and meanings, and a few of our own. */
final class ServerFlags {
  private static final String NO_AGENTS =
      "servers can join each other, nodes without a server not yet";
  private static final String ONE_PROCESS =
      "kedge has no separate component to pass arguments to; use kedge's own flags";

  private ServerFlags() {}

  static Flags table(ProgramName program) {
    return new Flags("server", list(program));
  }

  /** The flags, also for commands about a server. */
  static List<Flag> list(ProgramName program) {
    List<Flag> flags = new ArrayList<>();
    // Configuration and log
    flags.add(
        Flag.of(
            TEXT,
            "config,c",
            env("CONFIG_FILE"),
            program.configFile(),
            "configuration file; <file>.d/*.yaml is read after it"));
    flags.add(Flag.of(SWITCH, "debug", env("DEBUG"), "false", "log what happens inside"));
    flags.add(
        Flag.of(TEXT, "log,l", "", "", "write the log to this file instead of standard error"));
    // Listener
    flags.add(Flag.of(TEXT, "bind-address", "", "0.0.0.0", "address the API listens on"));
    flags.add(Flag.of(TEXT, "https-listen-port", "", "6443", "port the API listens on"));
    flags.add(
        Flag.of(
            TEXT,
            "advertise-address",
            "",
            "",
            "address that pods reach the API at (default: the node's)"));
    flags.add(
        Flag.of(
            TEXT,
            "advertise-port",
            "",
            "",
            "port that pods reach the API at (default: https-listen-port)"));
    flags.add(
        Flag.of(LIST, "tls-san", "", "", "further names and addresses in the API's certificate"));
    // Data
    flags.add(
        Flag.of(TEXT, "data-dir,d", env("DATA_DIR"), program.dataDir(), "directory of all state"));
    flags.add(
        Flag.of(
            TEXT,
            "datastore-endpoint",
            env("DATASTORE_ENDPOINT"),
            "",
            "where objects are kept: sqlite:///file, postgres://…, mysql://…, or etcd's"
                + " https://host:2379,…; empty: SQLite in data-dir"));
    flags.add(
        Flag.of(
            TEXT,
            "datastore-cafile",
            env("DATASTORE_CAFILE"),
            "",
            "authority of the datastore's certificate (PEM)"));
    flags.add(
        Flag.of(
            TEXT,
            "datastore-certfile",
            env("DATASTORE_CERTFILE"),
            "",
            "this server's certificate for the datastore (PEM)"));
    flags.add(
        Flag.of(TEXT, "datastore-keyfile", env("DATASTORE_KEYFILE"), "", "its private key (PEM)"));
    flags.add(
        Flag.of(
            TEXT,
            "datastore-durability",
            env("DATASTORE_DURABILITY"),
            "full",
            "SQLite: full: acknowledged means on disk; normal: a power cut may take the last ten"
                + " seconds"));
    flags.add(
        Flag.of(
            TEXT,
            "datastore-size-limit",
            env("DATASTORE_SIZE_LIMIT"),
            "8Gi",
            "SQLite: size from which on new objects are refused"));
    flags.add(
        Flag.of(
            TEXT,
            "storage-profile",
            env("STORAGE_PROFILE"),
            "default",
            "SQLite: default, or flash: write as little as possible, for SD cards"));
    // Cluster
    flags.add(
        Flag.of(
            TEXT,
            "token,t",
            env("TOKEN"),
            "",
            "secret that the servers share (default: that in data-dir/server/token, or a new"
                + " one)"));
    flags.add(Flag.of(TEXT, "token-file", env("TOKEN_FILE"), "", "file that holds the token"));
    flags.add(
        Flag.of(TEXT, "server,s", env("URL"), "", "server to join, such as https://10.0.0.1:6443"));
    flags.add(
        Flag.of(
            SWITCH,
            "cluster-init",
            env("CLUSTER_INIT"),
            "false",
            "begin a cluster of several servers, each of which runs an etcd member"));
    flags.add(
        Flag.of(
            SWITCH,
            "cluster-reset",
            env("CLUSTER_RESET"),
            "false",
            "make a cluster of this server alone, when the others are lost for good, and end"));
    flags.add(
        Flag.of(TEXT, "etcd-client-port", "", "2379", "port of this server's etcd for clients"));
    flags.add(
        Flag.of(
            TEXT, "etcd-peer-port", "", "2380", "port of this server's etcd for other members"));
    snapshots(flags);
    // Network
    flags.add(Flag.of(TEXT, "cluster-cidr", "", "10.42.0.0/16", "addresses of pods"));
    flags.add(Flag.of(TEXT, "service-cidr", "", "10.43.0.0/16", "addresses of Services"));
    flags.add(
        Flag.of(TEXT, "service-node-port-range", "", "30000-32767", "ports of NodePort Services"));
    flags.add(
        Flag.of(
            TEXT,
            "cluster-dns",
            "",
            "",
            "address of the cluster's DNS (default: the tenth of service-cidr)"));
    flags.add(Flag.of(TEXT, "cluster-domain", "", "cluster.local", "DNS domain of the cluster"));
    flags.add(
        Flag.of(
            TEXT,
            "ingress-http-port",
            env("INGRESS_HTTP_PORT"),
            "80",
            "port of the ingress for http"));
    flags.add(
        Flag.of(
            TEXT,
            "ingress-https-port",
            env("INGRESS_HTTPS_PORT"),
            "443",
            "port of the ingress for https"));
    // Client
    flags.add(
        Flag.of(
            TEXT,
            "write-kubeconfig,o",
            env("KUBECONFIG_OUTPUT"),
            program.kubeconfig(),
            "where to write the administrator's kubeconfig"));
    flags.add(
        Flag.of(TEXT, "write-kubeconfig-mode", env("KUBECONFIG_MODE"), "600", "its file mode"));
    flags.add(Flag.of(TEXT, "write-kubeconfig-group", env("KUBECONFIG_GROUP"), "", "its group"));
    // Parts
    flags.add(
        Flag.of(
            LIST,
            "disable",
            "",
            "",
            "parts to leave out: coredns, servicelb, ingress (or traefik), local-storage,"
                + " metrics-server"));
    flags.add(Flag.of(SWITCH, "disable-scheduler", "", "false", "do not run the scheduler"));
    flags.add(Flag.of(SWITCH, "disable-kube-proxy", "", "false", "do not program Services"));
    flags.add(
        Flag.of(SWITCH, "disable-agent", "", "false", "run the control plane only; needs no root"));
    flags.add(
        Flag.of(
            TEXT,
            "default-local-storage-path",
            "",
            "",
            "directory of local volumes (default: data-dir/storage)"));
    // Node
    flags.add(
        Flag.of(
            TEXT, "node-name", env("NODE_NAME"), "", "name of this node (default: the host's)"));
    flags.add(Flag.of(LIST, "node-label", "", "", "labels the node registers with: key=value"));
    flags.add(
        Flag.of(LIST, "node-taint", "", "", "taints the node registers with: key=value:Effect"));
    flags.add(
        Flag.of(
            TEXT,
            "node-ip,i",
            "",
            "",
            "address of this node (default: that of the default route)"));
    flags.add(Flag.of(LIST, "node-external-ip", "", "", "external addresses of this node"));
    flags.add(
        Flag.of(
            TEXT,
            "resolv-conf",
            env("RESOLV_CONF"),
            "/etc/resolv.conf",
            "resolver file for pods and for DNS forwarding"));
    flags.add(
        Flag.of(
            TEXT,
            "container-runtime-endpoint",
            "",
            "",
            "socket of a running CRI runtime; empty: kedge runs its own containerd"));
    flags.add(
        Flag.of(
            TEXT, "snapshotter", "", "overlayfs", "containerd snapshotter: overlayfs or native"));
    flags.add(
        Flag.of(
            TEXT,
            "private-registry",
            "",
            program.registries(),
            "registry mirrors and credentials (registries.yaml)"));
    flags.add(
        Flag.of(
            SWITCH,
            "no-install",
            env("NO_INSTALL"),
            "false",
            "do not install missing Debian packages"));

    flags.add(
        Flag.of(
            LIST,
            "kube-apiserver-arg",
            "",
            "",
            "arguments of the API server; those of the audit log are known: audit-policy-file,"
                + " audit-log-path, audit-log-maxage, audit-log-maxbackup, audit-log-maxsize"));
    for (String arg :
        List.of(
            "etcd-arg",
            "kube-controller-manager-arg",
            "kube-scheduler-arg",
            "kube-cloud-controller-manager-arg",
            "kubelet-arg",
            "kube-proxy-arg")) {
      flags.add(Flag.refused(arg, ONE_PROCESS));
    }
    for (String arg :
        List.of(
            "agent-token",
            "agent-token-file",
            "lb-server-port",
            "disable-apiserver-lb",
            "with-node-id",
            "flannel-iface",
            "flannel-conf",
            "flannel-cni-conf",
            "flannel-external-ip",
            "flannel-ipv6-masq",
            "egress-selector-mode",
            "embedded-registry",
            "vpn-auth",
            "vpn-auth-file")) {
      flags.add(Flag.refused(arg, NO_AGENTS));
    }
    flags.add(
        Flag.refused(
            "etcd-snapshot-reconcile-interval",
            "snapshots are looked for where they are kept, so there is nothing to reconcile"));
    flags.add(
        Flag.refused(
            "etcd-s3-proxy,etcd-s3-config-secret",
            "S3 is reached without a proxy and set up by flags, environment or configuration"));
    flags.add(Flag.refused("kine-tls", "kedge speaks to its datastore without kine"));
    flags.add(Flag.refused("etcd-expose-metrics", "kedge sets its etcd up by itself"));
    flags.add(Flag.refused("disable-etcd", "a server without etcd uses --datastore-endpoint"));
    flags.add(Flag.refused("flannel-backend", "one node needs no network between nodes yet"));
    flags.add(
        Flag.refused(
            "disable-network-policy",
            "network policies are not enforced yet, so there is nothing to disable"));
    flags.add(
        Flag.refused(
            "disable-helm-controller,helm-job-image,helm-controller-arg",
            "the Helm controller does not exist yet"));
    flags.add(Flag.refused("disable-cloud-controller", "kedge has no cloud controller"));
    flags.add(Flag.refused("disable-apiserver", "a server without an API is not supported yet"));
    flags.add(
        Flag.refused(
            "disable-controller-manager", "a server without controllers is not supported yet"));
    flags.add(
        Flag.refused(
            "secrets-encryption,secrets-encryption-provider",
            "encryption of Secrets at rest is not supported yet"));
    flags.add(Flag.refused("protect-kernel-defaults", "kernel settings are not checked yet"));
    flags.add(Flag.refused("selinux", "SELinux is not supported yet"));
    flags.add(Flag.refused("rootless", "running pods without root is not supported yet"));
    flags.add(Flag.refused("docker,cri-dockerd", "kedge runs containerd"));
    flags.add(Flag.refused("prefer-bundled-bin", "kedge runs the machine's own binaries"));
    flags.add(
        Flag.refused(
            "supervisor-port,apiserver-port,apiserver-bind-address,supervisor-metrics",
            "API and supervisor share one listener"));
    flags.add(Flag.refused("enable-pprof", "there is no Go profile to serve"));
    flags.add(
        Flag.refused(
            "servicelb-namespace", "the load balancer runs inside the process, without pods"));
    flags.add(
        Flag.refused(
            "tls-san-security", "the certificate names only configured addresses in any case"));
    flags.add(Flag.refused("pause-image", "kedge makes its own pause image"));
    flags.add(
        Flag.refused("image-service-endpoint", "images are managed by the container runtime"));
    flags.add(
        Flag.refused(
            "default-runtime,nonroot-devices,disable-default-registry-endpoint,system-default-registry,airgap-extra-registry",
            "not supported yet"));
    flags.add(
        Flag.refused(
            "image-credential-provider-bin-dir,image-credential-provider-config",
            "credential providers are not supported yet"));
    flags.add(
        Flag.refused(
            "node-internal-dns,node-external-dns",
            "DNS names as node addresses are not supported yet"));
    flags.add(Flag.refused("v,vmodule,alsologtostderr", "use --debug"));
    return flags;
  }

  private static void snapshots(List<Flag> flags) {
    flags.add(
        Flag.of(
            TEXT,
            "cluster-reset-restore-path",
            "",
            "",
            "snapshot to make that cluster of: a file, or a name in S3"));
    flags.add(
        Flag.of(
            SWITCH,
            "etcd-disable-snapshots",
            "",
            "false",
            "take no snapshots of the datastore by schedule"));
    flags.add(
        Flag.of(
            TEXT,
            "etcd-snapshot-schedule-cron",
            "",
            "",
            "when to take them (default: 0 */4 * * * with SQLite, 0 */12 * * * with an etcd of its"
                + " own, never with other datastores)"));
    flags.add(
        Flag.of(
            TEXT,
            "etcd-snapshot-retention",
            "",
            "",
            "how many of them to keep (default: 12 of SQLite by its default schedule, else 5)"));
    flags.add(
        Flag.of(
            TEXT,
            "etcd-snapshot-dir",
            "",
            "",
            "directory of snapshots (default: data-dir/server/db/snapshots)"));
    flags.add(
        Flag.of(
            TEXT,
            "etcd-snapshot-name",
            "",
            "etcd-snapshot",
            "what the names of those taken by schedule begin with"));
    flags.add(
        Flag.of(SWITCH, "etcd-snapshot-compress", "", "true", "compress snapshots with gzip"));
    flags.add(
        Flag.of(
            SWITCH,
            "snapshot-encrypt",
            env("SNAPSHOT_ENCRYPT"),
            "false",
            "encrypt snapshots with a key drawn from the token"));
    flags.add(
        Flag.of(
            TEXT,
            "snapshot-passphrase-file",
            env("SNAPSHOT_PASSPHRASE_FILE"),
            "",
            "encrypt snapshots with a key drawn from this file's text instead; also to read them"));
    flags.add(Flag.of(SWITCH, "etcd-s3", "", "false", "bring snapshots to S3 too"));
    flags.add(
        Flag.of(
            TEXT, "etcd-s3-endpoint", "", "s3.amazonaws.com", "host, perhaps with port, of S3"));
    flags.add(
        Flag.of(
            TEXT, "etcd-s3-endpoint-ca", "", "", "authority of the endpoint's certificate (PEM)"));
    flags.add(
        Flag.of(
            SWITCH,
            "etcd-s3-skip-ssl-verify",
            "",
            "false",
            "do not check the endpoint's certificate"));
    flags.add(Flag.of(TEXT, "etcd-s3-access-key", "AWS_ACCESS_KEY_ID", "", "access key of S3"));
    flags.add(Flag.of(TEXT, "etcd-s3-secret-key", "AWS_SECRET_ACCESS_KEY", "", "secret key of S3"));
    flags.add(
        Flag.of(
            TEXT,
            "etcd-s3-session-token",
            "AWS_SESSION_TOKEN",
            "",
            "what belongs to keys that were given for a time"));
    flags.add(Flag.of(TEXT, "etcd-s3-bucket", "", "", "bucket for snapshots"));
    flags.add(
        Flag.of(
            TEXT,
            "etcd-s3-bucket-lookup-type",
            "",
            "auto",
            "where the bucket stands in URLs: dns, path, or auto (dns at amazonaws.com)"));
    flags.add(Flag.of(TEXT, "etcd-s3-region", "", "us-east-1", "region of the bucket"));
    flags.add(Flag.of(TEXT, "etcd-s3-folder", "", "", "folder in the bucket"));
    flags.add(
        Flag.of(
            TEXT,
            "etcd-s3-retention",
            "",
            "",
            "how many to keep there (default: as many as in the directory)"));
    flags.add(Flag.of(SWITCH, "etcd-s3-insecure", "", "false", "http instead of https"));
    flags.add(Flag.of(TEXT, "etcd-s3-timeout", "", "5m0s", "time for one request to S3"));
  }

  /** Both spellings of an environment variable; kedge's own wins. */
  private static String env(String name) {
    return "KEDGE_" + name + ",K3S_" + name;
  }
}
