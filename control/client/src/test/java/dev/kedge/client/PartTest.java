package dev.kedge.client;

import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.client.KubeClient.Part;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PartTest {
  private static final byte[] OBJECT =
      """
      {"kind":"K","apiVersion":"v1","metadata":{"name":"n","uid":"u","labels":{"a":"b"},\
      "managedFields":[{"manager":"m"}],"ownerReferences":[{"uid":"o"}]},\
      "managedFields":1,"spec":{"managedFields":2}}\
      """
          .getBytes(StandardCharsets.UTF_8);

  /** Whether it is read from text or taken from a tree, a part is the same. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          WHOLE                  | {"kind":"K","apiVersion":"v1","metadata":{"name":"n","uid":"u","labels":{"a":"b"},"managedFields":[{"manager":"m"}],"ownerReferences":[{"uid":"o"}]},"managedFields":1,"spec":{"managedFields":2}}
          WITHOUT_MANAGED_FIELDS | {"kind":"K","apiVersion":"v1","metadata":{"name":"n","uid":"u","labels":{"a":"b"},"ownerReferences":[{"uid":"o"}]},"managedFields":1,"spec":{"managedFields":2}}
          OWNERSHIP              | {"kind":"K","apiVersion":"v1","metadata":{"name":"n","uid":"u","ownerReferences":[{"uid":"o"}]}}
          """)
  void partsLeaveOutWhatNobodyNeeds(Part part, String expected) {
    JsonObject whole = Json.parseObject(OBJECT);
    assertThat(Json.write(Json.parseObject(OBJECT, part))).isEqualTo(expected);
    assertThat(Json.write(part.of(whole))).isEqualTo(expected);
  }
}
