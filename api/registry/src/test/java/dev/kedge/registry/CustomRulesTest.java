package dev.kedge.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Yaml;
import dev.kedge.registry.Registry.PatchType;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** CEL rules of custom resources, on a real registry. */
class CustomRulesTest {
  private static final ResourceType SHIPS =
      new ResourceType("sea.example.com", "v1", "ships", "Ship", true);

  @AutoClose private final Cluster cluster = new Cluster().withDefaults();

  private void define(String schema) {
    cluster.create(
        """
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
         "metadata": {"name": "ships.sea.example.com"},
         "spec": {"group": "sea.example.com", "scope": "Namespaced",
          "names": {"plural": "ships", "kind": "Ship"},
          "versions": [{"name": "v1", "served": true, "storage": true,
           "subresources": {"status": {}},
           "schema": {"openAPIV3Schema": %s}}]}}
        """
            .formatted(((JsonObject) Yaml.parse(schema)).toString()));
  }

  private void defineSpec(String spec) {
    define("{type: object, properties: {spec: " + spec + "}}");
  }

  private KubeObject ship(String spec) {
    JsonObject json =
        (JsonObject)
            Yaml.parse(
                "{apiVersion: sea.example.com/v1, kind: Ship, metadata: {name: one, namespace:"
                    + " default}, spec: "
                    + spec
                    + "}");
    return cluster.created(new KubeObject(json)).object().tree();
  }

  private KubeObject patch(String patch) {
    return cluster.patch(SHIPS, "default", "one", PatchType.MERGE, patch);
  }

  @Test
  void rulesHoldBackWhatBreaksThem() {
    defineSpec(
        "{type: object, properties: {min: {type: integer}, max: {type: integer}},"
            + " x-kubernetes-validations: [{rule: 'self.min <= self.max', message: 'min must not be"
            + " above max', fieldPath: .min}]}");
    assertThatThrownBy(() -> ship("{min: 3, max: 2}"))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(422))
        .hasMessage(
            "Ship.sea.example.com \"one\" is invalid: spec.min: Invalid value: min must not be"
                + " above max");
    assertThatCode(() -> ship("{min: 1, max: 2}")).doesNotThrowAnyException();
    assertThatThrownBy(() -> patch("{\"spec\":{\"min\":9}}")).hasMessageContaining("above max");
    assertThatThrownBy(() -> patch("{\"spec\":{\"min\":null}}"))
        .hasMessage(
            "Ship.sea.example.com \"one\" is invalid: spec: Invalid value: \"object\": no such key:"
                + " min evaluating rule: min must not be above max");
  }

  @Test
  void messagesAndReasonsAreTheRules() {
    defineSpec(
        "{type: object, properties: {name: {type: string, x-kubernetes-validations: [{rule:"
            + " \"self.startsWith('a')\", messageExpression: \"'not a, but ' + self\", reason:"
            + " FieldValueForbidden}]}, plain: {type: string, x-kubernetes-validations: [{rule:"
            + " \"self == 'x'\"}]}}}");
    assertThatThrownBy(() -> ship("{name: bee}"))
        .hasMessageEndingWith("spec.name: Forbidden: not a, but bee");
    assertThatThrownBy(() -> ship("{plain: bee}"))
        .hasMessageEndingWith("spec.plain: Invalid value: \"bee\": failed rule: self == 'x'");
  }

  @Test
  void transitionsCompareWithWhatWas() {
    defineSpec(
        "{type: object, properties: {name: {type: string, x-kubernetes-validations: [{rule: 'self"
            + " == oldSelf', message: immutable}]}, once: {type: string, x-kubernetes-validations:"
            + " [{rule: \"!oldSelf.hasValue() || self == oldSelf.value()\", optionalOldSelf: true,"
            + " message: once}]}}}");
    ship("{name: a}");
    assertThatThrownBy(() -> patch("{\"spec\":{\"name\":\"b\"}}"))
        .hasMessageContaining("immutable");
    patch("{\"spec\":{\"once\":\"x\"}}");
    assertThatThrownBy(() -> patch("{\"spec\":{\"once\":\"y\"}}")).hasMessageContaining("once");
    patch("{\"spec\":{\"name\":null}}");
    patch("{\"spec\":{\"name\":\"b\"}}");
  }

  @Test
  void listsOfMapsAreCorrelatedByTheirKeys() {
    defineSpec(
        "{type: object, properties: {ports: {type: array, maxItems: 10, x-kubernetes-list-type:"
            + " map, x-kubernetes-list-map-keys: [name], items: {type: object, required: [name],"
            + " properties: {name: {type: string, maxLength: 10}, port: {type: integer}},"
            + " x-kubernetes-validations: [{rule: 'self.port >= oldSelf.port', message: 'only"
            + " up'}]}}}}");
    ship("{ports: [{name: a, port: 1}, {name: b, port: 9}]}");
    patch(
        "{\"spec\":{\"ports\":[{\"name\":\"b\",\"port\":9},{\"name\":\"a\",\"port\":2},{\"name\":\"c\",\"port\":0}]}}");
    assertThatThrownBy(() -> patch("{\"spec\":{\"ports\":[{\"name\":\"b\",\"port\":8}]}}"))
        .hasMessageContaining("spec.ports[0]: Invalid value: only up");
  }

  @Test
  void whatIsUnchangedDoesNotBlock() {
    defineSpec("{type: object, properties: {name: {type: string}, other: {type: string}}}");
    ship("{name: bad}");
    cluster.patch(
        dev.kedge.model.Resources.CUSTOM_RESOURCE_DEFINITIONS,
        "",
        "ships.sea.example.com",
        PatchType.JSON,
        "[{\"op\":\"add\",\"path\":\"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/name/x-kubernetes-validations\",\"value\":[{\"rule\":\"self"
            + " != 'bad'\"}]}]");
    patch("{\"spec\":{\"other\":\"x\"}}");
    assertThatCode(() -> patch("{\"metadata\":{\"labels\":{\"a\":\"b\"}}}"))
        .as("unchanged, so nobody is stopped")
        .doesNotThrowAnyException();
  }

  /** Upstream's ratcheting: items have a counterpart where they have keys. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          atomic | [a, b]                     | []        | true
          atomic | [a, b]                     | [a, b, z] | false
          set    | [a, b]                     | [a, b, z] | false
          map    | [{k: 1, v: a}, {k: 2, v: b}] | [{k: 2, v: b}, {k: 3, v: z}] | true
          map    | [{k: 1, v: a}, {k: 2, v: b}] | [{k: 2, v: a}, {k: 1, v: a}] | false
          """)
  void whatHasNoCounterpartMustFulfilTheSchema(
      String type, String before, String after, boolean allowed) {
    String text = "{type: string%s}";
    String list =
        "{type: object, properties: {other: {type: string}, list: {type: array, items: "
            + (type.equals("map")
                ? "{type: object, required: [k], properties: {k: {type: integer}, v: " + text + "}}"
                : text)
            + ", x-kubernetes-list-type: "
            + type
            + (type.equals("map") ? ", x-kubernetes-list-map-keys: [k]" : "")
            + "}}}";
    defineSpec(list.formatted(""));
    ship("{other: x, list: " + before + "}");
    cluster.patch(
        dev.kedge.model.Resources.CUSTOM_RESOURCE_DEFINITIONS,
        "",
        "ships.sea.example.com",
        PatchType.JSON,
        "[{\"op\":\"replace\",\"path\":\"/spec/versions/0/schema/openAPIV3Schema/properties/spec\","
            + "\"value\":"
            + Yaml.parse(list.formatted(", enum: [z]"))
            + "}]");
    patch("{\"spec\":{\"other\":\"y\"}}");
    ThrowingCallable change = () -> patch("{\"spec\":{\"list\":" + Yaml.parse(after) + "}}");
    if (allowed) {
      assertThatCode(change).doesNotThrowAnyException();
    } else {
      assertThatThrownBy(change)
          .hasMessageContaining("spec.list[0]")
          .hasMessageContaining("Unsupported value");
    }
  }

  @Test
  void rulesWaitForObjectsOfTheRightShape() {
    defineSpec(
        "{type: object, required: [min], properties: {min: {type: integer}},"
            + " x-kubernetes-validations: [{rule: 'self.min > 0'}]}");
    assertThatThrownBy(() -> ship("{}"))
        .hasMessageContaining(
            "<nil>: Invalid value: null: some validation rules were not checked because the object"
                + " was invalid; correct the existing errors to complete validation");
  }

  @Test
  void metadataNamesAndEscapedFieldsAreThere() {
    define(
        "{type: object, properties: {spec: {type: object, properties: {a-b: {type: string}}}},"
            + " x-kubernetes-validations: [{rule: \"self.metadata.name == 'one' &&"
            + " self.spec.a__dash__b == 'x' && self.kind == 'Ship'\"}]}");
    ship("{a-b: x}");
    assertThatThrownBy(() -> patch("{\"spec\":{\"a-b\":\"y\"}}"))
        .hasMessageContaining("<nil>: Invalid value: failed rule");
  }

  @ParameterizedTest
  @CsvSource(
      delimiterString = " => ",
      quoteCharacter = '`',
      textBlock =
          """
          {type: object, x-kubernetes-validations: [{rule: 'self.foo'}]} => compilation failed: ERROR: <input>:1:5: undefined field 'foo'
          {type: object, x-kubernetes-validations: [{rule: '1'}]} => cel expression must evaluate to a bool
          {type: object, x-kubernetes-validations: [{rule: ' '}]} => x-kubernetes-validations[0].rule: Required value: rule is not specified
          {type: object, x-kubernetes-validations: [{rule: 'true', reason: Odd}]} => Unsupported value: "Odd": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"
          {type: object, x-kubernetes-validations: [{rule: 'true', fieldPath: .nope}]} => must be a valid path
          {type: object, x-kubernetes-validations: [{rule: 'true', messageExpression: '1'}]} => messageExpression must evaluate to a string
          {type: object, x-kubernetes-validations: [{rule: 'true', optionalOldSelf: true}]} => may not be set if oldSelf is not used in rule
          {type: object, properties: {l: {type: array, items: {type: string, x-kubernetes-validations: [{rule: 'self == oldSelf'}]}}}} => oldSelf cannot be used on the uncorrelatable portion of the schema within
          {type: object, properties: {l: {type: array, items: {type: string}, x-kubernetes-validations: [{rule: 'self.all(x, self.all(y, x == y))'}]}}} => estimated rule cost exceeds budget by factor of more than 100x (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)
          """)
  void malformedRulesAreRefused(String spec, String message) {
    assertThatThrownBy(() -> defineSpec(spec))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(422))
        .hasMessageContaining(message);
  }

  @Test
  void whatCostsTooMuchIsStopped() {
    defineSpec(
        "{type: object, properties: {l: {type: array, maxItems: 1000, items: {type: integer},"
            + " x-kubernetes-validations: [{rule: 'self.all(x, self.all(y, x + y >= 0))'}]}}}");
    StringBuilder numbers = new StringBuilder("1");
    for (int i = 0; i < 999; i++) {
      numbers.append(",").append(i);
    }
    assertThatThrownBy(() -> ship("{l: [" + numbers + "]}"))
        .hasMessageContaining(
            "'operation cancelled: actual cost limit exceeded': no further validation rules will be"
                + " run due to call cost exceeds limit for rule: self.all");
  }
}
