package dev.kedge.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PatchesTest {
  private static JsonValue json(String text) {
    return Json.parse(text.replace('\'', '"'));
  }

  private static JsonObject object(String text) {
    return Json.parseObject(text.replace('\'', '"'));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{'a':1}|[{'op':'add','path':'/b','value':2}]|{'a':1,'b':2}",
        "{'a':[1,2]}|[{'op':'add','path':'/a/1','value':9}]|{'a':[1,9,2]}",
        "{'a':[1,2]}|[{'op':'add','path':'/a/-','value':9}]|{'a':[1,2,9]}",
        "{'a':[1,2]}|[{'op':'remove','path':'/a/0'}]|{'a':[2]}",
        "{'a':{'x/y':1}}|[{'op':'replace','path':'/a/x~1y','value':null}]|{'a':{'x/y':null}}",
        "{'a':{'b':1}}|[{'op':'move','from':'/a/b','path':'/c'}]|{'a':{},'c':1}",
        "{'a':{'b':1}}|[{'op':'copy','from':'/a','path':'/c'}]|{'a':{'b':1},'c':{'b':1}}",
        "{'a':1}|[{'op':'test','path':'/a','value':1.0},{'op':'remove','path':'/a'}]|{}",
      })
  void jsonPatch(String document, String patch, String expected) {
    assertThat(JsonPatch.apply(json(document), json(patch))).isEqualTo(json(expected));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "[{'op':'remove','path':'/x'}]|422",
        "[{'op':'replace','path':'/x','value':1}]|422",
        "[{'op':'test','path':'/a','value':2}]|422",
        "[{'op':'add','path':'/x/y','value':2}]|422",
        "[{'op':'spin','path':'/a'}]|422",
        "[{'op':'add','path':'/l/7','value':2}]|422",
        "{'a':2}|400",
        "[1]|400",
      })
  void jsonPatchFaults(String patch, int code) {
    ApiException e =
        catchThrowableOfType(
            ApiException.class, () -> JsonPatch.apply(json("{'a':1,'l':[]}"), json(patch)));
    assertThat(e.code()).isEqualTo(code);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{'a':'b'}|{'a':'c'}|{'a':'c'}",
        "{'a':{'b':1,'c':2}}|{'a':{'b':null,'d':3}}|{'a':{'c':2,'d':3}}",
        "{'a':[1]}|{'a':[2,3]}|{'a':[2,3]}",
        "{'a':1}|{'b':{'c':{'d':null}}}|{'a':1,'b':{'c':{}}}",
      })
  void mergePatch(String document, String patch, String expected) {
    assertThat(MergePatch.apply(object(document), json(patch))).isEqualTo(json(expected));
  }

  @Test
  void mergePatchesAreMadeAgainFromTheirResult() {
    JsonObject from = object("{'a':{'b':1,'c':[1]},'d':2}");
    JsonObject to = object("{'a':{'b':1,'c':[2],'x':true}}");
    JsonObject patch = MergePatch.create(from, to);
    assertThat(patch).isEqualTo(object("{'a':{'c':[2],'x':true},'d':null}"));
    assertThat(MergePatch.apply(from, patch)).isEqualTo(to);
    assertThat(
            MergePatch.createThreeWay(
                object("{'a':1,'b':1}"), object("{'a':2}"), object("{'a':1,'b':1,'c':3}")))
        .isEqualTo(object("{'b':null,'a':2}"));
  }

  private static final String PODS =
      "{'spec':{'template':{'spec':{'containers':[{'name':'a','image':'1'},{'name':'b','image':'1'}]}}}}";

  private static String containers(String list) {
    return "{'spec':{'template':{'spec':{" + list + "}}}}";
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        // by key, new items before those only the server has, as upstream
        "'containers':[{'name':'b','image':'2'},{'name':'c'}]|[{'name':'a','image':'1'},{'name':'b','image':'2'},{'name':'c'}]",
        "'containers':[{'name':'c'}]|[{'name':'c'},{'name':'a','image':'1'},{'name':'b','image':'1'}]",
        "'containers':[{'name':'a','$patch':'delete'}]|[{'name':'b','image':'1'}]",
        "'containers':[{'name':'c'},{'$patch':'replace'}]|[{'name':'c'}]",
        "'$setElementOrder/containers':[{'name':'b'},{'name':'a'}]|[{'name':'b','image':'1'},{'name':'a','image':'1'}]",
        "'$setElementOrder/containers':[{'name':'c'},{'name':'b'}],'containers':[{'name':'c'}]|[{'name':'c'},{'name':'a','image':'1'},{'name':'b','image':'1'}]",
        "'containers':[{'name':'a','image':null}]|[{'name':'a'},{'name':'b','image':'1'}]",
        "'containers':[{'name':'a','$patch':'replace','command':['x']}]|[]",
      })
  void strategicLists(String patch, String expected) {
    JsonObject result =
        StrategicMergePatch.apply(object(PODS), object(containers(patch)), TestSchemas.DEPLOYMENT);
    assertThat(result.array("spec", "template", "spec", "containers")).isEqualTo(json(expected));
  }

  @Test
  void strategicDirectives() {
    JsonObject document =
        object(
            "{'metadata':{'finalizers':['a','b','c'],'labels':{'x':'1'}},'spec':{'strategy':{'type':'RollingUpdate','rollingUpdate':{'maxSurge':'1'}}}}");
    JsonObject patched =
        StrategicMergePatch.apply(
            document,
            object(
                "{'metadata':{'$deleteFromPrimitiveList/finalizers':['b'],'finalizers':['d'],'labels':{'$patch':'replace','y':'2'}},'spec':{'strategy':{'$retainKeys':['type'],'type':'Recreate'}}}"),
            TestSchemas.DEPLOYMENT);
    assertThat(patched.strings("metadata", "finalizers")).containsExactlyInAnyOrder("a", "c", "d");
    assertThat(patched.map("metadata", "labels")).containsOnlyKeys("y");
    assertThat(patched.object("spec", "strategy")).isEqualTo(object("{'type':'Recreate'}"));
  }

  @Test
  void strategicFaultsUseUpstreamsWords() {
    assertThat(
            catchThrowableOfType(
                    ApiException.class,
                    () ->
                        StrategicMergePatch.apply(
                            object(PODS),
                            object(containers("'containers':[{'image':'2'}]")),
                            TestSchemas.DEPLOYMENT))
                .getMessage())
        .isEqualTo("map: map[image:2] does not contain declared merge key: name");
  }

  @Test
  void twoWayPatchesLeadToTheirTarget() {
    JsonObject to =
        object(
            "{'metadata':{'finalizers':['c']},'spec':{'replicas':2,'strategy':{'type':'Recreate'},'template':{'spec':{'containers':[{'name':'c'},{'name':'b','image':'2','env':[{'name':'X','value':'1'}]}],'nodeSelector':{'a':'b'}}}}}");
    JsonObject from =
        object(
            "{'metadata':{'finalizers':['a','c']},'spec':{'strategy':{'type':'RollingUpdate','rollingUpdate':{'maxSurge':'1'}},'template':{'spec':{'containers':[{'name':'a','image':'1'},{'name':'b','image':'1','env':[{'name':'Y','value':'1'}]}]}}}}");
    JsonObject patch = StrategicMergePatch.create(from, to, TestSchemas.DEPLOYMENT);
    assertThat(StrategicMergePatch.apply(from, patch, TestSchemas.DEPLOYMENT)).isEqualTo(to);
  }

  @Test
  void threeWayPatchKeepsWhatOthersAddedAndRemovesWhatWasApplied() {
    JsonObject last =
        object(
            containers(
                "'containers':[{'name':'a','image':'1','env':[{'name':'X','value':'1'}]},{'name':'b','image':'1'}]"));
    JsonObject current =
        object(
            containers(
                "'containers':[{'name':'a','image':'1','env':[{'name':'X','value':'1'}],'command':['d']},{'name':'b','image':'1'},{'name':'sidecar','image':'s'}]"));
    JsonObject modified = object(containers("'containers':[{'name':'a','image':'2'}]"));
    JsonObject patch =
        StrategicMergePatch.createThreeWay(last, modified, current, TestSchemas.DEPLOYMENT);
    assertThat(
            StrategicMergePatch.apply(current, patch, TestSchemas.DEPLOYMENT)
                .array("spec", "template", "spec", "containers"))
        .isEqualTo(
            json("[{'name':'a','image':'2','command':['d']},{'name':'sidecar','image':'s'}]"));
    assertThat(
            StrategicMergePatch.createThreeWay(
                modified, modified, modified, TestSchemas.DEPLOYMENT))
        .isEqualTo(JsonObject.EMPTY);
  }
}
