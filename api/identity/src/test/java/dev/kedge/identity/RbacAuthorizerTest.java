package dev.kedge.identity;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.identity.Authorizer.Attributes;
import dev.kedge.model.Json;
import dev.kedge.model.KubeObject;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RbacAuthorizerTest {
  private final RbacAuthorizer rbac = new RbacAuthorizer();

  @BeforeEach
  void bootstrap() {
    BootstrapRoles.objects().forEach(this::add);
    add(binding("RoleBinding", "team", "devs", "ClusterRole", "edit", "Group", "devs"));
    add(binding("RoleBinding", "team", "bot", "ClusterRole", "view", "ServiceAccount", "bot"));
  }

  @ParameterizedTest
  @CsvSource({
    "ann, devs, create, '', pods, '', team, '', true",
    "ann, devs, create, '', pods, exec, team, '', true",
    "ann, devs, create, '', pods, '', other, '', false",
    "ann, devs, get, '', secrets, '', team, x, true",
    "ann, devs, get, '', nodes, '', '', n, false",
    "ann, devs, create, rbac.authorization.k8s.io, roles, '', team, '', false",
    "system:serviceaccount:team:bot, '', list, apps, deployments, '', team, '', true",
    "system:serviceaccount:team:bot, '', get, '', secrets, '', team, s, false",
    "root, system:masters, delete, x.y, anything, '', '', '', true",
    "system:kube-scheduler, '', create, '', pods, binding, any, p, true",
    "system:kube-scheduler, '', update, coordination.k8s.io, leases, '', any, kube-scheduler, true",
    "system:kube-scheduler, '', update, coordination.k8s.io, leases, '', any, other, false",
    "x, system:authenticated, create, authorization.k8s.io, selfsubjectaccessreviews, '', '', '',"
        + " true",
    "system:serviceaccount:kube-system:disruption-controller, '', get, apps, deployments, scale, x,"
        + " d, true",
  })
  void decides(
      String user,
      String group,
      String verb,
      String apiGroup,
      String resource,
      String subresource,
      String namespace,
      String name,
      boolean allowed) {
    var decision =
        rbac.authorize(
            User.of(user, group),
            new Attributes(verb, apiGroup, "v1", resource, subresource, namespace, name, ""));
    assertThat(decision.allowed()).isEqualTo(allowed);
  }

  @ParameterizedTest
  @CsvSource({
    "system:unauthenticated, /healthz, true",
    "system:unauthenticated, /metrics, false",
    "system:authenticated, /apis/apps/v1, true",
    "system:monitoring, /livez/ping, true",
    "system:authenticated, /metrics, false",
  })
  void decidesOnUrls(String group, String path, boolean allowed) {
    assertThat(rbac.authorize(User.of("u", group), Attributes.path("get", path)).allowed())
        .isEqualTo(allowed);
  }

  @Test
  void followsChanges() {
    User ann = User.of("ann", "devs");
    Attributes request = new Attributes("get", "", "v1", "pods", "", "team", "p", "");
    KubeObject devs =
        binding("RoleBinding", "team", "devs", "ClusterRole", "edit", "Group", "devs");
    assertThat(rbac.authorize(ann, request).allowed()).isTrue();
    rbac.changed(Optional.of(devs), Optional.empty());
    assertThat(rbac.authorize(ann, request).allowed()).isFalse();
    add(devs);
    KubeObject part =
        KubeObject.parse(
            """
            {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRole",
             "metadata":{"name":"crontabs","labels":{"rbac.authorization.k8s.io/aggregate-to-edit":"true"}},
             "rules":[{"apiGroups":["stable.example.com"],"resources":["crontabs"],"verbs":["*"]}]}
            """
                .getBytes(java.nio.charset.StandardCharsets.UTF_8));
    Attributes crontab =
        new Attributes("create", "stable.example.com", "v1", "crontabs", "", "team", "", "");
    assertThat(rbac.authorize(ann, crontab).allowed()).isFalse();
    add(part);
    assertThat(rbac.authorize(ann, crontab).allowed()).isTrue();
    rbac.changed(Optional.of(part), Optional.empty());
    assertThat(rbac.authorize(ann, crontab).allowed()).isFalse();
  }

  @Test
  void tellsWhatAUserDoesNotHave() {
    List<RbacRule> wanted =
        RbacRule.listOf(
            Json.parseObject(
                """
                {"rules":[{"apiGroups":[""],"resources":["pods","nodes"],"verbs":["get"]}]}
                """));
    assertThat(rbac.missing(User.of("ann", "devs"), "team", wanted))
        .containsExactly(
            new RbacRule(List.of("get"), List.of(""), List.of("nodes"), List.of(), List.of()));
    assertThat(rbac.missing(User.of("root", "system:masters"), "team", wanted)).isEmpty();
  }

  private void add(KubeObject object) {
    rbac.changed(Optional.empty(), Optional.of(object));
  }

  private static KubeObject binding(
      String kind,
      String namespace,
      String name,
      String roleKind,
      String role,
      String subjectKind,
      String subject) {
    return KubeObject.parse(
        """
        {"apiVersion":"rbac.authorization.k8s.io/v1","kind":"%s","metadata":{"name":"%s","namespace":"%s"},
         "roleRef":{"kind":"%s","name":"%s"},"subjects":[{"kind":"%s","name":"%s"}]}
        """
            .formatted(kind, name, namespace, roleKind, role, subjectKind, subject)
            .getBytes(java.nio.charset.StandardCharsets.UTF_8));
  }
}
