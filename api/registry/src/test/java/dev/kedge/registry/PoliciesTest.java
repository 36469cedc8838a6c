package dev.kedge.registry;

import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Yaml;
import dev.kedge.registry.Registry.Written;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Admission policies in CEL, on a real registry. */
class PoliciesTest {
  @AutoClose private final Cluster cluster = new Cluster().withDefaults();

  private Written make(String yaml) {
    return cluster.created(new KubeObject((JsonObject) Yaml.parse(yaml)));
  }

  private void policy(String kind, String name, String spec) {
    make(
        "{apiVersion: admissionregistration.k8s.io/v1, kind: "
            + kind
            + "AdmissionPolicy, metadata: {name: "
            + name
            + "}, spec: {matchConstraints: {resourceRules: [{operations: [CREATE, UPDATE],"
            + " apiGroups: [''], apiVersions: [v1], resources: [configmaps]}]}, "
            + spec
            + "}}");
  }

  private void bind(String kind, String policy, String spec) {
    make(
        "{apiVersion: admissionregistration.k8s.io/v1, kind: "
            + kind
            + "AdmissionPolicyBinding, metadata: {name: "
            + policy
            + "-binding}, spec: {policyName: "
            + policy
            + spec
            + "}}");
    // Policies are taken from the watch cache, which hears of them a moment later.
    Awaitility.await()
        .atMost(ofMinutes(1))
        .until(
            () ->
                !cluster
                    .list(
                        new dev.kedge.model.ResourceType(
                            "admissionregistration.k8s.io",
                            "v1",
                            kind.toLowerCase(java.util.Locale.ROOT) + "admissionpolicybindings",
                            kind + "AdmissionPolicyBinding",
                            false),
                        "")
                    .items()
                    .isEmpty());
  }

  private Written configMap(String name, String data) {
    return make(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: "
            + name
            + ", namespace: default}, data: "
            + data
            + "}");
  }

  @Test
  void deniesInUpstreamsWords() {
    policy(
        "Validating",
        "small",
        "variables: [{name: count, expression: 'has(object.data) ? object.data.size() : 0'}],"
            + " validations: [{expression: 'variables.count < 3', messageExpression: \"'has ' +"
            + " string(variables.count) + ' entries'\"}]");
    configMap("before", "{a: x, b: x, c: x}");
    bind("Validating", "small", ", validationActions: [Deny]");
    assertThat(configMap("ok", "{a: x}").created()).isTrue();
    assertThatThrownBy(() -> configMap("one", "{a: x, b: x, c: x}"))
        .isInstanceOfSatisfying(
            ApiException.class,
            e -> {
              assertThat(e.code()).isEqualTo(422);
              assertThat(e.reason()).isEqualTo("Invalid");
            })
        .hasMessage(
            "configmaps \"one\" is forbidden: ValidatingAdmissionPolicy 'small' with binding"
                + " 'small-binding' denied request: has 3 entries");
  }

  @Test
  void warnsAndAuditsWithoutStopping() {
    policy(
        "Validating",
        "warn",
        "validations: [{expression: \"object.metadata.name != 'bad'\", message: no bad names}]");
    bind("Validating", "warn", ", validationActions: [Warn, Audit]");
    assertThat(configMap("bad", "{}").warnings())
        .containsExactly(
            "Validation failed for ValidatingAdmissionPolicy 'warn' with binding 'warn-binding':"
                + " no bad names");
  }

  @Test
  void parametersNamespacesRequestsAndConditionsAreSeen() {
    make(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: limits, namespace: default}, data:"
            + " {max: '2'}}");
    policy(
        "Validating",
        "params",
        "paramKind: {apiVersion: v1, kind: ConfigMap}, matchConditions: [{name: not-limits,"
            + " expression: \"object.metadata.name != 'limits'\"}], validations: [{expression:"
            + " \"object.data.size() <= int(params.data.max)\", reason: Forbidden}, {expression:"
            + " \"namespaceObject.metadata.name == 'default' && request.operation == 'CREATE' &&"
            + " request.userInfo.username == 'admin' && oldObject == null &&"
            + " !authorizer.group('').resource('pods').namespace('default').check('create').allowed()"
            + " && !authorizer.requestResource.check('get').allowed()\"}]");
    bind(
        "Validating",
        "params",
        ", validationActions: [Deny], paramRef: {name: limits, namespace: default,"
            + " parameterNotFoundAction: Deny}");
    configMap("ok", "{a: x}");
    assertThatThrownBy(() -> configMap("one", "{a: x, b: x, c: x}"))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(403))
        .hasMessageEndingWith("failed expression: object.data.size() <= int(params.data.max)");
    cluster.delete(dev.kedge.model.Resources.CONFIG_MAPS, "default", "limits");
    Awaitility.await()
        .atMost(ofMinutes(1))
        .untilAsserted(
            () ->
                assertThatThrownBy(() -> configMap("two", "{}"))
                    .hasMessageEndingWith(
                        "failed to configure binding: no params found for policy binding with"
                            + " `Deny` parameterNotFoundAction"));
  }

  @Test
  void failuresFollowTheFailurePolicy() {
    policy("Validating", "strict", "validations: [{expression: 'object.nope == 1'}]");
    bind("Validating", "strict", ", validationActions: [Deny]");
    assertThatThrownBy(() -> configMap("one", "{}"))
        .hasMessageEndingWith("expression 'object.nope == 1' resulted in error: no such key: nope");
    cluster.patch(
        new dev.kedge.model.ResourceType(
            "admissionregistration.k8s.io",
            "v1",
            "validatingadmissionpolicies",
            "ValidatingAdmissionPolicy",
            false),
        "",
        "strict",
        Registry.PatchType.MERGE,
        "{\"spec\":{\"failurePolicy\":\"Ignore\"}}");
    Awaitility.await().atMost(ofMinutes(1)).untilAsserted(() -> configMap("one", "{}"));
  }

  @Test
  void mutatesByConfigurationAndByPatch() {
    policy(
        "Mutating",
        "label",
        "reinvocationPolicy: Never, mutations: [{patchType: ApplyConfiguration, applyConfiguration:"
            + " {expression: \"Object{metadata: Object.metadata{labels: {'by': 'policy'}}, data:"
            + " {'added': object.metadata.name}}\"}}, {patchType: JSONPatch, jsonPatch:"
            + " {expression: \"[JSONPatch{op: 'test', path: '/data/added', value:"
            + " object.metadata.name}, JSONPatch{op: 'add', path: '/data/' +"
            + " jsonpatch.escapeKey('x/y').replace('~1', '-'), value: 'z'}]\"}}]");
    bind("Mutating", "label", "");
    KubeObject made = configMap("one", "{a: b}").object().tree();
    assertThat(made.labels()).containsEntry("by", "policy");
    assertThat(made.json().map("data"))
        .containsEntry("a", "b")
        .containsEntry("added", "one")
        .containsEntry("x-y", "z");
  }

  @ParameterizedTest
  @CsvSource(
      delimiterString = " => ",
      quoteCharacter = '`',
      textBlock =
          """
          validations: [{expression: 'object.foo +'}] => spec.validations[0].expression: Invalid value: "object.foo +": compilation failed: ERROR: <input>:1:13: Syntax error
          validations: [{expression: 'foo'}] => undeclared reference to 'foo' (in container '')
          validations: [{expression: '1'}] => must evaluate to bool
          validations: [{expression: 'true', reason: Odd}] => supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"
          validations: [{expression: 'params.x'}] => undeclared reference to 'params' (in container '')
          validations: [{expression: 'request.nope'}] => undefined field 'nope'
          validations: [{expression: 'variables.x'}] => undefined field 'x'
          variables: [{name: in, expression: '1'}], validations: [{expression: 'true'}] => name is not a valid CEL identifier
          matchConditions: [{name: a, expression: 'true'}, {name: a, expression: 'true'}], validations: [{expression: 'true'}] => spec.matchConditions[1].name: Duplicate value: "a"
          failurePolicy: Fail => validations or auditAnnotations must contain at least one item
          """)
  void malformedPoliciesAreRefused(String spec, String message) {
    assertThatThrownBy(() -> policy("Validating", "bad", spec))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(422))
        .hasMessageContaining(message);
  }

  @Test
  void expressionsAreCheckedAgainstTheKindsTheyAreAbout() {
    policy(
        "Validating",
        "typo",
        "variables: [{name: d, expression: object.data}], validations: [{expression:"
            + " \"object.dat == {'a': 'b'}\"}, {expression: 'variables.d.size() > 1 &&"
            + " object.metadata.name.size() > 1'}]");
    KubeObject stored =
        cluster.get(
            new dev.kedge.model.ResourceType(
                "admissionregistration.k8s.io",
                "v1",
                "validatingadmissionpolicies",
                "ValidatingAdmissionPolicy",
                false),
            "",
            "typo");
    assertThat(stored.status().integer("observedGeneration")).isEqualTo(1);
    var warnings = stored.status().object("typeChecking").objects("expressionWarnings");
    assertThat(warnings).hasSize(1);
    assertThat(warnings.getFirst().text("fieldRef")).isEqualTo("spec.validations[0].expression");
    assertThat(warnings.getFirst().text("warning"))
        .startsWith(
            "/v1, Kind=ConfigMap: ERROR: <input>:1:7: undefined field 'dat'\n"
                + " | object.dat == {'a': 'b'}\n | ......^");
  }

  @Test
  void bindingsAreChecked() {
    assertThatThrownBy(() -> bind("Validating", "x", ", validationActions: [Deny, Warn]"))
        .hasMessageContaining("must not contain both Deny and Warn");
    assertThatThrownBy(() -> bind("Validating", "x", ""))
        .hasMessageContaining("at least one validation action is required");
    assertThatThrownBy(() -> bind("Validating", "x", ", validationActions: [Deny], paramRef: {}"))
        .hasMessageContaining("one of name or selector must be specified");
  }
}
