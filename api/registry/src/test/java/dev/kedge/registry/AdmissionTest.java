package dev.kedge.registry;

import static dev.kedge.registry.Cluster.object;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.identity.User;
import dev.kedge.model.ApiException;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.registry.Registry.Request;
import dev.kedge.registry.Registry.WriteOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What admission adds and refuses. */
class AdmissionTest {
  @AutoClose private final Cluster cluster = new Cluster().withDefaults();

  private KubeObject pod(String name, String container) {
    return cluster.create(
        "{kind: Pod, metadata: {name: %s, namespace: default}, spec: {containers: [{name: main, image: a%s}]}}"
            .formatted(name, container));
  }

  @Test
  void limitRangesFillInAndHoldBack() {
    cluster.create(
        """
        {kind: LimitRange, metadata: {name: l, namespace: default}, spec: {limits: [
          {type: Container, max: {cpu: "1"}, min: {cpu: 100m}, default: {cpu: 500m, memory: 64Mi}}]}}
        """);
    KubeObject made = pod("one", "");
    var resources = made.spec().objects("containers").getFirst().object("resources");
    assertThat(resources.map("limits"))
        .containsEntry("cpu", "500m")
        .containsEntry("memory", "64Mi");
    assertThat(resources.map("requests")).containsEntry("cpu", "500m");
    assertThat(made.annotations())
        .containsEntry(
            "kubernetes.io/limit-ranger",
            "LimitRanger plugin set: cpu, memory request for container main; cpu, memory limit for"
                + " container main");
    assertThatThrownBy(
            () -> pod("two", ", resources: {requests: {cpu: 50m}, limits: {cpu: \"2\"}}"))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(403))
        .hasMessage(
            "pods \"two\" is forbidden: [minimum cpu usage per Container is 100m, but request is"
                + " 50m, maximum cpu usage per Container is 1, but limit is 2]");
  }

  @Test
  void quotasHoldUnderConcurrency() throws Exception {
    cluster.create(
        """
        {kind: ResourceQuota, metadata: {name: q, namespace: default},
         spec: {hard: {configmaps: "5", requests.cpu: "1"}}}
        """);
    assertThatThrownBy(() -> pod("one", ""))
        .hasMessage(
            "pods \"one\" is forbidden: failed quota: q: must specify requests.cpu for: main");
    assertThatThrownBy(() -> pod("one", ", resources: {requests: {cpu: \"2\"}}"))
        .hasMessage(
            "pods \"one\" is forbidden: exceeded quota: q, requested: requests.cpu=2, used:"
                + " requests.cpu=0, limited: requests.cpu=1");
    CountDownLatch go = new CountDownLatch(1);
    int made = 0;
    try (ExecutorService pool = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<Boolean>> all =
          IntStream.range(0, 12)
              .mapToObj(
                  i ->
                      pool.submit(
                          () -> {
                            go.await();
                            try {
                              cluster.create(
                                  "{kind: ConfigMap, metadata: {name: m%d, namespace: default}}"
                                      .formatted(i));
                              return true;
                            } catch (ApiException e) {
                              assertThat(e.getMessage())
                                  .contains("exceeded quota: q, requested: configmaps=1");
                              return false;
                            }
                          }))
              .toList();
      go.countDown();
      for (Future<Boolean> one : all) {
        made += one.get() ? 1 : 0;
      }
    }
    assertThat(made).isEqualTo(5);
    assertThat(cluster.list(Resources.CONFIG_MAPS, "default").items()).hasSize(5);
    String gone = cluster.list(Resources.CONFIG_MAPS, "default").items().getFirst().tree().name();
    cluster.delete(Resources.CONFIG_MAPS, "default", gone);
    cluster.create("{kind: ConfigMap, metadata: {name: again, namespace: default}}");
    assertThat(
            cluster
                .get(Resources.RESOURCE_QUOTAS, "default", "q")
                .status()
                .text("used", "configmaps"))
        .isEqualTo("5");
  }

  @Test
  void defaultClassesAreUsed() {
    cluster.create(
        """
        {apiVersion: storage.k8s.io/v1, kind: StorageClass, provisioner: x, metadata: {name: fast,
         annotations: {storageclass.kubernetes.io/is-default-class: "true"}}}
        """);
    KubeObject claim =
        cluster.create(
            """
            {kind: PersistentVolumeClaim, metadata: {name: c, namespace: default},
             spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
            """);
    assertThat(claim.spec().text("storageClassName")).isEqualTo("fast");
  }

  @Test
  void nobodyGivesAwayWhatHeDoesNotHave() {
    KubeObject role =
        object(
            """
            {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: all},
             rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]}
            """);
    ResourceInfo info = cluster.info(Resources.CLUSTER_ROLES);
    assertThatThrownBy(
            () ->
                cluster.registry.create(
                    new Request(info, "", "", "", User.of("bob", "devs")),
                    role.json(),
                    WriteOptions.by("test")))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(403))
        .hasMessageStartingWith(
            "clusterroles.rbac.authorization.k8s.io \"all\" is forbidden: user \"bob\""
                + " (groups=[\"devs\"]) is attempting to grant RBAC permissions not currently"
                + " held:");
    cluster.created(role);
  }

  @Test
  void podsThatWouldMissTheirDevicesAreRefused() {
    assertThatThrownBy(
            () ->
                cluster.create(
                    """
                    kind: Pod
                    apiVersion: v1
                    metadata: {name: p, namespace: default}
                    spec:
                      containers: [{name: c, image: i, resources: {claims: [{name: gpu}]}}]
                      resourceClaims: [{name: gpu, resourceClaimName: gpu}]
                    """))
        .hasMessageContaining("dynamic resource allocation is not supported yet");
  }

  @Test
  void namespacesSetTheSecurityLevel() {
    cluster.create(
        """
        {kind: Namespace, metadata: {name: safe,
         labels: {pod-security.kubernetes.io/enforce: baseline, pod-security.kubernetes.io/warn: restricted}}}
        """);
    cluster.create("{kind: ServiceAccount, metadata: {name: default, namespace: safe}}");
    assertThatThrownBy(
            () ->
                cluster.create(
                    """
                    {kind: Pod, metadata: {name: p, namespace: safe}, spec: {hostNetwork: true,
                     containers: [{name: main, image: a, securityContext: {privileged: true}}]}}
                    """))
        .hasMessage(
            "pods \"p\" is forbidden: violates PodSecurity \"baseline:latest\": host namespaces"
                + " (hostNetwork=true), privileged (container \"main\" must not set"
                + " securityContext.privileged=true)");
    assertThat(
            cluster
                .created(
                    object(
                        "{kind: Pod, metadata: {name: p, namespace: safe}, spec: {containers:"
                            + " [{name: main, image: a}]}}"))
                .warnings())
        .singleElement()
        .asString()
        .startsWith("would violate PodSecurity \"restricted:latest\": allowPrivilegeEscalation");
    assertThatThrownBy(
            () ->
                cluster.create(
                    "{kind: Namespace, metadata: {name: n, labels:"
                        + " {pod-security.kubernetes.io/enforce: none}}}"))
        .hasMessageContaining("must be one of privileged, baseline, restricted");
  }

  @ParameterizedTest
  @ValueSource(strings = {"baseline", "restricted"})
  void judgesUpstreamsPods(String level) throws IOException {
    Path oracle =
        Path.of(System.getProperty("kedge.root"))
            .resolve("../shared/oracle/kubernetes-1.36/pod-security/" + level + "/v1.35");
    Assumptions.assumeTrue(Files.isDirectory(oracle), "upstream's pods are not on this machine");
    cluster.create(
        "{kind: Namespace, metadata: {name: n, labels: {pod-security.kubernetes.io/enforce: %s}}}"
            .formatted(level));
    cluster.create("{kind: ServiceAccount, metadata: {name: default, namespace: n}}");
    List<String> wrong = new ArrayList<>();
    for (String verdict : List.of("pass", "fail")) {
      try (var files = Files.list(oracle.resolve(verdict))) {
        for (Path file : files.sorted().toList()) {
          KubeObject read = object(Files.readString(file)).withMetadata("namespace", "n");
          KubeObject pod = read.withMetadata("name", read.name().replace('_', '-'));
          String found = "pass";
          try {
            cluster.created(pod, Cluster.options(Registry.FieldValidation.IGNORE, true));
          } catch (ApiException e) {
            // Validation comes first, and refuses a few of those that must fail.
            boolean refused =
                e.getMessage().contains("violates PodSecurity")
                    || e.code() == 422 && verdict.equals("fail");
            found = refused ? "fail" : e.getMessage();
          }
          if (!found.equals(verdict)) {
            wrong.add(verdict + "/" + file.getFileName() + ": " + found);
          }
        }
      }
    }
    assertThat(wrong).isEmpty();
  }
}
