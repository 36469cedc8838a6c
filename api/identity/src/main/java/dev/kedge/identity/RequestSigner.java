package dev.kedge.identity;

import dev.kedge.http.Pem;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Signs requests for certificates for Kubernetes' own signers, by upstream's rules for each: client
 * certificates by the client authority, serving certificates of kubelets by the server's. Any
 * thread.
 */
public final class RequestSigner {
  private static final String CLIENT = "kubernetes.io/kube-apiserver-client";
  private static final String KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet";
  private static final String KUBELET_SERVING = "kubernetes.io/kubelet-serving";
  private static final Duration SHORTEST = Duration.ofMinutes(10);

  private final CertificateAuthority clients;
  private final CertificateAuthority servers;

  /** A signer with the authorities of a cluster. */
  public RequestSigner(CertificateAuthority clients, CertificateAuthority servers) {
    this.clients = clients;
    this.servers = servers;
  }

  /**
   * Signs a request.
   *
   * @param pem the PKCS#10 request
   * @param usages as upstream writes them, such as {@code client auth}
   * @param seconds the wished length of life; ten minutes to a year are given
   * @return PEM of the certificate
   * @throws IllegalArgumentException if the signer does not sign such requests
   */
  public String sign(String pem, String signerName, Collection<String> usages, long seconds) {
    CertificateRequest request = CertificateRequest.parse(pem);
    Optional<String> fault =
        switch (signerName) {
          case CLIENT -> clientFault(usages);
          case KUBELET_CLIENT -> kubeletClientFault(request, usages);
          case KUBELET_SERVING -> kubeletServingFault(request, usages);
          default -> Optional.of("unrecognized signerName: \"" + signerName + "\"");
        };
    if (fault.isPresent()) {
      throw new IllegalArgumentException(fault.get());
    }
    Duration life = Duration.ofSeconds(seconds);
    life = life.compareTo(SHORTEST) < 0 ? SHORTEST : life;
    life =
        life.compareTo(CertificateAuthority.LEAF_LIFE) > 0 ? CertificateAuthority.LEAF_LIFE : life;
    CertificateAuthority authority = signerName.equals(KUBELET_SERVING) ? servers : clients;
    return Pem.encode(List.of(authority.sign(request, usages, life)));
  }

  /**
   * The user that a request for a kubelet's client certificate is for, such as {@code
   * system:node:a}; empty if it is no such request.
   */
  public Optional<String> kubelet(String pem, Collection<String> usages) {
    CertificateRequest request;
    try {
      request = CertificateRequest.parse(pem);
    } catch (IllegalArgumentException _) {
      return Optional.empty(); // whoever approves it by hand will be told by the signer
    }
    return kubeletClientFault(request, usages).isPresent()
        ? Optional.empty()
        : Optional.of(request.commonName());
  }

  private static Optional<String> clientFault(Collection<String> usages) {
    Set<String> allowed = Set.of("digital signature", "key encipherment", "client auth");
    return allowed.containsAll(usages) && usages.contains("client auth")
        ? Optional.empty()
        : Optional.of(
            "invalid usage for client certificate: must include only \"digital signature\", \"key"
                + " encipherment\", \"client auth\" and must include \"client auth\"");
  }

  private static Optional<String> kubeletClientFault(
      CertificateRequest request, Collection<String> usages) {
    if (!ofNodes(request)) {
      return Optional.of("subject organization is not system:nodes");
    }
    if (!request.alternatives().isEmpty() || request.others()) {
      return Optional.of("subjectAltNames are not allowed");
    }
    if (!request.commonName().startsWith("system:node:")) {
      return Optional.of("subject common name does not begin with system:node:");
    }
    return exactly(usages, "client auth");
  }

  private static Optional<String> kubeletServingFault(
      CertificateRequest request, Collection<String> usages) {
    if (!ofNodes(request)) {
      return Optional.of("subject organization is not system:nodes");
    }
    if (request.alternatives().isEmpty()) {
      return Optional.of("DNS or IP subjectAltName is required");
    }
    if (request.others()) {
      return Optional.of("email and URI subjectAltNames are not allowed");
    }
    if (!request.commonName().startsWith("system:node:")) {
      return Optional.of("subject common name does not begin with system:node:");
    }
    return exactly(usages, "server auth");
  }

  private static boolean ofNodes(CertificateRequest request) {
    return request.organizations().equals(List.of("system:nodes"));
  }

  /** Keys other than RSA encipher nothing, so that usage may be left out. */
  private static Optional<String> exactly(Collection<String> usages, String purpose) {
    Set<String> given = Set.copyOf(usages);
    return given.equals(Set.of("digital signature", purpose))
            || given.equals(Set.of("key encipherment", "digital signature", purpose))
        ? Optional.empty()
        : Optional.of("usages did not match [digital signature key encipherment " + purpose + "]");
  }
}
