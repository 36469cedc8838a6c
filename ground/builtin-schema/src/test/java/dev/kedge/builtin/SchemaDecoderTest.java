package dev.kedge.builtin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.model.ApiException;
import dev.kedge.model.Duplicates;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.Schema;
import dev.kedge.model.SchemaDecoder;
import dev.kedge.model.SchemaDecoder.Decoded;
import dev.kedge.model.SchemaFromCrd;
import dev.kedge.model.SchemaValidator;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SchemaDecoderTest {
  private static final GroupVersionKind DEPLOYMENT = GroupVersionKind.of("apps/v1", "Deployment");
  private static final GroupVersionKind POD = GroupVersionKind.of("v1", "Pod");
  private static final GroupVersionKind WIDGET = GroupVersionKind.of("example.com/v1", "Widget");

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {"spec":{"replicas":"three"}} | json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32
          {"spec":{"replicas":1.5}} | json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32
          {"metadata":{"labels":{"a":1}}} | json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string
          {"spec":{"paused":"yes"}} | json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool
          {"spec":{"template":{"spec":{"containers":"nginx"}}}} | json: cannot unmarshal string into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container
          {"spec":{"template":{"spec":{"containers":[{"resources":{"limits":{"cpu":"lots"}}}]}}}} | quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'
          {"metadata":{"creationTimestamp":"now"}} | parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"
          {"metadata":{"creationTimestamp":"2026-01-02t03:04:05z"}} | parsing time "2026-01-02t03:04:05z" as "2006-01-02T15:04:05Z07:00": cannot parse "2026-01-02t03:04:05z" as "2006"
          {"metadata":{"managedFields":[{"time":"9999-12-31T23:59:59-01:00"}]}} | parsing time "9999-12-31T23:59:59-01:00" as "2006-01-02T15:04:05Z07:00": cannot parse "9999-12-31T23:59:59-01:00" as "2006"
          """)
  void wrongTypesAreRefusedInGosWords(String json, String message) {
    assertThatThrownBy(() -> decode(DEPLOYMENT, json))
        .isInstanceOfSatisfying(ApiException.class, e -> assertThat(e.code()).isEqualTo(400))
        .hasMessage("Deployment in version \"v1\" cannot be handled as a Deployment: " + message);
  }

  @Test
  void unknownFieldsAreFoundAndLeftOut() {
    Decoded decoded =
        decode(
            POD,
            """
            {"spec":{"containers":[{"name":"a","imag":"b"}],"foo":1},"metadata":{"name":"x","bar":{}}}
            """);

    assertThat(decoded.unknownFields())
        .containsExactly("spec.containers[0].imag", "spec.foo", "metadata.bar");
    assertThat(decoded.object())
        .isEqualTo(
            Json.parseObject(
                """
                {"spec":{"containers":[{"name":"a"}]},"metadata":{"name":"x"}}
                """));
    assertThat(SchemaDecoder.strictFault(POD, decoded.faults(), Duplicates.NONE).getMessage())
        .isEqualTo(
            "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown"
                + " field \"spec.containers[0].imag\", unknown field \"spec.foo\", unknown field"
                + " \"metadata.bar\"");
  }

  @Test
  void faultsOfTheTextStandInUpstreamsOrder() {
    JsonObject pod =
        Json.parseObject(
            """
            {"metadata":{"name":"x"},"spec":{"foo":1,"nodeName":"a","containers":[{"imag":"b"}]}}
            """);
    Duplicates json =
        new Duplicates(List.of("spec.foo", "spec.nodeName", "spec.containers[0].imag"), List.of());
    assertThat(SchemaDecoder.decode(BuiltinSchemas.ofKind(POD), POD, pod, json).faults())
        .as("what is unknown cannot be known to be repeated")
        .containsExactly(
            "unknown field \"spec.foo\"",
            "duplicate field \"spec.nodeName\"",
            "unknown field \"spec.containers[0].imag\"");

    Duplicates yaml =
        new Duplicates(
            List.of(),
            List.of(
                "line 5: key \"foo\" already set in map", "line 7: key \"a\" already set in map"));
    List<String> faults = SchemaDecoder.decode(BuiltinSchemas.ofKind(POD), POD, pod, yaml).faults();
    assertThat(faults)
        .containsExactly(
            "line 5: key \"foo\" already set in map",
            "line 7: key \"a\" already set in map",
            "unknown field \"spec.foo\"",
            "unknown field \"spec.containers[0].imag\"");
    assertThat(SchemaDecoder.strictFault(POD, faults, yaml).getMessage())
        .endsWith(
            """
            strict decoding error: yaml: unmarshal errors:
              line 5: key "foo" already set in map
              line 7: key "a" already set in map, unknown field "spec.foo", unknown field\
             "spec.containers[0].imag\"\
            """);
  }

  @Test
  void valuesAreBroughtIntoCanonicalForm() {
    Decoded decoded =
        decode(
            POD,
            """
            {"metadata":{"creationTimestamp":"2026-01-02T03:04:05.5+01:00","labels":{}},
             "spec":{"containers":[{"resources":{"limits":{"cpu":0.5,"memory":"1024Mi"}},"args":null}]}}
            """);

    assertThat(decoded.object())
        .isEqualTo(
            Json.parseObject(
                """
                {"metadata":{"creationTimestamp":"2026-01-02T02:04:05Z"},
                 "spec":{"containers":[{"resources":{"limits":{"cpu":"500m","memory":"1Gi"}}}]}}
                """));
  }

  @Test
  void staticDefaultsAreFilledInEverywhere() {
    JsonObject pod =
        SchemaDecoder.withDefaults(
            BuiltinSchemas.ofKind(POD),
            Json.parseObject(
                """
                {"spec":{"dnsPolicy":"","containers":[{"name":"a","ports":[{"containerPort":80}],
                 "livenessProbe":{"httpGet":{"port":80},"timeoutSeconds":0}}],
                 "volumes":[{"name":"c","configMap":{"name":"c"}}]}}
                """));

    assertThat(pod)
        .isEqualTo(
            Json.parseObject(
                """
                {"metadata":{},"status":{},
                 "spec":{"dnsPolicy":"ClusterFirst","restartPolicy":"Always",
                 "terminationGracePeriodSeconds":30,"securityContext":{},
                 "schedulerName":"default-scheduler",
                 "containers":[{"name":"a","ports":[{"containerPort":80,"protocol":"TCP"}],
                   "resources":{},
                   "terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File",
                   "livenessProbe":{"httpGet":{"port":80,"path":"/","scheme":"HTTP"},
                     "timeoutSeconds":1,"periodSeconds":10,"successThreshold":1,"failureThreshold":3}}],
                 "volumes":[{"name":"c","configMap":{"name":"c","defaultMode":420}}]}}
                """));
  }

  private static final Schema CUSTOM =
      SchemaFromCrd.of(
          Json.parseObject(
              """
              {"type":"object","properties":{"spec":{"type":"object","required":["size"],
                "properties":{
                  "size":{"type":"integer","minimum":1,"maximum":5},
                  "mode":{"type":"string","enum":["on","off"],"default":"off"},
                  "name":{"type":"string","maxLength":3,"pattern":"^[a-z]+$"},
                  "note":{"type":"string","nullable":true},
                  "port":{"x-kubernetes-int-or-string":true},
                  "free":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
                  "parts":{"type":"array","maxItems":2,"x-kubernetes-list-type":"map",
                    "x-kubernetes-list-map-keys":["name"],
                    "items":{"type":"object","properties":{"name":{"type":"string"}}}},
                  "either":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},
                    "oneOf":[{"required":["a"]},{"required":["b"]}]}}}}}
              """),
          BuiltinSchemas.definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"));

  @Test
  void customResourcesArePrunedAndDefaulted() {
    Decoded decoded =
        SchemaDecoder.prune(
            CUSTOM,
            WIDGET,
            Json.parseObject(
                """
                {"kind":"Widget","metadata":{"name":"a","x":1},"spec":{"size":1,"mode":null,"note":null,
                 "free":{"anything":1},"extra":2,"parts":[{"name":"a","y":1}]}}
                """));

    assertThat(decoded.unknownFields())
        .containsExactly("metadata.x", "spec.extra", "spec.parts[0].y");
    assertThat(SchemaDecoder.withDefaults(CUSTOM, decoded.object()))
        .isEqualTo(
            Json.parseObject(
                """
                {"kind":"Widget","metadata":{"name":"a"},"spec":{"size":1,"note":null,
                 "free":{"anything":1},"parts":[{"name":"a"}],"mode":"off"}}
                """));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          {} | FieldValueRequired | spec.size | Required value
          {"size":"a"} | FieldValueTypeInvalid | spec.size | Invalid value: "string": spec.size in body must be of type integer: "string"
          {"size":0} | FieldValueInvalid | spec.size | Invalid value: 0: spec.size in body should be greater than or equal to 1
          {"size":9} | FieldValueInvalid | spec.size | Invalid value: 9: spec.size in body should be less than or equal to 5
          {"size":1,"mode":"x"} | FieldValueNotSupported | spec.mode | Unsupported value: "x": supported values: "on", "off"
          {"size":1,"name":"abcd"} | FieldValueTooLong | spec.name | Too long: may not be more than 3 bytes
          {"size":1,"name":"A"} | FieldValueInvalid | spec.name | Invalid value: "A": spec.name in body should match '^[a-z]+$'
          {"size":1,"port":true} | FieldValueTypeInvalid | spec.port | Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean"
          {"size":1,"parts":[{"name":"a"},{"name":"a"}]} | FieldValueDuplicate | spec.parts[1] | Duplicate value: {"name":"a"}
          {"size":1,"parts":[{},{"name":"a"},{"name":"b"}]} | FieldValueTooMany | spec.parts | Too many: 3: must have at most 2 items
          {"size":1,"either":{"a":"","b":""}} | FieldValueInvalid | <nil> | Invalid value: "": "spec.either" must validate one and only one schema (oneOf). Found 2 valid alternatives
          """)
  void faultsOfCustomResourcesAreNamedAsUpstreamDoes(
      String spec, String reason, String field, String message) {
    assertThat(SchemaValidator.validate(CUSTOM, JsonObject.of("spec", Json.parseObject(spec))))
        .singleElement()
        .satisfies(
            cause -> {
              assertThat(cause.reason()).isEqualTo(reason);
              assertThat(cause.field()).isEqualTo(field);
              assertThat(cause.message()).isEqualTo(message);
            });
  }

  private static Decoded decode(GroupVersionKind kind, String json) {
    return SchemaDecoder.decode(BuiltinSchemas.ofKind(kind), kind, Json.parseObject(json));
  }
}
