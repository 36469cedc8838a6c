package dev.kedge.model;

/**
 * The built-in resources that kedge's own parts read and write, as constants to address them by.
 */
public final class Resources {
  public static final ResourceType BINDINGS = core("bindings", "Binding", true);
  public static final ResourceType COMPONENT_STATUSES =
      core("componentstatuses", "ComponentStatus", false);
  public static final ResourceType CONFIG_MAPS = core("configmaps", "ConfigMap", true);
  public static final ResourceType ENDPOINTS = core("endpoints", "Endpoints", true);
  public static final ResourceType EVENTS = core("events", "Event", true);
  public static final ResourceType LIMIT_RANGES = core("limitranges", "LimitRange", true);
  public static final ResourceType NAMESPACES = core("namespaces", "Namespace", false);
  public static final ResourceType NODES = core("nodes", "Node", false);
  public static final ResourceType PERSISTENT_VOLUME_CLAIMS =
      core("persistentvolumeclaims", "PersistentVolumeClaim", true);
  public static final ResourceType PERSISTENT_VOLUMES =
      core("persistentvolumes", "PersistentVolume", false);
  public static final ResourceType PODS = core("pods", "Pod", true);
  public static final ResourceType POD_TEMPLATES = core("podtemplates", "PodTemplate", true);
  public static final ResourceType REPLICATION_CONTROLLERS =
      core("replicationcontrollers", "ReplicationController", true);
  public static final ResourceType RESOURCE_QUOTAS = core("resourcequotas", "ResourceQuota", true);
  public static final ResourceType SECRETS = core("secrets", "Secret", true);
  public static final ResourceType SERVICE_ACCOUNTS =
      core("serviceaccounts", "ServiceAccount", true);
  public static final ResourceType SERVICES = core("services", "Service", true);
  public static final ResourceType CONTROLLER_REVISIONS =
      new ResourceType("apps", "v1", "controllerrevisions", "ControllerRevision", true);
  public static final ResourceType DAEMON_SETS =
      new ResourceType("apps", "v1", "daemonsets", "DaemonSet", true);
  public static final ResourceType DEPLOYMENTS =
      new ResourceType("apps", "v1", "deployments", "Deployment", true);
  public static final ResourceType REPLICA_SETS =
      new ResourceType("apps", "v1", "replicasets", "ReplicaSet", true);
  public static final ResourceType STATEFUL_SETS =
      new ResourceType("apps", "v1", "statefulsets", "StatefulSet", true);
  public static final ResourceType CRON_JOBS =
      new ResourceType("batch", "v1", "cronjobs", "CronJob", true);
  public static final ResourceType JOBS = new ResourceType("batch", "v1", "jobs", "Job", true);
  public static final ResourceType HORIZONTAL_POD_AUTOSCALERS =
      new ResourceType(
          "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", true);
  public static final ResourceType NODE_METRICS =
      new ResourceType("metrics.k8s.io", "v1beta1", "nodes", "NodeMetrics", false);
  public static final ResourceType POD_METRICS =
      new ResourceType("metrics.k8s.io", "v1beta1", "pods", "PodMetrics", true);
  public static final ResourceType CERTIFICATE_SIGNING_REQUESTS =
      new ResourceType(
          "certificates.k8s.io",
          "v1",
          "certificatesigningrequests",
          "CertificateSigningRequest",
          false);
  public static final ResourceType SUBJECT_ACCESS_REVIEWS =
      new ResourceType(
          "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", false);
  public static final ResourceType LEASES =
      new ResourceType("coordination.k8s.io", "v1", "leases", "Lease", true);
  public static final ResourceType ENDPOINT_SLICES =
      new ResourceType("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true);
  public static final ResourceType INGRESSES =
      new ResourceType("networking.k8s.io", "v1", "ingresses", "Ingress", true);
  public static final ResourceType INGRESS_CLASSES =
      new ResourceType("networking.k8s.io", "v1", "ingressclasses", "IngressClass", false);
  public static final ResourceType NETWORK_POLICIES =
      new ResourceType("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true);
  public static final ResourceType RUNTIME_CLASSES =
      new ResourceType("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", false);
  public static final ResourceType POD_DISRUPTION_BUDGETS =
      new ResourceType("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true);
  public static final ResourceType CLUSTER_ROLES =
      new ResourceType("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false);
  public static final ResourceType CLUSTER_ROLE_BINDINGS =
      new ResourceType(
          "rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", false);
  public static final ResourceType ROLES =
      new ResourceType("rbac.authorization.k8s.io", "v1", "roles", "Role", true);
  public static final ResourceType ROLE_BINDINGS =
      new ResourceType("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", true);
  public static final ResourceType PRIORITY_CLASSES =
      new ResourceType("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", false);
  public static final ResourceType STORAGE_CLASSES =
      new ResourceType("storage.k8s.io", "v1", "storageclasses", "StorageClass", false);
  public static final ResourceType CSI_NODES =
      new ResourceType("storage.k8s.io", "v1", "csinodes", "CSINode", false);
  public static final ResourceType CSI_DRIVERS =
      new ResourceType("storage.k8s.io", "v1", "csidrivers", "CSIDriver", false);
  public static final ResourceType VOLUME_ATTACHMENTS =
      new ResourceType("storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", false);
  public static final ResourceType CUSTOM_RESOURCE_DEFINITIONS =
      new ResourceType(
          "apiextensions.k8s.io",
          "v1",
          "customresourcedefinitions",
          "CustomResourceDefinition",
          false);
  public static final ResourceType SERVICE_CIDRS =
      new ResourceType("networking.k8s.io", "v1", "servicecidrs", "ServiceCIDR", false);
  public static final ResourceType IP_ADDRESSES =
      new ResourceType("networking.k8s.io", "v1", "ipaddresses", "IPAddress", false);
  public static final ResourceType API_SERVICES =
      new ResourceType("apiregistration.k8s.io", "v1", "apiservices", "APIService", false);
  public static final ResourceType MUTATING_WEBHOOK_CONFIGURATIONS =
      new ResourceType(
          "admissionregistration.k8s.io",
          "v1",
          "mutatingwebhookconfigurations",
          "MutatingWebhookConfiguration",
          false);
  public static final ResourceType VALIDATING_WEBHOOK_CONFIGURATIONS =
      new ResourceType(
          "admissionregistration.k8s.io",
          "v1",
          "validatingwebhookconfigurations",
          "ValidatingWebhookConfiguration",
          false);

  private Resources() {}

  private static ResourceType core(String plural, String kind, boolean namespaced) {
    return new ResourceType("", "v1", plural, kind, namespaced);
  }
}
