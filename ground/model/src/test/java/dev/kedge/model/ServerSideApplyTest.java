package dev.kedge.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

class ServerSideApplyTest {
  private static final Instant T1 = Instant.parse("2026-01-01T00:00:00Z");
  private static final Instant T2 = Instant.parse("2026-01-02T00:00:00Z");

  private static JsonObject deployment(String spec) {
    return Json.parseObject(
        """
        {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"default"},"spec":%s}
        """
            .formatted(spec));
  }

  private static JsonObject apply(
      JsonObject live, String manager, boolean force, String spec, Instant now) {
    return ServerSideApply.applied(
        live, deployment(spec), manager, force, TestSchemas.DEPLOYMENT, "", now);
  }

  private static JsonObject update(JsonObject live, JsonObject changed, String manager) {
    return ServerSideApply.updated(live, changed, manager, TestSchemas.DEPLOYMENT, "", T2);
  }

  private static JsonObject stored(JsonObject object) {
    return object.withPath(List.of("metadata", "uid"), "u1");
  }

  private static String owned(JsonObject object, String manager) {
    return object.objects("metadata", "managedFields").stream()
        .filter(entry -> entry.text("manager").equals(manager))
        .map(entry -> entry.object("fieldsV1").toString())
        .findFirst()
        .orElse("nothing");
  }

  @Test
  void createRecordsWhatWasGivenAsUpstreamDoes() {
    JsonObject created =
        update(
            JsonObject.EMPTY,
            deployment(
                """
                {"replicas":1,"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[
                  {"name":"c","image":"i","ports":[{"containerPort":80,"protocol":"TCP"}]}],"nodeSelector":{"a":"b"}}}}
                """),
            "curl");
    assertThat(owned(created, "curl"))
        .isEqualTo(
            """
            {"f:spec":{"f:replicas":{},"f:template":{"f:metadata":{"f:labels":{".":{},"f:app":{}}},\
            "f:spec":{"f:containers":{"k:{\\"name\\":\\"c\\"}":{".":{},"f:image":{},"f:name":{},\
            "f:ports":{".":{},"k:{\\"containerPort\\":80,\\"protocol\\":\\"TCP\\"}":\
            {".":{},"f:containerPort":{},"f:protocol":{}}}}},"f:nodeSelector":{}}}}}\
            """);
    JsonObject entry = created.objects("metadata", "managedFields").getFirst();
    assertThat(entry.names())
        .containsExactly("manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1");
    assertThat(entry.text("operation")).isEqualTo("Update");
  }

  @Test
  void applyKeepsFieldsOfOthersAndNamesTheOwnerInAConflict() {
    JsonObject first = stored(apply(JsonObject.EMPTY, "a", false, "{\"replicas\":1}", T1));
    JsonObject second = apply(first, "b", false, "{\"paused\":true}", T2);
    assertThat(second.object("spec").toString()).isEqualTo("{\"replicas\":1,\"paused\":true}");

    ApiException conflict =
        catchThrowableOfType(
            ApiException.class, () -> apply(second, "b", false, "{\"replicas\":3}", T2));
    assertThat(conflict.code()).isEqualTo(409);
    assertThat(conflict.getMessage())
        .isEqualTo("Apply failed with 1 conflict: conflict with \"a\": .spec.replicas");

    JsonObject forced = apply(second, "b", true, "{\"replicas\":3}", T2);
    // b no longer applies paused, so it goes; replicas are b's now
    assertThat(forced.object("spec").toString()).isEqualTo("{\"replicas\":3}");
    assertThat(owned(forced, "a")).isEqualTo("nothing");
    assertThat(owned(forced, "b")).isEqualTo("{\"f:spec\":{\"f:replicas\":{}}}");
  }

  @Test
  void equalValuesAreSharedAndStayUntilTheLastOwnerLeaves() {
    JsonObject both =
        apply(
            stored(apply(JsonObject.EMPTY, "a", false, "{\"replicas\":1}", T1)),
            "b",
            false,
            "{\"replicas\":1,\"paused\":true}",
            T2);
    JsonObject withoutA = apply(both, "a", false, "{}", T2);
    assertThat(withoutA.object("spec").integer("replicas")).isEqualTo(1);
    assertThat(owned(withoutA, "a")).doesNotContain("replicas");
    JsonObject withoutBoth = apply(withoutA, "b", false, "{\"paused\":true}", T2);
    assertThat(withoutBoth.object("spec").toString()).isEqualTo("{\"paused\":true}");
  }

  @Test
  void conflictsWithUpdatersNameVersionAndTime() {
    JsonObject live =
        update(JsonObject.EMPTY, deployment("{\"replicas\":1,\"paused\":true}"), "kubectl-create");
    ApiException conflict =
        catchThrowableOfType(
            ApiException.class,
            () -> apply(stored(live), "b", false, "{\"replicas\":3,\"paused\":false}", T2));
    assertThat(conflict.getMessage())
        .isEqualTo(
            """
            Apply failed with 2 conflicts: conflicts with "kubectl-create" using apps/v1 at 2026-01-02T00:00:00Z:
            - .spec.paused
            - .spec.replicas\
            """);
    assertThat(conflict.status().details().causes().getFirst().reason())
        .isEqualTo("FieldManagerConflict");
  }

  @Test
  void keyedListsMergeByKeyAndLoseItemsNoLongerApplied() {
    JsonObject a =
        stored(
            apply(
                JsonObject.EMPTY,
                "a",
                false,
                "{\"template\":{\"spec\":{\"containers\":[{\"name\":\"x\",\"image\":\"1\"},{\"name\":\"y\",\"image\":\"1\"}]}}}",
                T1));
    JsonObject b =
        apply(
            a,
            "b",
            false,
            "{\"template\":{\"spec\":{\"containers\":[{\"name\":\"z\",\"image\":\"1\"}]}}}",
            T1);
    JsonObject c =
        apply(
            b,
            "a",
            false,
            "{\"template\":{\"spec\":{\"containers\":[{\"name\":\"y\",\"image\":\"2\"}]}}}",
            T2);
    assertThat(c.array("spec", "template", "spec", "containers").toString())
        .isEqualTo("[{\"name\":\"y\",\"image\":\"2\"},{\"name\":\"z\",\"image\":\"1\"}]");
  }

  @Test
  void orderOfAppliedItemsWins() {
    JsonObject a =
        stored(
            apply(
                JsonObject.EMPTY,
                "a",
                false,
                "{\"template\":{\"spec\":{\"containers\":[{\"name\":\"x\"},{\"name\":\"y\"},{\"name\":\"z\"}]}}}",
                T1));
    JsonObject b =
        apply(
            a,
            "a",
            false,
            "{\"template\":{\"spec\":{\"containers\":[{\"name\":\"z\"},{\"name\":\"n\"},{\"name\":\"x\"},{\"name\":\"y\"}]}}}",
            T1);
    assertThat(
            b.objects("spec", "template", "spec", "containers").stream().map(o -> o.text("name")))
        .containsExactly("z", "n", "x", "y");
  }

  @Test
  void noOpApplyAndUpdateGiveBackWhatIsStored() {
    JsonObject live = stored(apply(JsonObject.EMPTY, "a", false, "{\"replicas\":1}", T1));
    assertThat(apply(live, "a", false, "{\"replicas\":1}", T2)).isSameAs(live);
    assertThat(update(live, live, "other")).isEqualTo(live);
  }

  @Test
  void updateTakesFieldsOverFromAppliers() {
    JsonObject live =
        stored(apply(JsonObject.EMPTY, "a", false, "{\"replicas\":1,\"paused\":true}", T1));
    JsonObject changed = update(live, live.withPath(List.of("spec", "replicas"), 5), "hpa");
    assertThat(owned(changed, "a")).isEqualTo("{\"f:spec\":{\"f:paused\":{}}}");
    assertThat(owned(changed, "hpa")).isEqualTo("{\"f:spec\":{\"f:replicas\":{}}}");
  }

  @Test
  void firstApplyAfterUntrackedWritesRecordsThemAsBeforeFirstApply() {
    JsonObject live = stored(deployment("{\"replicas\":1,\"paused\":true}"));
    ApiException conflict =
        catchThrowableOfType(
            ApiException.class, () -> apply(live, "a", false, "{\"replicas\":2}", T1));
    assertThat(conflict.getMessage()).contains("before-first-apply");
  }

  @Test
  void setsMergeByValueAndAtomicMapsAsOnePiece() {
    JsonObject a =
        ServerSideApply.applied(
            JsonObject.EMPTY,
            deployment("{\"template\":{\"spec\":{\"nodeSelector\":{\"a\":\"1\",\"b\":\"2\"}}}}")
                .withPath(List.of("metadata", "finalizers"), List.of("x/one")),
            "a",
            false,
            TestSchemas.DEPLOYMENT,
            "",
            T1);
    JsonObject b =
        ServerSideApply.applied(
            stored(a),
            deployment("{\"template\":{\"spec\":{\"nodeSelector\":{\"c\":\"3\"}}}}")
                .withPath(List.of("metadata", "finalizers"), List.of("x/two")),
            "b",
            true,
            TestSchemas.DEPLOYMENT,
            "",
            T1);
    assertThat(b.strings("metadata", "finalizers")).containsExactly("x/one", "x/two");
    assertThat(b.map("spec", "template", "spec", "nodeSelector")).containsOnlyKeys("c");
    assertThat(owned(b, "b")).contains("\"f:finalizers\":{\"v:\\\"x/two\\\"\":{}}");
  }

  @Test
  void badConfigurationsAreRefusedInUpstreamsWords() {
    assertThat(
            catchThrowableOfType(
                    ApiException.class,
                    () -> apply(JsonObject.EMPTY, "a", false, "{\"replcas\":1}", T1))
                .getMessage())
        .isEqualTo(
            "failed to create typed patch object (default/web; apps/v1, Kind=Deployment):"
                + " .spec.replcas: field not declared in schema");
    assertThat(
            catchThrowableOfType(
                    ApiException.class,
                    () ->
                        apply(
                            JsonObject.EMPTY,
                            "a",
                            false,
                            "{\"template\":{\"spec\":{\"containers\":[{\"name\":\"x\"},{\"name\":\"x\"}]}}}",
                            T1))
                .getMessage())
        .endsWith(".spec.template.spec.containers: duplicate entries for key [name=\"x\"]");
  }

  @Test
  void goingFromClientSideToServerSideApplyDoesNotConflictWithOneself() {
    String last = Json.write(deployment("{\"replicas\":1}"));
    JsonObject live =
        update(
            JsonObject.EMPTY,
            deployment("{\"replicas\":1}")
                .withPath(List.of("metadata", "annotations", ServerSideApply.LAST_APPLIED), last),
            "kubectl-client-side-apply");
    JsonObject applied = apply(stored(live), "kubectl", false, "{\"replicas\":2}", T2);
    assertThat(applied.object("spec").integer("replicas")).isEqualTo(2);
    assertThat(applied.text("metadata", "annotations", ServerSideApply.LAST_APPLIED))
        .contains("\"replicas\":2");
  }

  @Test
  void emptyEntryResetsManagedFields() {
    JsonObject live = stored(apply(JsonObject.EMPTY, "a", false, "{\"replicas\":1}", T1));
    JsonObject reset =
        update(
            live,
            live.withPath(List.of("metadata", "managedFields"), List.of(JsonObject.EMPTY)),
            "b");
    assertThat(reset.find("metadata", "managedFields")).isEmpty();
  }
}
