package dev.kedge.schemagenerator;

import dev.kedge.schemagenerator.Definition.Field;
import dev.kedge.schemagenerator.Definition.Form;
import dev.kedge.schemagenerator.Definition.Shape;
import dev.kedge.schemagenerator.Definition.Type;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Facts written by hand, in two files.
 *
 * <p>{@code definitions.txt}: definitions that the artifacts lack.
 *
 * <pre>
 * define io.k8s.some.Type [kind] Text that describes it.
 *   name 3 list:Reference required map(type) merge(type) Text that describes the field.
 * </pre>
 *
 * <p>{@code defaults.txt}: the value of a field that is absent, under a package in brackets. With
 * {@code ?=} the Go field is no pointer, so that its zero value counts as absent, too.
 *
 * <pre>
 * [io.k8s.api.core.v1]
 * PodSpec.terminationGracePeriodSeconds = 30
 * PodSpec.restartPolicy ?= "Always"
 * </pre>
 */
final class Facts {
  private static final Pattern DEFAULT = Pattern.compile("(\\w+)\\.([\\w$]+) (\\?=|=) (\\S.*)");
  private static final Pattern DEFINE = Pattern.compile("define (\\S+)( kind)? ([A-Z].*)");
  private static final Pattern FIELD =
      Pattern.compile(
          "(\\S+) (\\d+) (\\S+)( required)?( atomic)?(?: map\\((\\w+)\\))?(?: merge\\((\\w+)\\))?"
              + " ([A-Z].*)");

  private final Map<String, Definition> definitions;

  Facts(Map<String, Definition> definitions) {
    this.definitions = definitions;
  }

  void apply(Path folder) throws IOException {
    definitions(folder.resolve("definitions.txt"));
    defaults(folder.resolve("defaults.txt"));
  }

  private void definitions(Path file) throws IOException {
    Definition current = null;
    int number = 0;
    for (String raw : Files.readAllLines(file)) {
      number++;
      String line = raw.strip();
      if (line.isEmpty() || line.startsWith("#")) {
        continue;
      }
      Matcher define = DEFINE.matcher(line);
      Matcher field = FIELD.matcher(line);
      if (define.matches()) {
        current = new Definition(define.group(1), Form.OBJECT, define.group(3), false);
        definitions.put(current.name, current);
        if (define.group(2) != null) {
          current.fields.add(
              new Field("apiVersion", 0, Type.of(Shape.STRING), "Group and version."));
          current.fields.add(new Field("kind", 0, Type.of(Shape.STRING), "Kind."));
        }
      } else if (field.matches() && current != null) {
        Field made =
            new Field(
                field.group(1),
                Integer.parseInt(field.group(2)),
                type(field.group(3)),
                field.group(8));
        made.required = field.group(4) != null;
        if (field.group(5) != null) {
          made.listType = "atomic";
        }
        if (field.group(6) != null) {
          made.listType = "map";
          made.listMapKeys = List.of(field.group(6));
        }
        if (field.group(7) != null) {
          made.patchStrategy = List.of("merge");
          made.patchMergeKey = field.group(7);
        }
        current.fields.add(made);
      } else {
        throw fault(file, number, "neither a definition nor a field of one");
      }
    }
  }

  private static Type type(String text) {
    int colon = text.indexOf(':');
    String head = colon < 0 ? text : text.substring(0, colon);
    String rest = colon < 0 ? "" : text.substring(colon + 1);
    return switch (head) {
      case "string" -> Type.of(Shape.STRING);
      case "bool" -> Type.of(Shape.BOOLEAN);
      case "int32" -> Type.of(Shape.INT32);
      case "int64" -> Type.of(Shape.INT64);
      case "bytes" -> Type.of(Shape.BYTES);
      case "list" -> Type.list(type(rest));
      case "map" -> Type.map(type(rest));
      default -> Type.reference(text);
    };
  }

  private void defaults(Path file) throws IOException {
    String prefix = "";
    int number = 0;
    for (String raw : Files.readAllLines(file)) {
      number++;
      String line = raw.strip();
      if (line.isEmpty() || line.startsWith("#")) {
        continue;
      }
      if (line.startsWith("[") && line.endsWith("]")) {
        prefix = line.substring(1, line.length() - 1) + ".";
        continue;
      }
      Matcher matcher = DEFAULT.matcher(line);
      if (!matcher.matches()) {
        throw fault(file, number, "not of the form Definition.field = value");
      }
      Definition definition = definitions.get(prefix + matcher.group(1));
      if (definition == null) {
        throw fault(file, number, "no definition " + prefix + matcher.group(1));
      }
      Field field =
          definition.fields.stream()
              .filter(candidate -> candidate.name.equals(matcher.group(2)))
              .findFirst()
              .orElseThrow(() -> new IllegalStateException(file + ": no field " + matcher.group()));
      field.defaultJson = matcher.group(4);
      field.zeroIsAbsent = matcher.group(3).equals("?=");
    }
  }

  private static IllegalStateException fault(Path file, int line, String what) {
    return new IllegalStateException(file + ":" + line + ": " + what);
  }
}
