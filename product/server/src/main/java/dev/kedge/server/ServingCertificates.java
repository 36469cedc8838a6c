package dev.kedge.server;

import dev.kedge.http.TlsIdentity;
import dev.kedge.identity.ClusterCertificates;
import dev.kedge.identity.Credential;
import dev.kedge.identity.Kubeconfig;
import dev.kedge.lifecycle.UserException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.GroupPrincipal;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.cert.X509Certificate;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** The certificates this server shows, and the kubeconfig of its administrator. */
final class ServingCertificates {
  /** The name that the servers of aggregated APIs take user headers from. */
  static final String PROXY = "system:auth-proxy";

  private final ClusterCertificates certificates;
  private final ServerConfig config;
  private final String apiServiceAddress;
  private volatile TlsIdentity api;
  private volatile TlsIdentity proxy;

  ServingCertificates(ClusterCertificates certificates, ServerConfig config) {
    this.certificates = certificates;
    this.config = config;
    this.apiServiceAddress = first(config.serviceCidr());
    this.api = identity(certificates.serving("serving-kube-apiserver", "kube-apiserver", names()));
    this.proxy = identity(certificates.proxy("client-auth-proxy", PROXY));
    certificates.onRenewal(
        (name, credential) -> {
          if (name.equals("client-auth-proxy")) {
            proxy = identity(credential);
          }
          if (name.equals("serving-kube-apiserver")) {
            api = identity(credential);
          }
        });
  }

  /** What the API shows to the servers of aggregated APIs now. */
  TlsIdentity proxy() {
    return proxy;
  }

  /** What the API shows now. */
  TlsIdentity api() {
    return api;
  }

  /** Whose certificates clients of the API may show: users and nodes, and front proxies. */
  List<X509Certificate> clientAuthorities() {
    return List.of(
        certificates.clientAuthority().certificate(),
        certificates.requestHeaderAuthority().certificate());
  }

  /** What the node's kubelet port shows. */
  TlsIdentity kubelet() {
    return identity(
        certificates.serving(
            "serving-kubelet",
            config.node().name(),
            List.of(config.node().name(), config.node().ip(), "localhost", "127.0.0.1")));
  }

  /** What the ingress shows where no Secret says otherwise. */
  TlsIdentity ingress() {
    return identity(
        certificates.serving("serving-ingress", "kedge-default", List.of("kedge-default.local")));
  }

  /** Cluster address of the {@code kubernetes} Service. */
  String apiServiceAddress() {
    return apiServiceAddress;
  }

  private Set<String> names() {
    Set<String> names = new LinkedHashSet<>();
    names.addAll(
        List.of(
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc." + config.clusterDomain(),
            "localhost",
            "127.0.0.1",
            apiServiceAddress,
            config.advertiseAddress(),
            config.node().ip(),
            config.node().name()));
    names.addAll(config.node().externalIps());
    names.addAll(config.tlsSans());
    return names;
  }

  /** Writes the administrator's kubeconfig; it points to loopback, as K3s's does. */
  void writeKubeconfig() {
    Credential admin = certificates.client("client-admin", "system:admin", "system:masters");
    Path file = config.kubeconfig();
    String host = config.bindAddress().equals("0.0.0.0") ? "127.0.0.1" : config.bindAddress();
    try {
      Kubeconfig.write(
          file,
          permissions(config.kubeconfigMode()),
          "https://" + host + ":" + config.httpsPort(),
          certificates.serverAuthority().bundlePem(),
          admin,
          config.socket());
      if (config.kubeconfigGroup().isPresent()) {
        GroupPrincipal group =
            file.getFileSystem()
                .getUserPrincipalLookupService()
                .lookupPrincipalByGroupName(config.kubeconfigGroup().get());
        Files.getFileAttributeView(file, PosixFileAttributeView.class).setGroup(group);
      }
    } catch (IOException | UncheckedIOException e) {
      throw new UserException(
          "the kubeconfig "
              + file
              + " cannot be written ("
              + Preflight.why(e)
              + "); choose another place with --write-kubeconfig",
          e);
    }
  }

  private static TlsIdentity identity(Credential credential) {
    return new TlsIdentity(credential.chain(), credential.key());
  }

  /** {@code 644} as {@code rw-r--r--}. */
  private static String permissions(String mode) {
    int bits = Integer.parseInt(mode, 8);
    StringBuilder text = new StringBuilder();
    for (int shift = 6; shift >= 0; shift -= 3) {
      int part = bits >> shift & 7;
      text.append((part & 4) != 0 ? 'r' : '-')
          .append((part & 2) != 0 ? 'w' : '-')
          .append((part & 1) != 0 ? 'x' : '-');
    }
    PosixFilePermissions.fromString(text.toString());
    return text.toString();
  }

  /** The first address of a range: {@code 10.43.0.1} of {@code 10.43.0.0/16}. */
  private static String first(String cidr) {
    String network = cidr.substring(0, cidr.indexOf('/'));
    int dot = network.lastIndexOf('.');
    return network.substring(0, dot + 1) + (Integer.parseInt(network.substring(dot + 1)) + 1);
  }
}
