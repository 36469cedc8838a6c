package dev.kedge.schemagenerator;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import dev.kedge.schemagenerator.Definition.Field;
import dev.kedge.schemagenerator.Definition.Form;
import dev.kedge.schemagenerator.Definition.Shape;
import dev.kedge.schemagenerator.Definition.Type;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Writes {@code schemas.bin} and {@code descriptions.bin}.
 *
 * <p>Arguments: the folder of facts, the folder of the output. Fails, naming the line, when a fact
 * names a definition or field that is not there, so that a new Kubernetes level cannot silently
 * lose one.
 */
public final class Generator {
  /** Every file of stable messages; further ones are added when a group becomes stable. */
  private static final List<String> OUTER_CLASSES =
      List.of(
          "Meta",
          "Resource",
          "IntStr",
          "Runtime",
          "V1",
          "V1Admission",
          "V1Admissionregistration",
          "V1Apiextensions",
          "V1Apps",
          "V1Authentication",
          "V1Authorization",
          "V1Autoscaling",
          "V1Batch",
          "V1Certificates",
          "V1Coordination",
          "V1Discovery",
          "V1Events",
          "V1Flowcontrol",
          "V1Networking",
          "V1Node",
          "V1Policy",
          "V1Rbac",
          "V1Resource",
          "V1Scheduling",
          "V1Storage",
          "V2Apidiscovery",
          "V2Autoscaling");

  private static final String PACKAGE = "io.kubernetes.client.proto.";

  private static final Map<String, Form> SPECIAL =
      Map.ofEntries(
          Map.entry("io.k8s.apimachinery.pkg.api.resource.Quantity", Form.QUANTITY),
          Map.entry("io.k8s.apimachinery.pkg.util.intstr.IntOrString", Form.INT_OR_STRING),
          Map.entry("io.k8s.apimachinery.pkg.apis.meta.v1.Time", Form.TIME),
          Map.entry("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", Form.MICRO_TIME),
          Map.entry("io.k8s.apimachinery.pkg.apis.meta.v1.Duration", Form.DURATION),
          Map.entry("io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", Form.FIELDS_V1),
          Map.entry("io.k8s.apimachinery.pkg.runtime.RawExtension", Form.RAW_EXTENSION));

  private static final String APIEXTENSIONS =
      "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.";

  // What the sources do not tell of the two fields that every kind has; clients show it to users.
  private static final String CONVENTIONS =
      "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";
  private static final String API_VERSION =
      "APIVersion defines the versioned schema of this representation of an object. Servers should"
          + " convert recognized schemas to the latest internal value, and may reject unrecognized"
          + " values. More info: "
          + CONVENTIONS
          + "#resources";
  private static final String KIND =
      "Kind is a string value representing the REST resource this object represents. Servers may"
          + " infer this from the endpoint the client submits requests to. Cannot be updated. In"
          + " CamelCase. More info: "
          + CONVENTIONS
          + "#types-kinds";

  private final Comments comments = new Comments();
  private final Models models = new Models();
  private final Map<String, Definition> definitions = new LinkedHashMap<>();
  private final Map<String, List<Inline>> inlines = new LinkedHashMap<>();
  private final Map<String, Set<String>> requiredByModel = new LinkedHashMap<>();
  private final Set<String> withoutModel = new TreeSet<>();
  private final Set<String> unpublished = new TreeSet<>();

  private Generator() {}

  /** A field that stands for the fields of its own message, at the place it had among others. */
  private record Inline(int position, int number, String message) {}

  public static void main(String[] args) throws IOException, ReflectiveOperationException {
    if (args.length != 2) {
      throw new IllegalArgumentException("usage: Generator <facts folder> <output folder>");
    }
    Path facts = Path.of(args[0]);
    Path output = Path.of(args[1]);
    Path stamp = output.resolveSibling("schemas.stamp");
    String fingerprint = fingerprint(facts);
    if (Files.exists(output.resolve("schemas.bin"))
        && Files.exists(output.resolve("descriptions.bin"))
        && Files.exists(stamp)
        && Files.readString(stamp).equals(fingerprint)) {
      return;
    }
    Generator generator = new Generator();
    generator.read();
    new Facts(generator.definitions).apply(facts);
    generator.settleAtomic();
    Files.createDirectories(output);
    Files.deleteIfExists(stamp);
    new Output(List.copyOf(generator.definitions.values())).write(output);
    Files.writeString(stamp, fingerprint);
    System.out.printf(
        "schemas of %d definitions (%d bytes), descriptions %d bytes; no model class for %d,"
            + " left out as not published: %s%n",
        generator.definitions.size(),
        Files.size(output.resolve("schemas.bin")),
        Files.size(output.resolve("descriptions.bin")),
        generator.withoutModel.size(),
        generator.unpublished);
  }

  /** Changes with the facts, the artifacts on the class path and this tool's own classes. */
  private static String fingerprint(Path facts) throws IOException {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      try (var files = Files.list(facts)) {
        for (Path file : files.sorted().toList()) {
          digest.update(Files.readAllBytes(file));
        }
      }
      for (String element :
          System.getProperty("java.class.path").split(java.io.File.pathSeparator)) {
        Path path = Path.of(element);
        if (Files.isRegularFile(path)) {
          digest.update(
              (path.getFileName() + ":" + Files.size(path))
                  .getBytes(java.nio.charset.StandardCharsets.UTF_8));
        } else if (Files.isDirectory(path.resolve("dev/kedge/schemagenerator"))) {
          try (var classes = Files.list(path.resolve("dev/kedge/schemagenerator"))) {
            for (Path file : classes.sorted().toList()) {
              digest.update(Files.readAllBytes(file));
            }
          }
        }
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private void read() throws IOException, ReflectiveOperationException {
    for (String outer : OUTER_CLASSES) {
      comments.read(PACKAGE + outer);
    }
    for (String outer : OUTER_CLASSES) {
      FileDescriptor file =
          (FileDescriptor) Class.forName(PACKAGE + outer).getMethod("getDescriptor").invoke(null);
      for (Descriptor message : file.getMessageTypes()) {
        define(message);
      }
    }
    List.copyOf(inlines.keySet()).forEach(this::expand);
    // A model lists the fields of what it inlines as its own.
    requiredByModel.forEach(
        (name, required) ->
            definition(name)
                .fields
                .forEach(field -> field.required = required.contains(field.name)));
  }

  static String definitionName(String message) {
    if (!message.startsWith("k8s.io.")) {
      throw new IllegalArgumentException("message outside k8s.io: " + message);
    }
    return "io.k8s." + message.substring("k8s.io.".length()).replace('_', '-');
  }

  private void define(Descriptor message) {
    String name = definitionName(message.getFullName());
    List<String> comment = comments.ofMessage(message.getFullName());
    boolean atomic = Comments.marker(comment, "structType").filter("atomic"::equals).isPresent();
    Definition definition =
        new Definition(name, form(name, message), Comments.description(comment), atomic);
    definitions.put(name, definition);
    switch (definition.form) {
      case OBJECT -> fields(message, definition);
      case WRAPPED_LIST ->
          definition.fields.add(
              new Field("items", 1, itemType(message.findFieldByName("items")), ""));
      case ANY -> {
        if (!name.equals(APIEXTENSIONS + "JSON")) {
          definition.fields.add(
              new Field("schema", 1, Type.reference(APIEXTENSIONS + "JSONSchemaProps"), ""));
        }
      }
      case QUANTITY, INT_OR_STRING, TIME, MICRO_TIME, DURATION, FIELDS_V1, RAW_EXTENSION -> {}
    }
  }

  private static Form form(String name, Descriptor message) {
    Form special = SPECIAL.get(name);
    if (special != null) {
      return special;
    }
    if (name.equals(APIEXTENSIONS + "JSON")
        || name.startsWith(APIEXTENSIONS + "JSONSchemaPropsOr")) {
      return Form.ANY;
    }
    boolean wrapper =
        message.getFields().size() == 1
            && message.getFields().getFirst().getName().equals("items")
            && message.getFields().getFirst().isRepeated()
            && message.getFields().getFirst().getType() == FieldDescriptor.Type.STRING;
    return wrapper ? Form.WRAPPED_LIST : Form.OBJECT;
  }

  private void fields(Descriptor message, Definition definition) {
    Models.Model model =
        models.find(
            message.getFullName(),
            message.getFields().stream().map(FieldDescriptor::getName).toList());
    if (model == null) {
      withoutModel.add(definition.name);
    } else {
      requiredByModel.put(definition.name, model.required());
    }
    if (model == null
        ? assumeTypeMeta(message)
        : model.fields().contains("apiVersion")
            && model.fields().contains("kind")
            && message.findFieldByName("kind") == null) {
      definition.fields.addAll(typeMeta());
    }
    for (FieldDescriptor field : message.getFields()) {
      if (field.getNumber() >= 1 << 10) {
        throw new IllegalStateException(
            "field number of " + field.getFullName() + " needs more than 10 bits");
      }
      String jsonName = model == null ? field.getName() : model.jsonName(field.getName());
      if (jsonName.isEmpty()
          && !field.isRepeated()
          && field.getJavaType() == FieldDescriptor.JavaType.MESSAGE) {
        inlines
            .computeIfAbsent(definition.name, _ -> new ArrayList<>())
            .add(
                new Inline(
                    definition.fields.size(),
                    field.getNumber(),
                    definitionName(field.getMessageType().getFullName())));
        continue;
      }
      if (jsonName.isEmpty()) {
        // The messages may be a little younger than the models, which are of the published level.
        unpublished.add(definition.name + "." + field.getName());
        continue;
      }
      List<String> comment = comments.ofField(message.getFullName(), field.getNumber());
      Field made =
          new Field(jsonName, field.getNumber(), type(field), Comments.description(comment));
      mark(made, comment);
      definition.fields.add(made);
    }
  }

  /** The two fields that every kind has. */
  static List<Field> typeMeta() {
    return List.of(
        new Field("apiVersion", 0, Type.of(Shape.STRING), API_VERSION),
        new Field("kind", 0, Type.of(Shape.STRING), KIND));
  }

  /** Kinds and options that are not published as models but carry kind and apiVersion in JSON. */
  private static boolean assumeTypeMeta(Descriptor message) {
    FieldDescriptor metadata = message.findFieldByName("metadata");
    return metadata != null
        || message.getName().endsWith("Options")
        || message.getName().equals("AdmissionReview")
        || message.getName().equals("SerializedReference");
  }

  private static void mark(Field field, List<String> comment) {
    field.listType = Comments.marker(comment, "listType").orElse("");
    field.listMapKeys = Comments.markers(comment, "listMapKey");
    field.atomic =
        Comments.marker(comment, "mapType").filter("atomic"::equals).isPresent()
            || Comments.marker(comment, "structType").filter("atomic"::equals).isPresent();
    field.patchStrategy =
        Comments.marker(comment, "patchStrategy")
            .map(text -> List.of(text.split(",")))
            .orElse(List.of());
    field.patchMergeKey = Comments.marker(comment, "patchMergeKey").orElse("");
    String value = Comments.marker(comment, "default").orElse("");
    if (!value.isEmpty() && !value.startsWith("ref(")) {
      field.defaultJson = value;
      field.published = value;
    }
  }

  private static Type type(FieldDescriptor field) {
    if (field.isMapField()) {
      return Type.map(itemType(field.getMessageType().findFieldByName("value")));
    }
    return field.isRepeated() ? Type.list(itemType(field)) : itemType(field);
  }

  private static Type itemType(FieldDescriptor field) {
    return switch (field.getType()) {
      case STRING -> Type.of(Shape.STRING);
      case BOOL -> Type.of(Shape.BOOLEAN);
      case INT32, UINT32 -> Type.of(Shape.INT32);
      case INT64, UINT64 -> Type.of(Shape.INT64);
      case DOUBLE, FLOAT -> Type.of(Shape.DOUBLE);
      case BYTES -> Type.of(Shape.BYTES);
      case MESSAGE -> Type.reference(definitionName(field.getMessageType().getFullName()));
      case GROUP, ENUM, FIXED32, FIXED64, SFIXED32, SFIXED64, SINT32, SINT64 ->
          throw new IllegalStateException(
              "no JSON form known for " + field.getFullName() + ": " + field.getType());
    };
  }

  /** Puts the fields of inlined messages in the place of the fields that hold them. */
  private void expand(String name) {
    List<Inline> waiting = inlines.remove(name);
    if (waiting == null) {
      return;
    }
    Definition definition = definition(name);
    for (Inline inline : waiting.reversed()) {
      expand(inline.message);
      List<Field> fields =
          definition(inline.message).fields.stream()
              .map(field -> field.inlined(inline.number))
              .toList();
      definition.fields.addAll(inline.position, fields);
    }
  }

  private Definition definition(String name) {
    Definition definition = definitions.get(name);
    if (definition == null) {
      throw new IllegalStateException("no definition " + name);
    }
    return definition;
  }

  /** A field without a marker of its own is atomic when the struct it holds is. */
  private void settleAtomic() {
    for (Definition definition : definitions.values()) {
      for (Field field : definition.fields) {
        if (field.type.shape() == Shape.REFERENCE) {
          field.atomic |= definition(field.type.reference()).atomic;
        }
      }
    }
  }

  /** The spelling of names under which model classes and messages are compared. */
  static String comparable(String name) {
    return name.replaceAll("[^A-Za-z0-9]", "").toLowerCase(Locale.ROOT);
  }
}
