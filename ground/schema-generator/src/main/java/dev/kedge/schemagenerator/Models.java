package dev.kedge.schemagenerator;

import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What the model classes of {@code client-java-api} tell: JSON names and required fields. */
final class Models {
  private static final String PACKAGE = "io.kubernetes.client.openapi.models.";

  /**
   * A published model.
   *
   * @param fields JSON names
   * @param required JSON names of fields the published schema requires
   */
  record Model(Set<String> fields, Set<String> required) {
    /** The JSON name of a message's field; empty when the model has no such field. */
    String jsonName(String field) {
      if (fields.contains(field)) {
        return field;
      }
      String wanted = Generator.comparable(field);
      return fields.stream()
          .filter(name -> Generator.comparable(name).equals(wanted))
          .findFirst()
          .orElse("");
    }
  }

  /**
   * The model of a message, found by its name and checked by its fields; null when it is not
   * published.
   */
  @Nullable Model find(String message, List<String> fields) {
    String[] parts = message.split("\\.");
    String simple = parts[parts.length - 1];
    String version = capitalised(parts[parts.length - 2]);
    String group = capitalised(parts[parts.length - 3]);
    for (String name : List.of(group + version + simple, version + simple)) {
      Model model = load(name);
      if (model != null) {
        long known = fields.stream().filter(field -> !model.jsonName(field).isEmpty()).count();
        // The name alone may hit another group's type; inlined messages are the fields that differ.
        if (fields.isEmpty() || known * 2 >= fields.size() || known + 1 >= fields.size()) {
          return model;
        }
      }
    }
    return null;
  }

  @SuppressWarnings("unchecked")
  private static @Nullable Model load(String name) {
    try {
      Class<?> type = Class.forName(PACKAGE + name);
      return new Model(
          (Set<String>) type.getField("openapiFields").get(null),
          (Set<String>) type.getField("openapiRequiredFields").get(null));
    } catch (ClassNotFoundException e) {
      return null;
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("model " + name + " has another shape than expected", e);
    }
  }

  private static String capitalised(String text) {
    return text.substring(0, 1).toUpperCase(Locale.ROOT) + text.substring(1);
  }
}
