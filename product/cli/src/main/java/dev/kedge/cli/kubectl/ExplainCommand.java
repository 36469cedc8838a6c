package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.model.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** {@code explain}, from the server's OpenAPI v3 document of the group and version. */
final class ExplainCommand {
  private static final int WIDTH = 80;

  private final JsonObject schemas;
  private final StringBuilder out = new StringBuilder();

  private ExplainCommand(JsonObject schemas) {
    this.schemas = schemas;
  }

  static int run(Session session) {
    if (session.words().size() != 1) {
      throw new UsageException(
          "You must specify the type of resource to explain. Use \"kubectl api-resources\" for a"
              + " complete list of supported resources.");
    }
    List<String> path = new ArrayList<>(List.of(session.words().getFirst().split("\\.")));
    Served served = session.discovery().find(path.removeFirst());
    String apiVersion = session.arguments().text("api-version");
    if (!apiVersion.isEmpty()) {
      served =
          session
              .discovery()
              .ofKind(apiVersion, served.type().kind())
              .orElseThrow(
                  () -> new UsageException("couldn't find resource for \"" + apiVersion + "\""));
    }
    String group = served.type().group();
    String version = served.type().version();
    String document = group.isEmpty() ? "api/" + version : "apis/" + group + "/" + version;
    JsonObject openApi = session.transport().get("/openapi/v3/" + document);
    ExplainCommand explain = new ExplainCommand(openApi.object("components", "schemas"));
    session.out().print(explain.of(served, path, session.arguments().on("recursive")));
    return 0;
  }

  private String of(Served served, List<String> path, boolean recursive) {
    JsonObject schema = JsonObject.EMPTY;
    for (String name : schemas.names()) {
      boolean fits =
          schemas.object(name).objects("x-kubernetes-group-version-kind").stream()
              .anyMatch(
                  k ->
                      k.text("group").equals(served.type().group())
                          && k.text("version").equals(served.type().version())
                          && k.text("kind").equals(served.type().kind()));
      if (fits) {
        schema = schemas.object(name);
        break;
      }
    }
    if (schema.isEmpty()) {
      throw new UsageException(
          "no documentation for " + served.type().kind() + " in " + served.type().apiVersion());
    }
    if (!served.type().group().isEmpty()) {
      out.append("GROUP:      ").append(served.type().group()).append('\n');
    }
    out.append("KIND:       ")
        .append(served.type().kind())
        .append("\nVERSION:    ")
        .append(served.type().version())
        .append("\n\n");
    String description = schema.text("description");
    JsonObject field = schema;
    for (int i = 0; i < path.size(); i++) {
      JsonObject owner = resolved(field);
      JsonObject next = owner.object("properties", path.get(i));
      if (next.isEmpty()) {
        throw new UsageException("field \"" + path.get(i) + "\" does not exist");
      }
      if (i == path.size() - 1) {
        out.append("FIELD: ").append(path.get(i)).append(" <").append(type(next)).append(">\n");
        List<String> values = values(next);
        if (!values.isEmpty()) {
          out.append("ENUM:");
          values.forEach(value -> out.append("\n    ").append(value));
        }
        out.append("\n\n");
      }
      description = next.text("description");
      field = next;
    }
    out.append("DESCRIPTION:\n");
    JsonObject resolved = resolved(field);
    if (!path.isEmpty()
        && !resolved.text("description").isEmpty()
        && !resolved.text("description").equals(description)) {
      description =
          description + (description.isEmpty() ? "" : "\n") + resolved.text("description");
    }
    wrapped(description.isEmpty() ? "<empty>" : description, "    ");
    out.append("    \n");
    if (!resolved.object("properties").isEmpty()) {
      out.append("FIELDS:\n");
      fields(resolved, "  ", recursive, new ArrayList<>());
    }
    return out.append("\n").toString();
  }

  private void fields(JsonObject schema, String indent, boolean recursive, List<String> above) {
    List<String> required = schema.strings("required");
    schema.object("properties").names().stream()
        .sorted()
        .forEach(
            name -> {
              JsonObject field = schema.object("properties", name);
              out.append(indent)
                  .append(name)
                  .append("\t<")
                  .append(type(field))
                  .append(">")
                  .append(required.contains(name) ? " -required-" : "")
                  .append("\n");
              List<String> values = values(field);
              if (!values.isEmpty()) {
                out.append(indent)
                    .append("enum: ")
                    .append(String.join(", ", values.size() > 4 ? values.subList(0, 4) : values))
                    .append(values.size() > 4 ? ", ...." : "")
                    .append("\n");
              }
              if (recursive) {
                String reference = innermost(field);
                if (reference.isEmpty() || !above.contains(reference)) {
                  above.addLast(reference);
                  fields(resolved(field), indent + "  ", true, above);
                  above.removeLast();
                }
                return;
              }
              wrapped(
                  field.text("description").isEmpty()
                      ? "<no description>"
                      : field.text("description"),
                  indent + "  ");
              out.append("\n");
            });
  }

  private static List<String> values(JsonObject field) {
    return field.array("enum").items().stream()
        .map(Output::cell)
        .map(value -> value.isEmpty() ? "\"\"" : value)
        .toList();
  }

  private static String reference(JsonObject field) {
    String reference = field.text("$ref");
    if (reference.isEmpty()) {
      reference =
          field.objects("allOf").stream()
              .map(o -> o.text("$ref"))
              .filter(r -> !r.isEmpty())
              .findFirst()
              .orElse("");
    }
    return reference.substring(reference.lastIndexOf('/') + 1);
  }

  /** The definition behind lists and maps, empty for inline schemas. */
  private static String innermost(JsonObject field) {
    if (field.has("items")) {
      return innermost(field.object("items"));
    }
    return field.object("additionalProperties").isEmpty()
        ? reference(field)
        : innermost(field.object("additionalProperties"));
  }

  /** The object behind references, lists and maps. */
  private JsonObject resolved(JsonObject field) {
    String reference = reference(field);
    if (!reference.isEmpty()) {
      return schemas.object(reference);
    }
    if (field.has("items")) {
      return resolved(field.object("items"));
    }
    if (!field.object("additionalProperties").isEmpty() && field.object("properties").isEmpty()) {
      return resolved(field.object("additionalProperties"));
    }
    return field;
  }

  private String type(JsonObject field) {
    String reference = reference(field);
    if (!reference.isEmpty()) {
      JsonObject target = schemas.object(reference);
      String type = target.text("type");
      return type.isEmpty() || type.equals("object")
          ? reference.substring(reference.lastIndexOf('.') + 1)
          : type;
    }
    return switch (field.text("type")) {
      case "array" -> "[]" + type(field.object("items"));
      case "object" ->
          field.object("additionalProperties").isEmpty()
              ? "Object"
              : "map[string]" + type(field.object("additionalProperties"));
      case "" -> "Object";
      default -> field.text("type").toLowerCase(Locale.ROOT);
    };
  }

  private void wrapped(String text, String indent) {
    for (String paragraph : text.split("\n", -1)) {
      StringBuilder line = new StringBuilder(indent);
      for (String word : paragraph.split(" ")) {
        if (line.length() > indent.length() && line.length() + 1 + word.length() > WIDTH) {
          out.append(line).append('\n');
          line = new StringBuilder(indent);
        }
        line.append(line.length() > indent.length() ? " " : "").append(word);
      }
      out.append(line).append('\n');
    }
  }
}
