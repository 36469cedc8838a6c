package dev.kedge.registry;

import static dev.kedge.registry.Cluster.grace;
import static dev.kedge.registry.Cluster.object;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.registry.Registry.ListOptions;
import dev.kedge.registry.Registry.WriteOptions;
import dev.kedge.registry.Registry.Written;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

/** What pods have that others have not: binding, grace, eviction, accounts, tokens. */
class PodsTest {
  @AutoClose private final Cluster cluster = new Cluster().withDefaults();

  private KubeObject pod(String name, String spec) {
    return cluster.create(
        """
        {kind: Pod, metadata: {name: %s, namespace: default, labels: {app: %s}},
         spec: {containers: [{name: main, image: "nginx:1"}], %s}}
        """
            .formatted(name, name, spec));
  }

  private Written post(ResourceType type, String name, String subresource, String body) {
    return cluster.registry.create(
        cluster.request(type, "default", name, subresource),
        object(body).json(),
        WriteOptions.by("test"));
  }

  private void bind(String name, String node) {
    post(
        Resources.PODS,
        name,
        "binding",
        "{kind: Binding, metadata: {name: %s}, target: {kind: Node, name: %s}}"
            .formatted(name, node));
  }

  @Test
  void getsAnAccountAndItsToken() {
    KubeObject made = pod("one", "");
    assertThat(made.spec().text("serviceAccountName")).isEqualTo("default");
    JsonObject volume = made.spec().objects("volumes").getFirst();
    assertThat(volume.text("name")).matches("kube-api-access-[a-z0-9]{5}");
    assertThat(made.spec().objects("containers").getFirst().objects("volumeMounts"))
        .singleElement()
        .satisfies(
            mount ->
                assertThat(mount.text("mountPath"))
                    .isEqualTo("/var/run/secrets/kubernetes.io/serviceaccount"));
    assertThat(made.spec().integer("priority")).isZero();
    assertThat(made.spec().objects("tolerations")).hasSize(2);
    assertThat(pod("two", "automountServiceAccountToken: false").spec().objects("volumes"))
        .isEmpty();
    assertThatThrownBy(() -> pod("three", "serviceAccountName: nobody"))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(403))
        .hasMessage(
            "pods \"three\" is forbidden: error looking up service account default/nobody:"
                + " serviceaccount \"nobody\" not found");
    assertThatThrownBy(() -> pod("three", "priorityClassName: none"))
        .hasMessage("pods \"three\" is forbidden: no PriorityClass with name none was found");
    assertThat(pod("three", "priorityClassName: system-node-critical").spec().integer("priority"))
        .isEqualTo(2000001000);
  }

  @Test
  void isBoundOnce() {
    pod("one", "");
    bind("one", "node-1");
    KubeObject bound = cluster.get(Resources.PODS, "default", "one");
    assertThat(bound.spec().text("nodeName")).isEqualTo("node-1");
    assertThat(bound.status().objects("conditions"))
        .anySatisfy(
            condition -> {
              assertThat(condition.text("type")).isEqualTo("PodScheduled");
              assertThat(condition.text("status")).isEqualTo("True");
            });
    assertThatThrownBy(() -> bind("one", "node-2"))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(409))
        .hasMessage(
            "Operation cannot be fulfilled on pods/binding \"one\": pod one is already assigned to"
                + " node \"node-1\"");
    assertThat(
            cluster
                .registry
                .list(
                    cluster.request(Resources.PODS, "", "", ""),
                    new ListOptions("", "spec.nodeName=node-1", "", "", 0, ""))
                .items())
        .hasSize(1);
  }

  @Test
  void goesWithGraceOnceItRuns() {
    pod("idle", "");
    assertThat(cluster.delete(Resources.PODS, "default", "idle").finished()).isTrue();
    pod("one", "terminationGracePeriodSeconds: 20");
    bind("one", "node-1");
    assertThat(cluster.delete(Resources.PODS, "default", "one").finished()).isFalse();
    KubeObject going = cluster.get(Resources.PODS, "default", "one");
    assertThat(going.metadata().integer("deletionGracePeriodSeconds")).isEqualTo(20);
    long before = cluster.store.currentRevision();
    cluster.delete(Resources.PODS, "default", "one", grace(40));
    assertThat(cluster.store.currentRevision()).isEqualTo(before);
    cluster.delete(Resources.PODS, "default", "one", grace(5));
    assertThat(
            cluster
                .get(Resources.PODS, "default", "one")
                .metadata()
                .integer("deletionGracePeriodSeconds"))
        .isEqualTo(5);
    assertThat(cluster.delete(Resources.PODS, "default", "one", grace(0)).finished()).isTrue();
    assertThatThrownBy(() -> cluster.get(Resources.PODS, "default", "one"))
        .hasMessage("pods \"one\" not found");
  }

  @Test
  void isEvictedWithinItsBudget() {
    pod("one", "");
    bind("one", "node-1");
    KubeObject running = cluster.get(Resources.PODS, "default", "one");
    cluster.update(
        running.withStatus(
            running
                .status()
                .with("phase", "Running")
                .with("conditions", List.of(JsonObject.of("type", "Ready", "status", "True")))),
        "status");
    KubeObject budget =
        cluster.create(
            """
            {apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b, namespace: default},
             spec: {minAvailable: 1, selector: {matchLabels: {app: one}}}}
            """);
    cluster.update(
        budget.withStatus(
            JsonObject.of(
                "observedGeneration", 1,
                "disruptionsAllowed", 0,
                "currentHealthy", 1,
                "desiredHealthy", 1,
                "expectedPods", 1)),
        "status");
    String eviction = "{apiVersion: policy/v1, kind: Eviction, metadata: {name: one}}";
    assertThatThrownBy(() -> post(Resources.PODS, "one", "eviction", eviction))
        .isInstanceOfSatisfying(
            ApiException.class,
            e -> {
              assertThat(e.code()).isEqualTo(429);
              assertThat(e.status().details().causes().getFirst().message())
                  .isEqualTo("The disruption budget b needs 1 healthy pods and has 1 currently");
            })
        .hasMessage("Cannot evict pod as it would violate the pod's disruption budget.");
    KubeObject blocked = cluster.get(Resources.POD_DISRUPTION_BUDGETS, "default", "b");
    cluster.update(blocked.withPath(List.of("status", "disruptionsAllowed"), 1), "status");
    post(Resources.PODS, "one", "eviction", eviction);
    assertThat(cluster.get(Resources.PODS, "default", "one").deleting()).isTrue();
    assertThat(
            cluster
                .get(Resources.POD_DISRUPTION_BUDGETS, "default", "b")
                .status()
                .integer("disruptionsAllowed"))
        .isZero();
  }

  @Test
  void accountsGetTokens() {
    KubeObject asked =
        post(
                Resources.SERVICE_ACCOUNTS,
                "default",
                "token",
                "{apiVersion: authentication.k8s.io/v1, kind: TokenRequest, spec: {audiences: [x],"
                    + " expirationSeconds: 700}}")
            .object()
            .tree();
    assertThat(asked.status().text("token")).isEqualTo("token of default/default");
    assertThatThrownBy(
            () ->
                post(
                    Resources.SERVICE_ACCOUNTS,
                    "default",
                    "token",
                    "{apiVersion: authentication.k8s.io/v1, kind: TokenRequest, spec: {audiences:"
                        + " [x], expirationSeconds: 7}}"))
        .hasMessageContaining("may not specify a duration less than 10 minutes");
  }

  @Test
  void eventsAreOneThingInTwoGroups() {
    cluster.create(
        """
        {kind: Event, metadata: {name: e, namespace: default},
         involvedObject: {kind: Pod, name: one, namespace: default}, reason: Started, message: "it runs",
         type: Normal}
        """);
    ResourceType events = new ResourceType("events.k8s.io", "v1", "events", "Event", true);
    KubeObject read = cluster.get(events, "default", "e");
    assertThat(read.apiVersion()).isEqualTo("events.k8s.io/v1");
    assertThat(read.json().text("note")).isEqualTo("it runs");
    assertThat(read.json().text("regarding", "name")).isEqualTo("one");
    assertThat(
            cluster
                .registry
                .list(
                    cluster.request(events, "default", "", ""),
                    new ListOptions("", "regarding.name=one", "", "", 0, ""))
                .items())
        .hasSize(1);
  }

  @Test
  void answersQuestions() {
    KubeObject review =
        cluster.create(
            """
            {apiVersion: authorization.k8s.io/v1, kind: SelfSubjectAccessReview,
             spec: {resourceAttributes: {verb: get, resource: pods}}}
            """);
    assertThat(review.status().flag("allowed")).isTrue();
    KubeObject other =
        cluster.create(
            """
            {apiVersion: authorization.k8s.io/v1, kind: SubjectAccessReview,
             spec: {user: bob, resourceAttributes: {verb: get, resource: pods}}}
            """);
    assertThat(other.status().flag("allowed")).isFalse();
    KubeObject token =
        cluster.create(
            "{apiVersion: authentication.k8s.io/v1, kind: TokenReview, spec: {token: known}}");
    assertThat(token.status().text("user", "username")).isEqualTo("jane");
    KubeObject self =
        cluster.create("{apiVersion: authentication.k8s.io/v1, kind: SelfSubjectReview}");
    assertThat(self.status().text("userInfo", "username")).isEqualTo("admin");
  }
}
