package dev.kedge.registry.kinds;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.builtin.BuiltinSchemas;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.MergePatch;
import dev.kedge.model.Schema;
import dev.kedge.model.SchemaDecoder;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Strategy;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Valid objects, each changed in one place by a merge patch, and what Kubernetes says to it. */
class StrategiesTest {
  private static final Map<String, String> VALID = new HashMap<>();

  static {
    VALID.put(
        "Pod",
        """
        {"apiVersion":"v1","spec":{"containers":[{"name":"a","image":"nginx"}]}}
        """);
    String workload =
        """
        {"apiVersion":"apps/v1","spec":{"selector":{"matchLabels":{"app":"x"}},"template":{
         "metadata":{"labels":{"app":"x"}},"spec":{"containers":[{"name":"a","image":"nginx:1"}]}}}}
        """;
    for (String kind : List.of("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet")) {
      VALID.put(kind, workload);
    }
    String job =
        """
        {"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"nginx:1"}]}}}
        """;
    VALID.put("Job", "{\"apiVersion\":\"batch/v1\",\"spec\":" + job + "}");
    VALID.put(
        "CronJob",
        "{\"apiVersion\":\"batch/v1\",\"spec\":{\"schedule\":\"*/5 1-3 * jan"
            + " mon\",\"jobTemplate\":{\"spec\":"
            + job
            + "}}}");
    VALID.put("Service", "{\"apiVersion\":\"v1\",\"spec\":{\"ports\":[{\"port\":80}]}}");
    VALID.put("ConfigMap", "{\"apiVersion\":\"v1\",\"data\":{\"a.b\":\"c\"}}");
    VALID.put("Secret", "{\"apiVersion\":\"v1\",\"stringData\":{\"a\":\"b\"}}");
    VALID.put(
        "Ingress",
        """
        {"apiVersion":"networking.k8s.io/v1","spec":{"rules":[{"host":"a.example.com","http":{"paths":[
         {"path":"/","pathType":"Prefix","backend":{"service":{"name":"a","port":{"number":80}}}}]}}]}}
        """);
    VALID.put(
        "PersistentVolumeClaim",
        """
        {"apiVersion":"v1","spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}
        """);
    VALID.put(
        "PersistentVolume",
        """
        {"apiVersion":"v1","spec":{"accessModes":["ReadWriteOnce"],"capacity":{"storage":"1Gi"},
         "hostPath":{"path":"/data"}}}
        """);
    VALID.put("StorageClass", "{\"apiVersion\":\"storage.k8s.io/v1\",\"provisioner\":\"a.io/b\"}");
    VALID.put(
        "Role",
        """
        {"apiVersion":"rbac.authorization.k8s.io/v1","rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]}
        """);
    VALID.put(
        "RoleBinding",
        """
        {"apiVersion":"rbac.authorization.k8s.io/v1","roleRef":{"kind":"Role","name":"a"},
         "subjects":[{"kind":"User","name":"u"}]}
        """);
    VALID.put(
        "NetworkPolicy", "{\"apiVersion\":\"networking.k8s.io/v1\",\"spec\":{\"podSelector\":{}}}");
    VALID.put(
        "HorizontalPodAutoscaler",
        """
        {"apiVersion":"autoscaling/v2","spec":{"maxReplicas":3,"scaleTargetRef":{"kind":"Deployment","name":"a"}}}
        """);
    VALID.put("PriorityClass", "{\"apiVersion\":\"scheduling.k8s.io/v1\",\"value\":10}");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Pod",
        "Deployment",
        "ReplicaSet",
        "DaemonSet",
        "StatefulSet",
        "Job",
        "CronJob",
        "Service",
        "ConfigMap",
        "Secret",
        "Ingress",
        "PersistentVolumeClaim",
        "PersistentVolume",
        "StorageClass",
        "Role",
        "RoleBinding",
        "NetworkPolicy",
        "HorizontalPodAutoscaler",
        "PriorityClass"
      })
  void validObjectsPass(String kind) {
    assertThat(validate(object(kind, "{}"))).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      textBlock =
          """
          Pod | {"spec":{"containers":[]}} | spec.containers | Required value
          Pod | {"spec":{"containers":[{"name":"A","image":"b"}]}} | spec.containers[0].name | Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
          Pod | {"spec":{"containers":[{"name":"a"}]}} | spec.containers[0].image | Required value
          Pod | {"spec":{"containers":[{"name":"a","image":"b"},{"name":"a","image":"b"}]}} | spec.containers[1].name | Duplicate value: "a"
          Pod | {"spec":{"containers":[{"name":"a","image":"b","imagePullPolicy":"Now"}]}} | spec.containers[0].imagePullPolicy | Unsupported value: "Now": supported values: "Always", "IfNotPresent", "Never"
          Pod | {"spec":{"containers":[{"name":"a","image":"b","ports":[{"containerPort":70000}]}]}} | spec.containers[0].ports[0].containerPort | Invalid value: 70000: must be between 1 and 65535, inclusive
          Pod | {"spec":{"containers":[{"name":"a","image":"b","volumeMounts":[{"name":"v","mountPath":"/v"}]}]}} | spec.containers[0].volumeMounts[0].name | Not found: "v"
          Pod | {"spec":{"containers":[{"name":"a","image":"b","resources":{"requests":{"cpu":2},"limits":{"cpu":1}}}]}} | spec.containers[0].resources.requests | Invalid value: "2": must be less than or equal to cpu limit of 1
          Pod | {"spec":{"containers":[{"name":"a","image":"b","livenessProbe":{}}]}} | spec.containers[0].livenessProbe | Required value: must specify a handler type
          Pod | {"spec":{"containers":[{"name":"a","image":"b","livenessProbe":{"exec":{"command":["x"]},"successThreshold":2}}]}} | spec.containers[0].livenessProbe.successThreshold | Invalid value: 2: must be 1
          Pod | {"spec":{"containers":[{"name":"a","image":"b","env":[{"name":"E","value":"x","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}]}]}} | spec.containers[0].env[0].valueFrom | Invalid value: "": may not be specified when `value` is not empty
          Pod | {"spec":{"restartPolicy":"Sometimes"}} | spec.restartPolicy | Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"
          Pod | {"spec":{"volumes":[{"name":"v","emptyDir":{},"hostPath":{"path":"/a"}}]}} | spec.volumes[0].hostPath | Forbidden: may not specify more than 1 volume type
          Pod | {"spec":{"terminationGracePeriodSeconds":-1}} | spec.terminationGracePeriodSeconds | Invalid value: -1: must be greater than or equal to 0
          Deployment | {"spec":{"selector":null}} | spec.selector | Required value
          Deployment | {"spec":{"selector":{"matchLabels":{"app":null}}}} | spec.selector | Invalid value: {}: empty selector is invalid for deployment
          Deployment | {"spec":{"selector":{"matchLabels":{"app":"y"}}}} | spec.template.metadata.labels | Invalid value: {"app":"x"}: `selector` does not match template `labels`
          Deployment | {"spec":{"replicas":-1}} | spec.replicas | Invalid value: -1: must be greater than or equal to 0
          Deployment | {"spec":{"template":{"spec":{"restartPolicy":"Never"}}}} | spec.template.spec.restartPolicy | Unsupported value: "Never": supported values: "Always"
          Deployment | {"spec":{"strategy":{"rollingUpdate":{"maxSurge":0,"maxUnavailable":0}}}} | spec.strategy.rollingUpdate.maxUnavailable | Invalid value: 0: may not be 0 when `maxSurge` is 0
          StatefulSet | {"spec":{"podManagementPolicy":"Fast"}} | spec.podManagementPolicy | Invalid value: "Fast": must be 'OrderedReady' or 'Parallel'
          Job | {"spec":{"template":{"spec":{"restartPolicy":"Always"}}}} | spec.template.spec.restartPolicy | Required value: valid values: "OnFailure", "Never"
          Job | {"spec":{"parallelism":-1}} | spec.parallelism | Invalid value: -1: must be greater than or equal to 0
          CronJob | {"spec":{"schedule":"often"}} | spec.schedule | Invalid value: "often": expected exactly 5 fields, found 1: [often]
          CronJob | {"spec":{"schedule":"60 * * * *"}} | spec.schedule | Invalid value: "60 * * * *": end of range (60) above maximum (59): 60
          CronJob | {"spec":{"concurrencyPolicy":"Maybe"}} | spec.concurrencyPolicy | Unsupported value: "Maybe": supported values: "Allow", "Forbid", "Replace"
          Service | {"spec":{"ports":null}} | spec.ports | Required value
          Service | {"spec":{"ports":[{"port":0,"targetPort":80}]}} | spec.ports[0].port | Invalid value: 0: must be between 1 and 65535, inclusive
          Service | {"spec":{"ports":[{"port":1,"name":"a"},{"port":2}]}} | spec.ports[1].name | Required value
          Service | {"spec":{"type":"Magic"}} | spec.type | Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"
          Service | {"spec":{"ports":[{"port":80,"nodePort":30000}]}} | spec.ports[0].nodePort | Forbidden: may not be used when `type` is 'ClusterIP'
          Service | {"spec":{"type":"ExternalName"}} | spec.externalName | Required value
          ConfigMap | {"data":{"a b":"c"}} | data[a b] | Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')
          Secret | {"type":"kubernetes.io/dockerconfigjson"} | data[.dockerconfigjson] | Required value
          Ingress | {"spec":{"rules":null,"defaultBackend":{}}} | spec.defaultBackend | Invalid value: "": resource or service backend is required
          Ingress | {"spec":{"rules":[{"http":{"paths":[{"path":"/","backend":{"service":{"name":"a","port":{"number":80}}}}]}}]}} | spec.rules[0].http.paths[0].pathType | Required value: pathType must be specified
          PersistentVolumeClaim | {"spec":{"accessModes":null}} | spec.accessModes | Required value: at least 1 access mode is required
          PersistentVolumeClaim | {"spec":{"resources":null}} | spec.resources[storage] | Required value
          PersistentVolume | {"spec":{"hostPath":null}} | spec | Required value: must specify a volume type
          StorageClass | {"provisioner":""} | provisioner | Required value
          Role | {"rules":[{"apiGroups":[""],"resources":["pods"]}]} | rules[0].verbs | Required value: verbs must contain at least one value
          RoleBinding | {"subjects":[{"kind":"ServiceAccount","name":"a"}]} | subjects[0].namespace | Required value
          HorizontalPodAutoscaler | {"spec":{"minReplicas":5}} | spec.maxReplicas | Invalid value: 3: must be greater than or equal to `minReplicas`
          PriorityClass | {"value":2000000000} | value | Forbidden: maximum allowed value of a user defined priority is 1000000000
          """)
  void oneFaultIsOneCause(String kind, String patch, String field, String message) {
    assertThat(validate(object(kind, patch)))
        .extracting(cause -> cause.field() + ": " + cause.message())
        .containsExactly(field + ": " + message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      textBlock =
          """
          Pod | {"spec":{"containers":[{"name":"a","image":"nginx:2","imagePullPolicy":"Always"}]}} | |
          Pod | {"spec":{"nodeSelector":{"a":"b"}}} | spec | Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)
          Deployment | {"spec":{"selector":{"matchLabels":{"app":"y"}}}} | spec.selector | Invalid value: {"matchLabels":{"app":"y"}}: field is immutable
          Deployment | {"spec":{"replicas":3}} | |
          StatefulSet | {"spec":{"serviceName":"other"}} | spec | Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden
          Secret | {"type":"other"} | type | Invalid value: "other": field is immutable
          StorageClass | {"reclaimPolicy":"Retain"} | reclaimPolicy | Forbidden: updates to reclaimPolicy are forbidden.
          RoleBinding | {"roleRef":{"name":"b"}} | roleRef | Invalid value: {"kind":"Role","name":"b","apiGroup":"rbac.authorization.k8s.io"}: cannot change roleRef
          PersistentVolumeClaim | {"spec":{"accessModes":["ReadWriteMany"]}} | spec | Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims
          PriorityClass | {"value":11} | value | Forbidden: may not be changed in an update.
          """)
  void forbiddenChangesAreNamed(String kind, String patch, String field, String message) {
    KubeObject old = object(kind, "{}");
    KubeObject changed = object(kind, patch);
    List<Cause> causes = strategy(kind).validateUpdate(changed, old);

    if (field == null) {
      assertThat(causes).isEmpty();
    } else {
      assertThat(causes)
          .singleElement()
          .satisfies(
              cause -> {
                assertThat(cause.field()).isEqualTo(field);
                assertThat(cause.message().lines().findFirst()).contains(message);
              });
    }
  }

  @ParameterizedTest
  @CsvSource({
    "nginx, Always",
    "nginx:latest, Always",
    "nginx:1.27, IfNotPresent",
    "localhost:5000/nginx, Always",
    "localhost:5000/nginx:1, IfNotPresent",
    "nginx@sha256:0123456789012345678901234567890123456789012345678901234567890123, IfNotPresent"
  })
  void pullPolicyFollowsTheTag(String image, String policy) {
    assertThat(PodSpecs.pullPolicy(image)).isEqualTo(policy);
  }

  @Test
  void podsGetWhatDependsOnOtherFields() {
    KubeObject pod =
        object(
            "Pod",
            """
            {"spec":{"serviceAccount":"s","volumes":[{"name":"v"}],"containers":[{"name":"a","image":"b",
             "resources":{"limits":{"cpu":"1","memory":"1Gi"}}}]}}
            """);
    JsonObject container = pod.spec().objects("containers").getFirst();

    assertThat(container.object("resources", "requests"))
        .isEqualTo(JsonObject.of("cpu", "1", "memory", "1Gi"));
    assertThat(pod.spec().text("serviceAccountName")).isEqualTo("s");
    assertThat(pod.spec().flag("enableServiceLinks")).isTrue();
    assertThat(pod.spec().objects("volumes").getFirst())
        .isEqualTo(JsonObject.of("name", "v", "emptyDir", JsonObject.EMPTY));
    assertThat(strategy("Pod").prepareForCreate(pod).status())
        .isEqualTo(JsonObject.of("phase", "Pending", "qosClass", "Guaranteed"));
    assertThat(
            object("Deployment", "{}").spec().object("template", "spec").has("enableServiceLinks"))
        .isFalse();
  }

  @Test
  void servicesSecretsAndJobsGetTheirs() {
    assertThat(object("Service", "{\"spec\":{\"type\":\"NodePort\"}}").spec())
        .isEqualTo(
            Json.parseObject(
                """
                {"type":"NodePort","sessionAffinity":"None","externalTrafficPolicy":"Cluster",
                 "internalTrafficPolicy":"Cluster","ports":[{"port":80,"targetPort":80,"protocol":"TCP"}]}
                """));
    assertThat(object("Secret", "{}").json().object("data")).isEqualTo(JsonObject.of("a", "Yg=="));
    assertThat(object("Secret", "{}").json().has("stringData")).isFalse();
    KubeObject job = object("Job", "{}");
    assertThat(job.spec().text("selector", "matchLabels", "batch.kubernetes.io/controller-uid"))
        .isEqualTo("uid");
    assertThat(job.spec().integer("backoffLimit")).isEqualTo(6);
    assertThat(job.spec().object("template", "metadata", "labels").text("job-name")).isEqualTo("a");
  }

  private static Strategy strategy(String kind) {
    return Strategies.of(kind(kind));
  }

  private static GroupVersionKind kind(String kind) {
    return GroupVersionKind.of(
        Json.parseObject(VALID.getOrDefault(kind, "{}")).text("apiVersion"), kind);
  }

  /** The valid object of a kind, patched, decoded, defaulted and prepared as the engine does. */
  private static KubeObject object(String name, String patch) {
    GroupVersionKind kind = kind(name);
    JsonObject base =
        Json.parseObject(VALID.getOrDefault(name, "{}"))
            .with("kind", name)
            .with("metadata", JsonObject.of("name", "a", "namespace", "n", "uid", "uid"));
    JsonObject changed = (JsonObject) MergePatch.apply(base, Json.parseObject(patch));
    Schema schema = BuiltinSchemas.ofKind(kind);
    SchemaDecoder.Decoded decoded = SchemaDecoder.decode(schema, kind, changed);
    assertThat(decoded.unknownFields()).isEmpty();
    Strategy strategy = Strategies.of(kind);
    return strategy.prepareForCreate(
        strategy.applyDefaults(
            new KubeObject(SchemaDecoder.withDefaults(schema, decoded.object()))));
  }

  private static List<Cause> validate(KubeObject object) {
    return Strategies.of(object.groupVersionKind()).validate(object);
  }
}
