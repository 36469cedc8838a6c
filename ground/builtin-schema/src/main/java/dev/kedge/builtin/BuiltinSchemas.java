package dev.kedge.builtin;

import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.Json;
import dev.kedge.model.JsonBoolean;
import dev.kedge.model.JsonInteger;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Schema;
import dev.kedge.model.Schema.Field;
import dev.kedge.model.Schema.ListType;
import dev.kedge.model.Schema.Rules;
import dev.kedge.model.Schema.Treatment;
import dev.kedge.model.Schema.Type;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Supplier;

/**
 * The schemas of all stable built-in kinds of Kubernetes 1.36, read from a generated resource.
 *
 * <p>The index is read on first use; a definition is made when it is first asked for, and its
 * fields' schemas when they are. Any thread.
 */
public final class BuiltinSchemas {
  private static final Type[] FORMS = {
    Type.OBJECT,
    Type.LIST,
    Type.QUANTITY,
    Type.INT_OR_STRING,
    Type.TIME,
    Type.MICRO_TIME,
    Type.DURATION,
    Type.FIELDS_V1,
    Type.RAW_EXTENSION,
    Type.ANY
  };
  private static final int SHAPE_REFERENCE = 6;
  private static final int SHAPE_LIST = 7;
  private static final int SHAPE_MAP = 8;
  private static final Schema[] SCALARS = {
    scalar(Type.STRING, ""),
    scalar(Type.BOOLEAN, ""),
    scalar(Type.INTEGER, "int32"),
    scalar(Type.INTEGER, "int64"),
    scalar(Type.NUMBER, "double"),
    scalar(Type.BYTES, "byte")
  };

  private static final int REQUIRED = 1;
  private static final int DEFAULT = 2;
  private static final int ZERO_IS_ABSENT = 4;
  private static final int ATOMIC = 8;
  private static final int LIST_TYPE = 16;
  private static final int PATCH = 32;
  private static final int ALWAYS = 64;

  /** Loaded with the first use of the outer class's methods, not with the class. */
  private static final class Holder {
    static final BuiltinSchemas INSTANCE = new BuiltinSchemas();
  }

  private final byte[] bytes;
  private final String[] strings;
  private final String[] names;
  private final int[] offsets;
  private final Map<String, Integer> indexes;
  private final AtomicReferenceArray<Schema> schemas;

  private BuiltinSchemas() {
    bytes = Input.resource("schemas.bin", "KSCH1");
    Input in = new Input(bytes, 5);
    strings = new String[in.number()];
    for (int i = 0; i < strings.length; i++) {
      strings[i] = in.text();
    }
    names = new String[in.number()];
    offsets = new int[names.length];
    indexes = HashMap.newHashMap(names.length);
    int offset = 0;
    for (int i = 0; i < names.length; i++) {
      names[i] = strings[in.number()];
      indexes.put(names[i], i);
      offsets[i] = offset;
      offset += in.number();
    }
    for (int i = 0; i < offsets.length; i++) {
      offsets[i] += in.position();
    }
    schemas = new AtomicReferenceArray<>(names.length);
  }

  /**
   * The schema of a definition.
   *
   * @param name such as {@code io.k8s.api.core.v1.PodSpec}
   * @throws IllegalArgumentException if there is none of this name
   */
  public static Schema definition(String name) {
    Integer index = Holder.INSTANCE.indexes.get(name);
    if (index == null) {
      throw new IllegalArgumentException("no built-in definition " + name);
    }
    return Holder.INSTANCE.schema(index);
  }

  /** Whether there is a definition of this name. */
  public static boolean has(String name) {
    return Holder.INSTANCE.indexes.containsKey(name);
  }

  /** The names of all definitions, in no order that means anything. */
  public static Set<String> names() {
    return Collections.unmodifiableSet(Holder.INSTANCE.indexes.keySet());
  }

  /**
   * The schema of a built-in kind, lists and option kinds included.
   *
   * @throws IllegalArgumentException if the kind is not built in
   */
  public static Schema ofKind(GroupVersionKind kind) {
    return find(kind).orElseThrow(() -> new IllegalArgumentException("no built-in kind " + kind));
  }

  /** The schema of a built-in kind; empty where it is not built in. */
  public static Optional<Schema> find(GroupVersionKind kind) {
    String name = definitionName(kind);
    if (has(name)) {
      return Optional.of(definition(name));
    }
    String meta = "io.k8s.apimachinery.pkg.apis.meta." + kind.version() + "." + kind.kind();
    return kind.group().isEmpty() && has(meta) ? Optional.of(definition(meta)) : Optional.empty();
  }

  /** The name a kind's definition has by upstream's rules, whether or not it is built in. */
  public static String definitionName(GroupVersionKind kind) {
    return packageName(kind.group()) + kind.version() + "." + kind.kind();
  }

  private static String packageName(String group) {
    return switch (group) {
      case "" -> "io.k8s.api.core.";
      case "apiextensions.k8s.io" -> "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.";
      case "apiregistration.k8s.io" -> "io.k8s.kube-aggregator.pkg.apis.apiregistration.";
      case "flowcontrol.apiserver.k8s.io" -> "io.k8s.api.flowcontrol.";
      case "rbac.authorization.k8s.io" -> "io.k8s.api.rbac.";
      // All of a custom group stays in the name: apps.example.com is not apps.
      default ->
          "io.k8s.api."
              + (group.endsWith(".k8s.io") ? group.substring(0, group.length() - 7) : group)
              + ".";
    };
  }

  /** Position of a definition in both resources, -1 where there is none. */
  static int index(String name) {
    return Holder.INSTANCE.indexes.getOrDefault(name, -1);
  }

  private Schema schema(int index) {
    Schema known = schemas.get(index);
    if (known != null) {
      return known;
    }
    Schema made = read(names[index], new Input(bytes, offsets[index]));
    Schema first = schemas.compareAndExchange(index, null, made);
    return first == null ? made : first;
  }

  private Schema read(String name, Input in) {
    Type type = FORMS[in.number()];
    boolean atomic = in.number() == 1;
    int count = in.number();
    Treatment treatment =
        atomic ? new Treatment(ListType.ATOMIC, List.of(), true, Set.of(), "") : Treatment.DEFAULT;
    Map<String, Field> fields = LinkedHashMap.newLinkedHashMap(count);
    for (int i = 0; i < count; i++) {
      Field field = field(in);
      fields.put(field.name(), field);
    }
    if (type == Type.OBJECT) {
      return new Schema(name, type, "", fields, Optional.empty(), treatment, Rules.NONE);
    }
    // The wrapped list's items, and the schema that stands beside any value, came as a field.
    Optional<Supplier<Schema>> items = fields.values().stream().findFirst().map(Field::schema);
    return new Schema(name, type, "", Map.of(), items, treatment, rules(type));
  }

  private static Rules rules(Type type) {
    String format =
        switch (type) {
          case TIME, MICRO_TIME -> "date-time";
          case INT_OR_STRING -> "int-or-string";
          default -> "";
        };
    return type == Type.ANY || type == Type.RAW_EXTENSION || type == Type.FIELDS_V1
        ? new Rules(false, true, false, format, List.of(), JsonObject.EMPTY)
        : new Rules(false, false, false, format, List.of(), JsonObject.EMPTY);
  }

  private Field field(Input in) {
    String name = strings[in.number()];
    int number = in.number();
    int typeAt = in.position();
    skipType(in);
    int flags = in.number();
    Optional<JsonValue> defaultValue =
        (flags & DEFAULT) != 0 ? Optional.of(Json.parse(strings[in.number()])) : Optional.empty();
    ListType listType = ListType.ATOMIC;
    List<String> keys = List.of();
    if ((flags & LIST_TYPE) != 0) {
      listType = ListType.values()[in.number()];
      String[] read = new String[in.number()];
      for (int i = 0; i < read.length; i++) {
        read[i] = strings[in.number()];
      }
      keys = List.of(read);
    }
    Set<String> strategy = Set.of();
    String mergeKey = "";
    if ((flags & PATCH) != 0) {
      String text = strings[in.number()];
      strategy = text.isEmpty() ? Set.of() : Set.of(text.split(","));
      mergeKey = strings[in.number()];
    }
    boolean atomic = (flags & ATOMIC) != 0;
    Treatment treatment =
        listType == ListType.ATOMIC && !atomic && (flags & PATCH) == 0
            ? Treatment.DEFAULT
            : new Treatment(listType, keys, atomic, strategy, mergeKey);
    boolean always = (flags & ALWAYS) != 0;
    if (always && defaultValue.isEmpty()) {
      defaultValue = Optional.of(zero(new Input(bytes, typeAt)));
    }
    return new Field(
        name,
        number,
        type(new Input(bytes, typeAt), treatment),
        "",
        (flags & REQUIRED) != 0,
        defaultValue,
        treatment,
        (flags & ZERO_IS_ABSENT) != 0,
        always);
  }

  /** What Go writes of a field that nothing was put into. */
  private JsonValue zero(Input in) {
    int shape = in.number();
    if (shape == SHAPE_LIST || shape == SHAPE_MAP) {
      return JsonNull.NULL;
    }
    Type type =
        shape == SHAPE_REFERENCE
            ? FORMS[new Input(bytes, offsets[in.number()]).number()]
            : SCALARS[shape].type();
    return switch (type) {
      case OBJECT -> JsonObject.EMPTY;
      case STRING -> JsonString.EMPTY;
      case BOOLEAN -> JsonBoolean.FALSE;
      case INTEGER, NUMBER, INT_OR_STRING -> new JsonInteger(0);
      case QUANTITY -> new JsonString("0");
      case LIST, MAP, BYTES, TIME, MICRO_TIME, DURATION, FIELDS_V1, RAW_EXTENSION, ANY ->
          JsonNull.NULL;
    };
  }

  private static void skipType(Input in) {
    int shape = in.number();
    if (shape == SHAPE_REFERENCE) {
      in.number();
    } else if (shape == SHAPE_LIST || shape == SHAPE_MAP) {
      skipType(in);
    }
  }

  private Supplier<Schema> type(Input in, Treatment treatment) {
    int shape = in.number();
    return switch (shape) {
      case SHAPE_REFERENCE -> {
        int index = in.number();
        yield () -> schema(index);
      }
      case SHAPE_LIST, SHAPE_MAP -> {
        Schema made =
            new Schema(
                "",
                shape == SHAPE_LIST ? Type.LIST : Type.MAP,
                "",
                Map.of(),
                Optional.of(type(in, Treatment.DEFAULT)),
                treatment,
                Rules.NONE);
        yield () -> made;
      }
      default -> {
        Schema scalar = SCALARS[shape];
        yield () -> scalar;
      }
    };
  }

  private static Schema scalar(Type type, String format) {
    return new Schema(
        "",
        type,
        "",
        Map.of(),
        Optional.empty(),
        Treatment.DEFAULT,
        new Rules(false, false, false, format, List.of(), JsonObject.EMPTY));
  }
}
