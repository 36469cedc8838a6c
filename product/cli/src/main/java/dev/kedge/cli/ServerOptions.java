package dev.kedge.cli;

import dev.kedge.lifecycle.UserException;
import dev.kedge.model.Quantity;
import dev.kedge.server.Datastore;
import dev.kedge.server.ServerConfig;
import dev.kedge.store.snapshot.S3Bucket;
import java.io.IOException;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InterfaceAddress;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Makes a checked {@link ServerConfig} of flag values; every fault is a {@link UserException}. */
final class ServerOptions {
  private static final long LEAST_LIMIT = 16L << 20;
  private static final Set<String> PARTS =
      Set.of("coredns", "servicelb", "ingress", "local-storage", "metrics-server");
  private static final Pattern NAME = Pattern.compile("[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?");
  private static final Pattern TAINT =
      Pattern.compile("[^=:]+(=[^:]*)?:(NoSchedule|PreferNoSchedule|NoExecute)");

  private static final Set<String> API_SERVER_ARGUMENTS =
      Set.of(
          "audit-log-format",
          "audit-log-maxage",
          "audit-log-maxbackup",
          "audit-log-maxsize",
          "audit-log-mode",
          "audit-log-path",
          "audit-policy-file");

  private ServerOptions() {}

  static ServerConfig of(Flags.Values values) {
    boolean runAgent = !values.on("disable-agent");
    Path dataDir = dataDir(values, runAgent);
    Cidr cluster = cidr(values, "cluster-cidr");
    Cidr service = cidr(values, "service-cidr");
    if (cluster.overlaps(service)) {
      throw new UserException(
          "--cluster-cidr "
              + cluster
              + " and --service-cidr "
              + service
              + " overlap; choose ranges that do not");
    }
    String dns = values.text("cluster-dns");
    if (dns.isEmpty()) {
      dns = service.address(10);
    } else if (!service.contains(dns)) {
      throw new UserException("--cluster-dns " + dns + " is not inside --service-cidr " + service);
    }
    String nodeIp = values.isSet("node-ip") ? address(values, "node-ip") : defaultAddress();
    int port = values.number("https-listen-port", 1, 65535);
    int[] nodePorts = portRange(values);
    Path kubeconfig = kubeconfig(values, runAgent, dataDir);
    String mode = values.text("write-kubeconfig-mode");
    if (!mode.matches("0?[0-7]{3}")) {
      throw new UserException(
          "--write-kubeconfig-mode must be an octal file mode such as 600, not " + mode);
    }
    return new ServerConfig(
        dataDir,
        new Datastore(
            values.text("datastore-endpoint"),
            file(values, "datastore-cafile"),
            file(values, "datastore-certfile"),
            file(values, "datastore-keyfile"),
            embedded(values)),
        cluster(values),
        address(values, "bind-address"),
        port,
        values.isSet("advertise-address") ? address(values, "advertise-address") : nodeIp,
        values.isSet("advertise-port") ? values.number("advertise-port", 1, 65535) : port,
        values.list("tls-san"),
        cluster.toString(),
        service.toString(),
        nodePorts[0],
        nodePorts[1],
        dns,
        values.text("cluster-domain"),
        kubeconfig,
        mode,
        Optional.of(values.text("write-kubeconfig-group")).filter(group -> !group.isEmpty()),
        disabled(values),
        !values.on("disable-scheduler"),
        !values.on("disable-kube-proxy"),
        runAgent,
        values.number("ingress-http-port", 1, 65535),
        values.number("ingress-https-port", 1, 65535),
        new ServerConfig.Node(
            nodeName(values),
            nodeIp,
            values.list("node-external-ip"),
            labels(values),
            taints(values),
            Path.of(values.text("resolv-conf")),
            Optional.of(values.text("container-runtime-endpoint"))
                .filter(endpoint -> !endpoint.isEmpty()),
            snapshotter(values),
            Path.of(values.text("private-registry")),
            values.isSet("default-local-storage-path")
                ? Path.of(values.text("default-local-storage-path")).toAbsolutePath()
                : dataDir.resolve("storage")),
        audit(apiServerArguments(values)),
        snapshots(values));
  }

  private static ServerConfig.Snapshots snapshots(Flags.Values values) {
    return new ServerConfig.Snapshots(
        values.on("etcd-disable-snapshots"),
        given(values, "etcd-snapshot-schedule-cron"),
        count(values, "etcd-snapshot-retention"),
        file(values, "etcd-snapshot-dir"),
        snapshotName(values, "etcd-snapshot-name"),
        values.on("etcd-snapshot-compress"),
        values.on("snapshot-encrypt"),
        file(values, "snapshot-passphrase-file"),
        s3(values),
        count(values, "etcd-s3-retention"));
  }

  /** What may begin the name of a file. */
  static String snapshotName(Flags.Values values, String flag) {
    String name = values.text(flag);
    if (!name.matches("[A-Za-z0-9_][A-Za-z0-9._-]{0,200}")) {
      throw new UserException(
          "--" + flag + " " + name + " is no name: letters, digits, '-', '_' and '.' make one");
    }
    return name;
  }

  private static Optional<S3Bucket.Settings> s3(Flags.Values values) {
    if (!values.on("etcd-s3")) {
      return Optional.empty();
    }
    for (String needed : List.of("etcd-s3-bucket", "etcd-s3-access-key", "etcd-s3-secret-key")) {
      if (values.text(needed).isEmpty()) {
        throw new UserException("--etcd-s3 needs --" + needed);
      }
    }
    String endpoint = values.text("etcd-s3-endpoint").replaceFirst("^https?://", "");
    if (!endpoint.matches("[A-Za-z0-9.-]+(:\\d{1,5})?/?")) {
      throw new UserException(
          "--etcd-s3-endpoint "
              + endpoint
              + " is no host; give for instance minio.example.org:9000");
    }
    String lookup = values.text("etcd-s3-bucket-lookup-type").toUpperCase(Locale.ROOT);
    if (Stream.of(S3Bucket.Lookup.values()).noneMatch(known -> known.name().equals(lookup))) {
      throw new UserException(
          "--etcd-s3-bucket-lookup-type must be auto, dns or path, not "
              + values.text("etcd-s3-bucket-lookup-type"));
    }
    return Optional.of(
        new S3Bucket.Settings(
            endpoint.replaceFirst("/$", ""),
            file(values, "etcd-s3-endpoint-ca"),
            !values.on("etcd-s3-skip-ssl-verify"),
            values.on("etcd-s3-insecure"),
            values.text("etcd-s3-bucket"),
            values.text("etcd-s3-folder"),
            values.text("etcd-s3-region"),
            values.text("etcd-s3-access-key"),
            values.text("etcd-s3-secret-key"),
            given(values, "etcd-s3-session-token"),
            S3Bucket.Lookup.valueOf(lookup),
            duration(values, "etcd-s3-timeout")));
  }

  /** As Go writes one: {@code 5m0s}. */
  private static Duration duration(Flags.Values values, String flag) {
    String text = values.text(flag);
    Matcher parts =
        Pattern.compile("(?:(\\d{1,4})h)?(?:(\\d{1,5})m)?(?:(\\d{1,6})s)?").matcher(text);
    if (parts.matches()) {
      Duration sum =
          Duration.ofHours(number(parts.group(1)))
              .plusMinutes(number(parts.group(2)))
              .plusSeconds(number(parts.group(3)));
      if (sum.isPositive()) {
        return sum;
      }
    }
    throw new UserException("--" + flag + " must be a time such as 5m0s, not " + text);
  }

  private static int number(@Nullable String digits) {
    return digits == null ? 0 : Integer.parseInt(digits);
  }

  private static Optional<String> given(Flags.Values values, String flag) {
    return Optional.of(values.text(flag)).filter(text -> !text.isEmpty());
  }

  private static OptionalInt count(Flags.Values values, String flag) {
    return values.text(flag).isEmpty()
        ? OptionalInt.empty()
        : OptionalInt.of(values.number(flag, 0, 100_000));
  }

  /** What K3s passes on to the API server, where kedge has it too. */
  private static Map<String, String> apiServerArguments(Flags.Values values) {
    Map<String, String> arguments = new LinkedHashMap<>();
    for (String argument : values.list("kube-apiserver-arg")) {
      int equals = argument.indexOf('=');
      String name = equals < 0 ? argument : argument.substring(0, equals);
      if (!API_SERVER_ARGUMENTS.contains(name)) {
        throw new UserException(
            "--kube-apiserver-arg="
                + name
                + " is not supported; of the API server's arguments kedge takes "
                + String.join(", ", API_SERVER_ARGUMENTS.stream().sorted().toList()));
      }
      if (equals < 0) {
        throw new UserException("--kube-apiserver-arg=" + name + " needs a value: " + name + "=…");
      }
      arguments.put(name, argument.substring(equals + 1));
    }
    return arguments;
  }

  private static Optional<ServerConfig.Audit> audit(Map<String, String> arguments) {
    if (arguments.isEmpty()) {
      return Optional.empty();
    }
    for (String needed : List.of("audit-policy-file", "audit-log-path")) {
      if (arguments.getOrDefault(needed, "").isEmpty()) {
        throw new UserException(
            "an audit log needs --kube-apiserver-arg=audit-policy-file=FILE and"
                + " --kube-apiserver-arg=audit-log-path=FILE; "
                + needed
                + " is missing");
      }
    }
    expect(arguments, "audit-log-format", "json");
    expect(arguments, "audit-log-mode", "blocking");
    return Optional.of(
        new ServerConfig.Audit(
            Path.of(arguments.getOrDefault("audit-policy-file", "")).toAbsolutePath(),
            arguments.getOrDefault("audit-log-path", ""),
            count(arguments, "audit-log-maxage"),
            count(arguments, "audit-log-maxbackup"),
            count(arguments, "audit-log-maxsize")));
  }

  private static void expect(Map<String, String> arguments, String name, String only) {
    if (!arguments.getOrDefault(name, only).equals(only)) {
      throw new UserException(
          "--kube-apiserver-arg=" + name + " can only be " + only + " in kedge");
    }
  }

  private static int count(Map<String, String> arguments, String name) {
    String text = arguments.getOrDefault(name, "0");
    if (!text.matches("\\d{1,6}")) {
      throw new UserException(
          "--kube-apiserver-arg=" + name + " must be a number of 0 or more, not " + text);
    }
    return Integer.parseInt(text);
  }

  private static Optional<Path> file(Flags.Values values, String flag) {
    return Optional.of(values.text(flag))
        .filter(name -> !name.isEmpty())
        .map(name -> Path.of(name).toAbsolutePath());
  }

  private static ServerConfig.Cluster cluster(Flags.Values values) {
    Optional<URI> server =
        Optional.of(values.text("server")).filter(url -> !url.isEmpty()).map(ServerOptions::url);
    boolean init = values.on("cluster-init");
    boolean external = !values.text("datastore-endpoint").isEmpty();
    if (external && (init || server.isPresent() || values.on("cluster-reset"))) {
      throw new UserException(
          "--datastore-endpoint goes without --cluster-init, --server and --cluster-reset: servers"
              + " that share a datastore need only that and the same --token");
    }
    if ((init || server.isPresent()) && !embedded(values).equals(Datastore.Embedded.DEFAULT)) {
      throw new UserException(
          "--datastore-durability, --datastore-size-limit and --storage-profile are for SQLite;"
              + " etcd, which --cluster-init and --server bring, has none of them");
    }
    if (!values.text("cluster-reset-restore-path").isEmpty() && !values.on("cluster-reset")) {
      throw new UserException(
          "--cluster-reset-restore-path goes with --cluster-reset; for other datastores than a"
              + " server's own etcd there is kedge snapshot restore");
    }
    if (init && server.isPresent()) {
      throw new UserException(
          "--cluster-init begins a cluster and --server joins one; give one of them");
    }
    return new ServerConfig.Cluster(
        token(values),
        server,
        init,
        values.on("cluster-reset"),
        given(values, "cluster-reset-restore-path"),
        values.number("etcd-client-port", 1, 65535),
        values.number("etcd-peer-port", 1, 65535),
        !values.on("no-install"));
  }

  private static URI url(String text) {
    try {
      URI url = new URI(text);
      if ("https".equals(url.getScheme()) && url.getHost() != null) {
        return url;
      }
    } catch (URISyntaxException e) {
      throw new UserException("--server " + text + " is no URL: " + e.getMessage(), e);
    }
    throw new UserException(
        "--server " + text + " is no URL of a server; give for instance https://10.0.0.1:6443");
  }

  private static Optional<String> token(Flags.Values values) {
    if (!values.text("token").isEmpty()) {
      return Optional.of(values.text("token"));
    }
    Optional<Path> file = file(values, "token-file");
    try {
      return file.isPresent() ? Optional.of(Files.readString(file.get())) : Optional.empty();
    } catch (IOException e) {
      throw new UserException("--token-file " + file.get() + " cannot be read", e);
    }
  }

  private static Datastore.Embedded embedded(Flags.Values values) {
    String limit = values.text("datastore-size-limit");
    long bytes = Quantity.find(limit).map(Quantity::units).orElse(0L);
    if (bytes < LEAST_LIMIT) {
      throw new UserException(
          "--datastore-size-limit must be at least 16Mi and look like 8Gi, not " + limit);
    }
    return new Datastore.Embedded(
        choice(values, "datastore-durability", "full", "normal"),
        choice(values, "storage-profile", "default", "flash"),
        bytes);
  }

  /** Whether the other one of two choices was made. */
  private static boolean choice(Flags.Values values, String flag, String usual, String other) {
    String chosen = values.text(flag);
    if (!chosen.equals(usual) && !chosen.equals(other)) {
      throw new UserException(
          "--" + flag + " must be " + usual + " or " + other + ", not " + chosen);
    }
    return chosen.equals(other);
  }

  private static boolean root() {
    return "root".equals(System.getProperty("user.name"));
  }

  /** Without root and without agent the state lies in the user's home, as K3s has it. */
  private static Path dataDir(Flags.Values values, boolean runAgent) {
    if (!values.isSet("data-dir") && !root() && !runAgent) {
      return Path.of(System.getProperty("user.home"), ".kedge");
    }
    return Path.of(values.text("data-dir")).toAbsolutePath();
  }

  private static Path kubeconfig(Flags.Values values, boolean runAgent, Path dataDir) {
    if (!values.isSet("write-kubeconfig") && !root() && !runAgent) {
      return dataDir.resolve("kedge.yaml");
    }
    return Path.of(values.text("write-kubeconfig")).toAbsolutePath();
  }

  private static List<String> disabled(Flags.Values values) {
    // traefik is what K3s users disable when they mean the ingress.
    List<String> parts =
        values.list("disable").stream()
            .map(part -> part.equals("traefik") ? "ingress" : part)
            .toList();
    for (String part : parts) {
      if (!PARTS.contains(part)) {
        throw new UserException(
            "--disable "
                + part
                + ": there is no such part; known are "
                + String.join(", ", PARTS.stream().sorted().toList()));
      }
    }
    return parts;
  }

  private static String nodeName(Flags.Values values) {
    String name = values.text("node-name");
    if (name.isEmpty()) {
      try {
        name = Files.readString(Path.of("/proc/sys/kernel/hostname")).strip();
      } catch (IOException e) {
        throw new UserException("the host has no readable name; give --node-name", e);
      }
    }
    name = name.toLowerCase(Locale.ROOT);
    if (!NAME.matcher(name).matches()) {
      throw new UserException(
          "the node name "
              + name
              + " is not a DNS name (small letters, digits, '-' and '.'); give another with"
              + " --node-name");
    }
    return name;
  }

  private static Map<String, String> labels(Flags.Values values) {
    Map<String, String> labels = new LinkedHashMap<>();
    for (String label : values.list("node-label")) {
      int equals = label.indexOf('=');
      if (equals < 1) {
        throw new UserException("--node-label " + label + " must have the form key=value");
      }
      labels.put(label.substring(0, equals), label.substring(equals + 1));
    }
    return labels;
  }

  private static List<String> taints(Flags.Values values) {
    for (String taint : values.list("node-taint")) {
      if (!TAINT.matcher(taint).matches()) {
        throw new UserException(
            "--node-taint "
                + taint
                + " must have the form key=value:NoSchedule (or PreferNoSchedule, NoExecute)");
      }
    }
    return values.list("node-taint");
  }

  private static String snapshotter(Flags.Values values) {
    String snapshotter = values.text("snapshotter");
    if (!Set.of("overlayfs", "native").contains(snapshotter)) {
      throw new UserException(
          "--snapshotter " + snapshotter + " is not supported; choose overlayfs or native");
    }
    return snapshotter;
  }

  private static int[] portRange(Flags.Values values) {
    String text = values.text("service-node-port-range");
    int dash = text.indexOf('-');
    try {
      int first = Integer.parseInt(text.substring(0, Math.max(dash, 0)));
      int last = Integer.parseInt(text.substring(dash + 1));
      if (0 < first && first <= last && last <= 65535) {
        return new int[] {first, last};
      }
    } catch (NumberFormatException e) {
      throw new UserException(
          "--service-node-port-range must look like 30000-32767, not " + text, e);
    }
    throw new UserException("--service-node-port-range must look like 30000-32767, not " + text);
  }

  private static String address(Flags.Values values, String flag) {
    String text = values.text(flag);
    if (!Cidr.isIpv4(text)) {
      throw new UserException(
          "--" + flag + " " + text + " is not an IPv4 address; IPv6 is not supported yet");
    }
    return text;
  }

  private static Cidr cidr(Flags.Values values, String flag) {
    String text = values.text(flag);
    return Cidr.parse(text)
        .orElseThrow(
            () ->
                new UserException(
                    "--"
                        + flag
                        + " "
                        + text
                        + " is not an IPv4 range such as 10.42.0.0/16; IPv6 is not supported yet"));
  }

  /**
   * The address of the interface that the default route leaves by; loopback on a host without one.
   */
  private static String defaultAddress() {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/net/route"))) {
        String[] fields = line.split("\\s+", -1);
        if (fields.length > 2 && fields[1].equals("00000000")) {
          NetworkInterface device = NetworkInterface.getByName(fields[0]);
          if (device != null) {
            Optional<String> found = ipv4(device);
            if (found.isPresent()) {
              return found.get();
            }
          }
        }
      }
      Set<String> others = new LinkedHashSet<>();
      for (NetworkInterface device : NetworkInterface.networkInterfaces().toList()) {
        // Bridges and pairs of pods are ours or another runtime's, not the machine's address.
        if (device.isUp()
            && !device.isLoopback()
            && !device.isVirtual()
            && !device.getName().matches("(cni|kedge|veth|docker|br-|dummy).*")) {
          ipv4(device).ifPresent(others::add);
        }
      }
      return others.isEmpty() ? "127.0.0.1" : others.iterator().next();
    } catch (SocketException e) {
      throw new UserException("the host's network interfaces cannot be read; give --node-ip", e);
    } catch (IOException e) {
      throw new UserException("the host's routes cannot be read; give --node-ip", e);
    }
  }

  private static Optional<String> ipv4(NetworkInterface device) {
    return device.getInterfaceAddresses().stream()
        .map(InterfaceAddress::getAddress)
        .filter(Inet4Address.class::isInstance)
        .map(InetAddress::getHostAddress)
        .findFirst();
  }
}
