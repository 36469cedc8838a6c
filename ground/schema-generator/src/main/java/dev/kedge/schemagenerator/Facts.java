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
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Facts written by hand, in three files.
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
 *
 * <p>{@code always.txt}: fields that Go writes even when nothing is in them, under a package in
 * brackets; metadata, spec and status of kinds are such fields without being named.
 *
 * <pre>
 * [io.k8s.api.core.v1]
 * ServiceStatus: loadBalancer
 * </pre>
 *
 * <p>{@code published.txt}: the defaults that OpenAPI documents tell (nobody applies them) where
 * these are not what the artifacts mark, or else the zero value of a scalar or struct that is
 * required or always written; "none" where they tell nothing.
 *
 * <pre>
 * [io.k8s.api.core.v1]
 * NodeRuntimeHandler: name = ""
 * PodCertificateProjection: keyType signerName = none
 * </pre>
 */
final class Facts {
  private static final Pattern DEFAULT = Pattern.compile("(\\w+)\\.([\\w$]+) (\\?=|=) (\\S.*)");
  private static final Pattern DEFINE = Pattern.compile("define (\\S+)( kind)? ([A-Z].*)");
  private static final Pattern FIELD =
      Pattern.compile(
          "(\\S+) (\\d+) (\\S+)( required)?( atomic)?(?: map\\((\\w+)\\))?(?: merge\\((\\w+)\\))?"
              + " ([A-Z].*)");

  private static final Pattern ALWAYS = Pattern.compile("(\\w+): (\\w+(?: \\w+)*)");
  private static final Pattern PUBLISHED = Pattern.compile("(\\w+): (\\w+(?: \\w+)*) = (\\S.*)");
  private static final Set<String> PARTS_OF_KINDS = Set.of("metadata", "spec", "status");

  private final Map<String, Definition> definitions;

  Facts(Map<String, Definition> definitions) {
    this.definitions = definitions;
  }

  void apply(Path folder) throws IOException {
    definitions(folder.resolve("definitions.txt"));
    packaged(folder.resolve("defaults.txt"), DEFAULT, this::value);
    partsOfKinds();
    packaged(folder.resolve("always.txt"), ALWAYS, this::always);
    publishedByRule();
    packaged(folder.resolve("published.txt"), PUBLISHED, this::published);
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
          current.fields.addAll(Generator.typeMeta());
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

  /**
   * Reads lines of one form below packages in brackets; they are told with the package's prefix.
   */
  private static void packaged(Path file, Pattern form, BiConsumer<String, Matcher> fact)
      throws IOException {
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
      Matcher matcher = form.matcher(line);
      if (!matcher.matches()) {
        throw fault(file, number, "not of the form " + form);
      }
      try {
        fact.accept(prefix, matcher);
      } catch (IllegalArgumentException e) {
        throw fault(file, number, String.valueOf(e.getMessage()));
      }
    }
  }

  private void value(String prefix, Matcher matcher) {
    Field field = field(prefix + matcher.group(1), matcher.group(2));
    field.defaultJson = matcher.group(4);
    field.zeroIsAbsent = matcher.group(3).equals("?=");
  }

  private void always(String prefix, Matcher matcher) {
    for (String name : matcher.group(2).split(" ")) {
      field(prefix + matcher.group(1), name).always = true;
    }
  }

  private void partsOfKinds() {
    for (Definition definition : definitions.values()) {
      if (definition.fields.stream().anyMatch(field -> field.name.equals("kind"))) {
        definition.fields.stream()
            .filter(field -> PARTS_OF_KINDS.contains(field.name))
            .filter(field -> field.type.shape() == Shape.REFERENCE)
            .forEach(field -> field.always = true);
      }
    }
  }

  /** Upstream publishes the zero values of Go fields that are no pointers and never left out. */
  private void publishedByRule() {
    for (Definition definition : definitions.values()) {
      for (Field field : definition.fields) {
        if (field.published.isEmpty() && (field.required || field.always)) {
          field.published =
              switch (field.type.shape()) {
                case STRING -> "\"\"";
                case BOOLEAN -> "false";
                case INT32, INT64, DOUBLE -> "0";
                case REFERENCE -> isStruct(field) ? "{}" : "";
                case BYTES, LIST, MAP -> "";
              };
        }
      }
    }
  }

  private boolean isStruct(Field field) {
    Definition definition = definitions.get(field.type.reference());
    return definition != null && definition.form == Form.OBJECT;
  }

  private void published(String prefix, Matcher matcher) {
    String told = matcher.group(3).equals("none") ? "" : matcher.group(3);
    for (String name : matcher.group(2).split(" ")) {
      Field field = field(prefix + matcher.group(1), name);
      if (field.published.equals(told)) {
        throw new IllegalArgumentException(name + " needs no line: " + told + " is told anyway");
      }
      field.published = told;
    }
  }

  private Field field(String definition, String name) {
    Definition found = definitions.get(definition);
    if (found == null) {
      throw new IllegalArgumentException("no definition " + definition);
    }
    return found.fields.stream()
        .filter(candidate -> candidate.name.equals(name))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no field " + name + " of " + definition));
  }

  private static IllegalStateException fault(Path file, int line, String what) {
    return new IllegalStateException(file + ":" + line + ": " + what);
  }
}
