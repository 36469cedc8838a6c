package dev.kedge.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.builtin.BuiltinResource;
import dev.kedge.builtin.BuiltinResources;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Yaml;
import dev.kedge.registry.ResourceInfo;
import dev.kedge.registry.ServedObject;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PrinterTablesTest {
  private static final Clock CLOCK =
      Clock.fixed(Instant.parse("2026-01-01T01:00:00Z"), ZoneOffset.UTC);
  private static final String BORN = "creationTimestamp: 2026-01-01T00:00:00Z";

  private final PrinterTables tables = new PrinterTables(CLOCK);

  /** Specification and status of a pod in flow style, and what its row says. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "containers: [{name: a}] | phase: Pending | 0/1,Pending,0",
        "containers: [{name: a}] | phase: Pending, conditions: [{type: PodScheduled, status:"
            + " 'False', reason: SchedulingGated}] | 0/1,SchedulingGated,0",
        "containers: [{name: a}] | phase: Pending, containerStatuses: [{name: a, state: {waiting:"
            + " {reason: ImagePullBackOff}}}] | 0/1,ImagePullBackOff,0",
        "containers: [{name: a}] | phase: Running, containerStatuses: [{name: a, ready: true,"
            + " state: {running: {}}}] | 1/1,Running,0",
        "containers: [{name: a}] | phase: Running, containerStatuses: [{name: a, restartCount: 3,"
            + " state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {finishedAt:"
            + " '2026-01-01T00:55:00Z'}}}] | 0/1,CrashLoopBackOff,3 (5m ago)",
        "containers: [{name: a}] | phase: Succeeded, containerStatuses: [{name: a, state:"
            + " {terminated: {reason: Completed}}}] | 0/1,Completed,0",
        "containers: [{name: a}] | phase: Failed, containerStatuses: [{name: a, state: {terminated:"
            + " {exitCode: 3}}}] | 0/1,ExitCode:3,0",
        "containers: [{name: a}] | phase: Failed, containerStatuses: [{name: a, state: {terminated:"
            + " {signal: 9}}}] | 0/1,Signal:9,0",
        "containers: [{name: a}] | phase: Failed, reason: Evicted | 0/1,Evicted,0",
        "containers: [{name: a}, {name: b}] | phase: Running, conditions: [{type: Ready, status:"
            + " 'True'}], containerStatuses: [{name: a, state: {terminated: {reason: Completed}}},"
            + " {name: b, ready: true, state: {running: {}}}] | 1/2,Running,0",
        "containers: [{name: a}, {name: b}] | phase: Running, containerStatuses: [{name: a, state:"
            + " {terminated: {reason: Completed}}}, {name: b, ready: true, state: {running: {}}}] |"
            + " 1/2,NotReady,0",
        "containers: [{name: a}], initContainers: [{name: i}, {name: j}] | phase: Pending,"
            + " initContainerStatuses: [{name: i, state: {terminated: {exitCode: 0}}}, {name: j,"
            + " state: {running: {}}}] | 0/1,Init:1/2,0",
        "containers: [{name: a}], initContainers: [{name: i}] | phase: Pending,"
            + " initContainerStatuses: [{name: i, restartCount: 2, state: {terminated: {exitCode:"
            + " 1, reason: Error}}}] | 0/1,Init:Error,2",
        "containers: [{name: a}], initContainers: [{name: i}] | phase: Pending,"
            + " initContainerStatuses: [{name: i, state: {waiting: {reason: CrashLoopBackOff}}}] |"
            + " 0/1,Init:CrashLoopBackOff,0",
        "containers: [{name: a}], initContainers: [{name: s, restartPolicy: Always}] | phase:"
            + " Running, conditions: [{type: Initialized, status: 'True'}], initContainerStatuses:"
            + " [{name: s, ready: true, started: true, state: {running: {}}}], containerStatuses:"
            + " [{name: a, ready: true, state: {running: {}}}] | 2/2,Running,0",
      })
  void showsPods(String spec, String status, String wanted) {
    String cells =
        cells(
            "pods",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: p, "
                + BORN
                + "}\nspec: {"
                + spec
                + "}\nstatus: {"
                + status
                + "}");
    assertThat(cells).startsWith("p," + wanted + ",60m,");
  }

  @Test
  void showsPodsThatGo() {
    String pod =
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: p, deletionTimestamp: 2026-01-01T00:59:00Z, %s}
        spec: {containers: [{name: a}], nodeName: n1}
        status: {phase: Running, podIP: 10.42.0.7, %s}
        """;
    assertThat(cells("pods", pod.formatted(BORN, "hostIP: 1.2.3.4")))
        .isEqualTo("p,0/1,Terminating,0,60m,10.42.0.7,n1,<none>,<none>");
    assertThat(cells("pods", pod.formatted(BORN, "reason: NodeLost"))).startsWith("p,0/1,Unknown,");
  }

  /** Resource, object in flow style without name and birth, and its row. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "services | spec: {type: LoadBalancer, clusterIP: 10.43.0.9, ports: [{port: 80, nodePort:"
            + " 30080}, {port: 53, protocol: UDP}], selector: {a: b}} |"
            + " x,LoadBalancer,10.43.0.9,<pending>,80:30080/TCP,53/UDP,60m,a=b",
        "services | spec: {type: LoadBalancer, clusterIP: 10.43.0.9}, status: {loadBalancer:"
            + " {ingress: [{ip: 1.2.3.4}]}} | x,LoadBalancer,10.43.0.9,1.2.3.4,<none>,60m,<none>",
        "services | spec: {type: ExternalName, externalName: a.b} |"
            + " x,ExternalName,<none>,a.b,<none>,60m,<none>",
        "services | spec: {type: ClusterIP, clusterIP: None} |"
            + " x,ClusterIP,None,<none>,<none>,60m,<none>",
        "deployments.apps | spec: {replicas: 3, selector: {matchLabels: {a: b}}, template: {spec:"
            + " {containers: [{name: c, image: i}]}}}, status: {readyReplicas: 2, updatedReplicas:"
            + " 3, availableReplicas: 2} | x,2/3,3,2,60m,c,i,a=b",
        "jobs.batch | spec: {completions: 2, template: {spec: {containers: [{name: c, image:"
            + " i}]}}}, status: {succeeded: 1, startTime: '2026-01-01T00:30:00Z'} |"
            + " x,Running,1/2,30m,60m,c,i,<none>",
        "jobs.batch | spec: {completions: 1}, status: {succeeded: 1, startTime:"
            + " '2026-01-01T00:30:00Z', completionTime: '2026-01-01T00:30:09Z', conditions: [{type:"
            + " Complete, status: 'True'}]} | x,Complete,1/1,9s,60m,,,<none>",
        "cronjobs.batch | spec: {schedule: '* * * * *', suspend: false} | x,* * * *"
            + " *,<none>,False,0,<none>,60m,,,<none>",
        "ingresses.networking.k8s.io | spec: {ingressClassName: kedge, rules: [{host: a}, {host:"
            + " b}, {host: c}, {host: d}], tls: [{}]}, status: {loadBalancer: {ingress: [{ip:"
            + " 1.1.1.1}]}} | x,kedge,a,b,c + 1 more...,1.1.1.1,80, 443,60m",
        "endpointslices.discovery.k8s.io | addressType: IPv4, ports: [{port: 80}], endpoints:"
            + " [{addresses: [10.0.0.1]}, {addresses: [10.0.0.2]}] |"
            + " x,IPv4,80,10.0.0.1,10.0.0.2,60m",
        "endpoints | subsets: [{addresses: [{ip: 10.0.0.1}], ports: [{port: 80}]}] |"
            + " x,10.0.0.1:80,60m",
        "persistentvolumeclaims | spec: {volumeName: v, storageClassName: local-path, volumeMode:"
            + " Filesystem}, status: {phase: Bound, accessModes: [ReadWriteOnce], capacity:"
            + " {storage: 1Gi}} | x,Bound,v,1Gi,RWO,local-path,<unset>,60m,Filesystem",
        "storageclasses.storage.k8s.io | provisioner: p, reclaimPolicy: Delete, volumeBindingMode:"
            + " WaitForFirstConsumer | x,p,Delete,WaitForFirstConsumer,false,60m",
        "configmaps | data: {a: '1'}, binaryData: {b: AA==} | x,2,60m",
        "secrets | type: Opaque, data: {a: AA==} | x,Opaque,1,60m",
        "events | type: Warning, reason: Failed, message: bad, involvedObject: {kind: Pod, name:"
            + " p}, source: {component: kubelet, host: h}, firstTimestamp: '2026-01-01T00:00:00Z',"
            + " lastTimestamp: '2026-01-01T00:59:50Z', count: 4 |"
            + " 10s,Warning,Failed,pod/p,,kubelet, h,bad,60m,4,x",
        "roles.rbac.authorization.k8s.io | rules: [] | x,2026-01-01T00:00:00Z",
        "clusterrolebindings.rbac.authorization.k8s.io | roleRef: {kind: ClusterRole, name: r},"
            + " subjects: [{kind: User, name: u}, {kind: ServiceAccount, namespace: ns, name: s}] |"
            + " x,ClusterRole/r,60m,u,,ns/s",
        "horizontalpodautoscalers.autoscaling | spec: {scaleTargetRef: {kind: Deployment, name: d},"
            + " maxReplicas: 5, minReplicas: 1, metrics: [{type: Resource, resource: {name: cpu,"
            + " target: {averageUtilization: 80}}}]}, status: {currentReplicas: 2} |"
            + " x,Deployment/d,cpu: <unknown>/80%,1,5,2,60m",
        "leases.coordination.k8s.io | spec: {holderIdentity: h} | x,h,60m",
        "replicasets.apps | spec: {replicas: 1, selector: {matchExpressions: [{key: k, operator:"
            + " In, values: [b, a]}]}} | x,1,0,0,60m,,,k in (a,b)",
      })
  void showsOtherKinds(String resource, String fields, String wanted) {
    assertThat(
            cells(resource, "{metadata: {name: x, " + BORN + "}, apiVersion: v1, " + fields + "}"))
        .isEqualTo(wanted.strip());
  }

  @Test
  void showsNodes() {
    assertThat(
            cells(
                "nodes",
                """
                metadata:
                  name: n1
                  %s
                  labels: {node-role.kubernetes.io/control-plane: "true", node-role.kubernetes.io/etcd: "true"}
                spec: {unschedulable: true}
                status:
                  conditions: [{type: Ready, status: "True"}]
                  addresses: [{type: InternalIP, address: 10.0.0.1}]
                  nodeInfo: {kubeletVersion: v1, osImage: Debian, kernelVersion: k, containerRuntimeVersion: c}
                """
                    .formatted(BORN)))
        .isEqualTo(
            "n1,Ready,SchedulingDisabled,control-plane,etcd,60m,v1,10.0.0.1,<none>,Debian,k,c");
  }

  @Test
  void everyKindHasAsManyCellsAsColumns() {
    for (BuiltinResource resource : BuiltinResources.all()) {
      ResourceInfo info = info(resource);
      KubeObject empty =
          new KubeObject(JsonObject.of("apiVersion", "v1", "metadata", JsonObject.of("name", "x")));
      JsonObject table =
          Json.parseObject(
              tables.table(
                  info, ServedObject.of(empty), "meta.k8s.io/v1", "None", true, JsonObject.EMPTY));
      List<JsonObject> columns = table.objects("columnDefinitions");
      assertThat(table.objects("rows").getFirst().array("cells").size())
          .as(resource.type().toString())
          .isEqualTo(columns.size());
    }
  }

  private String cells(String resource, String yaml) {
    BuiltinResource found =
        BuiltinResources.all().stream()
            .filter(one -> one.type().groupResource().equals(resource))
            .findFirst()
            .orElseThrow();
    KubeObject object = new KubeObject((JsonObject) Yaml.parse(yaml));
    if (object.kind().isEmpty()) {
      object = object.with("kind", found.type().kind());
    }
    JsonObject table =
        Json.parseObject(
            tables.table(
                info(found),
                ServedObject.of(object),
                "meta.k8s.io/v1",
                "None",
                true,
                JsonObject.EMPTY));
    return table.objects("rows").getFirst().array("cells").items().stream()
        .map(
            cell ->
                cell instanceof dev.kedge.model.JsonString text ? text.value() : cell.toString())
        .collect(Collectors.joining(","));
  }

  private static ResourceInfo info(BuiltinResource resource) {
    return new ResourceInfo(
        resource.type(),
        resource.singular(),
        resource.shortNames(),
        resource.categories(),
        resource.verbs(),
        List.of(),
        resource.schema(),
        List.of(),
        false);
  }
}
