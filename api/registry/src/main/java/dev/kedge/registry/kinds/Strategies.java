package dev.kedge.registry.kinds;

import dev.kedge.model.GroupVersionKind;
import dev.kedge.registry.Strategy;
import java.util.Map;

/** The strategies of built-in kinds. Stateless; any thread. */
public final class Strategies {
  /** By group and kind; a kind that is not here is described by its schema in full. */
  private static final Map<String, Strategy> BY_KIND =
      Map.ofEntries(
          Map.entry("/Pod", new PodStrategy()),
          Map.entry("/PodTemplate", new Workloads.PodTemplate()),
          Map.entry("/ReplicationController", new Workloads.ReplicationController()),
          Map.entry("/Service", new ServiceStrategy()),
          Map.entry("/ConfigMap", new Config.ConfigMap()),
          Map.entry("/Secret", new Config.Secret()),
          Map.entry("/PersistentVolumeClaim", new StorageKinds.Claim()),
          Map.entry("/PersistentVolume", new StorageKinds.Volume()),
          Map.entry("/Node", new ClusterKinds.Node()),
          Map.entry("/LimitRange", new ClusterKinds.LimitRange()),
          Map.entry("/ResourceQuota", new ClusterKinds.ResourceQuota()),
          Map.entry("apps/Deployment", new Workloads.Deployment()),
          Map.entry("apps/ReplicaSet", new Workloads.ReplicaSet()),
          Map.entry("apps/DaemonSet", new Workloads.DaemonSet()),
          Map.entry("apps/StatefulSet", new Workloads.StatefulSet()),
          Map.entry("apps/ControllerRevision", new ClusterKinds.ControllerRevision()),
          Map.entry("batch/Job", new Batch.Job()),
          Map.entry("batch/CronJob", new Batch.CronJob()),
          Map.entry(
              "autoscaling/HorizontalPodAutoscaler", new ClusterKinds.HorizontalPodAutoscaler()),
          Map.entry("policy/PodDisruptionBudget", new ClusterKinds.PodDisruptionBudget()),
          Map.entry("networking.k8s.io/ServiceCIDR", new NetworkKinds.ServiceCidr()),
          Map.entry("networking.k8s.io/IPAddress", new NetworkKinds.IpAddress()),
          Map.entry("networking.k8s.io/Ingress", new NetworkKinds.Ingress()),
          Map.entry("networking.k8s.io/IngressClass", new ClusterKinds.IngressClass()),
          Map.entry("networking.k8s.io/NetworkPolicy", new NetworkKinds.NetworkPolicy()),
          Map.entry("discovery.k8s.io/EndpointSlice", new NetworkKinds.EndpointSlice()),
          Map.entry("resource.k8s.io/ResourceClaim", new DeviceKinds.Claim()),
          Map.entry("resource.k8s.io/ResourceClaimTemplate", new DeviceKinds.ClaimTemplate()),
          Map.entry("storage.k8s.io/StorageClass", new StorageKinds.StorageClass()),
          Map.entry("scheduling.k8s.io/PriorityClass", new ClusterKinds.PriorityClass()),
          Map.entry(
              "certificates.k8s.io/CertificateSigningRequest",
              new CertificateKinds.SigningRequest()),
          Map.entry("node.k8s.io/RuntimeClass", new ClusterKinds.RuntimeClass()),
          Map.entry("coordination.k8s.io/Lease", new ClusterKinds.Lease()),
          Map.entry("apiregistration.k8s.io/APIService", new ClusterKinds.ApiService()),
          Map.entry(
              "admissionregistration.k8s.io/MutatingWebhookConfiguration",
              new WebhookConfiguration(true)),
          Map.entry(
              "admissionregistration.k8s.io/ValidatingWebhookConfiguration",
              new WebhookConfiguration(false)),
          Map.entry(
              "admissionregistration.k8s.io/ValidatingAdmissionPolicy", new AdmissionPolicy(false)),
          Map.entry(
              "admissionregistration.k8s.io/MutatingAdmissionPolicy", new AdmissionPolicy(true)),
          Map.entry(
              "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding",
              new AdmissionPolicy.Binding(false)),
          Map.entry(
              "admissionregistration.k8s.io/MutatingAdmissionPolicyBinding",
              new AdmissionPolicy.Binding(true)),
          Map.entry("rbac.authorization.k8s.io/Role", new AccessKinds.Role(true)),
          Map.entry("rbac.authorization.k8s.io/ClusterRole", new AccessKinds.Role(false)),
          Map.entry("rbac.authorization.k8s.io/RoleBinding", new AccessKinds.Binding(true)),
          Map.entry(
              "rbac.authorization.k8s.io/ClusterRoleBinding", new AccessKinds.Binding(false)));

  private Strategies() {}

  /** The strategy of a kind, whatever its version; {@link Strategy#PLAIN} where it needs none. */
  public static Strategy of(GroupVersionKind kind) {
    return BY_KIND.getOrDefault(kind.group() + "/" + kind.kind(), Strategy.PLAIN);
  }
}
