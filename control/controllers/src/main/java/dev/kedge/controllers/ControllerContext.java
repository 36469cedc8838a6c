package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.client.KubeClient;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.reconcile.Timeline;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * What every controller works with.
 *
 * @param client writes, and the few reads that must be fresh
 * @param informers all other reads
 * @param timeline time and timers
 */
public record ControllerContext(
    KubeClient client, Informers informers, Timeline timeline, Settings settings) {
  /**
   * What controllers must be told about the cluster.
   *
   * @param rootCertificates PEM of the authority that signed the API server's certificate
   * @param advertiseAddress where nodes and pods reach the API server
   * @param advertisePort the port there, such as 6443
   * @param apiServiceAddress cluster address of the {@code kubernetes} Service, such as 10.43.0.1
   * @param serviceCidr network of Services, such as 10.43.0.0/16
   * @param clusterCidrs pod networks, one per address family, such as 10.42.0.0/16
   * @param nodeMaskSizes prefix length of each node's share, per entry of {@code clusterCidrs}
   * @param resources every served resource that can be listed and deleted, as discovery would tell;
   *     asked again whenever it matters, custom resources come and go
   * @param legacyTokens makes tokens of Secrets of type kubernetes.io/service-account-token; empty
   *     where no signing key is at hand
   * @param certificateSigner signs certificate requests; empty where another does
   */
  public record Settings(
      String rootCertificates,
      String advertiseAddress,
      int advertisePort,
      String apiServiceAddress,
      String serviceCidr,
      List<String> clusterCidrs,
      List<Integer> nodeMaskSizes,
      Supplier<List<ResourceType>> resources,
      Optional<LegacyTokens> legacyTokens,
      Optional<CertificateSigner> certificateSigner) {
    public Settings {
      clusterCidrs = List.copyOf(clusterCidrs);
      nodeMaskSizes = List.copyOf(nodeMaskSizes);
    }
  }

  /** Makes the token of a legacy token Secret. */
  @FunctionalInterface
  public interface LegacyTokens {
    /** A signed token that names the account and the Secret and does not expire. */
    String token(KubeObject serviceAccount, KubeObject secret);
  }

  /** Signs certificates for Kubernetes' own signers. */
  public interface CertificateSigner {
    /**
     * Signs a request.
     *
     * @param request PEM of the PKCS#10 request
     * @param signerName such as {@code kubernetes.io/kubelet-serving}
     * @return PEM of the certificate
     * @throws IllegalArgumentException if the signer does not sign such requests
     */
    String sign(String request, String signerName, List<String> usages, long seconds);

    /** The user that a request for a kubelet's client certificate is for; empty if it is none. */
    Optional<String> kubelet(String request, List<String> usages);
  }

  Informer informer(ResourceType type) {
    return informers.of(type);
  }
}
