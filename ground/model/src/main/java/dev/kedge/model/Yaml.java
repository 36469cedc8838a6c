package dev.kedge.model;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.snakeyaml.engine.v2.api.ConstructNode;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.composer.Composer;
import org.snakeyaml.engine.v2.events.Event;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.nodes.AnchorNode;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.NodeTuple;
import org.snakeyaml.engine.v2.nodes.ScalarNode;
import org.snakeyaml.engine.v2.nodes.SequenceNode;
import org.snakeyaml.engine.v2.nodes.Tag;
import org.snakeyaml.engine.v2.parser.Parser;
import org.snakeyaml.engine.v2.parser.ParserImpl;
import org.snakeyaml.engine.v2.resolver.ScalarResolver;
import org.snakeyaml.engine.v2.scanner.StreamReader;
import org.snakeyaml.engine.v2.schema.Schema;

/**
 * Reads and writes YAML as Kubernetes' tools do (sigs.k8s.io/yaml over goyaml v2): {@code yes},
 * {@code no}, {@code on}, {@code off} are booleans, {@code 0644} is octal, keys become strings.
 * Stateless; any thread.
 */
public final class Yaml {
  /** Characters that aliases may add to one document before it counts as a bomb. */
  private static final long MAX_ALIASED_CHARACTERS = 16L << 20;

  /** Goyaml's: up to the first number of nodes nearly all may come from aliases, ... */
  private static final int MANY_NODES = 400_000;

  /** ... from the second on a tenth. */
  private static final int MOST_NODES = 4_000_000;

  /** Characters read again, at most, because of tabs that the library does not take for spaces. */
  private static final int MAX_REREAD = 32 << 20;

  private static final String TAB_FOUND = "found character '\\t(TAB)'";
  private static final Pattern INDENTATION = Pattern.compile("[ \t?:-]*");

  /** Tag of plain scalars without a tag of their own, which {@link #plain} decides about. */
  private static final Tag PLAIN = new Tag("tag:kedge.dev,2026:plain");

  private static final Pattern FLOAT =
      Pattern.compile("[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?");
  private static final Pattern INTEGER =
      Pattern.compile("[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]*|[1-9][0-9]*)");

  private static final Set<String> TRUE =
      Set.of("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON");
  private static final Set<String> FALSE =
      Set.of("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF");
  private static final Set<String> NULL = Set.of("", "~", "null", "Null", "NULL");
  private static final Set<String> NOT_A_NUMBER =
      Set.of(
          ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf",
          "-.Inf", "-.INF");

  private Yaml() {}

  /**
   * Reads the only document of a text; JSON is read too. An empty text is null.
   *
   * @throws JsonSyntaxException with the place of the fault
   */
  public static JsonValue parse(byte[] text) {
    return parse(text, new LinkedHashSet<>());
  }

  /** As {@link #parse(byte[])}. */
  public static JsonValue parse(String text) {
    return parse(text.getBytes(StandardCharsets.UTF_8));
  }

  /**
   * Reads the only document of a text and reports names that stand twice in one mapping; the last
   * one counts.
   *
   * @param duplicates receives a sentence for each repeated key, such as {@code line 9: key "foo"
   *     already set in map}
   * @throws JsonSyntaxException with the place of the fault; also for a second document
   */
  public static JsonValue parse(byte[] text, Set<String> duplicates) {
    if (looksLikeJson(text)) {
      try {
        Set<String> paths = new LinkedHashSet<>();
        JsonValue value = Json.parse(text, paths);
        if (paths.isEmpty()) {
          return value;
        }
      } catch (JsonSyntaxException _) {
        // Flow-style YAML begins like JSON; if it is none either, YAML's message says where.
      }
    }
    List<JsonValue> documents = documents(text, duplicates, true);
    return documents.isEmpty() ? JsonNull.NULL : documents.getFirst();
  }

  /**
   * Reads all documents of a text; empty ones are left out.
   *
   * @throws JsonSyntaxException with the place of the fault
   */
  public static List<JsonValue> parseAll(byte[] text) {
    if (looksLikeJson(text)) {
      try {
        return List.of(Json.parse(text));
      } catch (JsonSyntaxException _) {
        return documents(text, new LinkedHashSet<>(), false);
      }
    }
    return documents(text, new LinkedHashSet<>(), false);
  }

  /** As {@link #parseAll(byte[])}. */
  public static List<JsonValue> parseAll(String text) {
    return parseAll(text.getBytes(StandardCharsets.UTF_8));
  }

  private static boolean looksLikeJson(byte[] text) {
    for (byte b : text) {
      if (b != ' ' && b != '\n' && b != '\r' && b != '\t') {
        return b == '{' || b == '[';
      }
    }
    return false;
  }

  private static List<JsonValue> documents(byte[] text, Set<String> duplicates, boolean one) {
    String characters = new String(text, StandardCharsets.UTF_8);
    int rereads = MAX_REREAD / Math.max(1, characters.length());
    while (true) {
      Set<String> repeated = new LinkedHashSet<>();
      try {
        List<JsonValue> documents = documents(characters, repeated, one);
        duplicates.addAll(repeated);
        return documents;
      } catch (MarkedYamlEngineException e) {
        String separated = separated(e, characters);
        if (separated.equals(characters) || rereads-- <= 0) {
          throw syntax(e);
        }
        characters = separated;
      } catch (YamlEngineException e) {
        throw new JsonSyntaxException(
            String.valueOf(e.getMessage()).lines().findFirst().orElse(""), 1, 1);
      }
    }
  }

  private static List<JsonValue> documents(String characters, Set<String> duplicates, boolean one) {
    LoadSettings settings =
        LoadSettings.builder()
            .setUseMarks(true)
            .setAllowDuplicateKeys(true)
            .setAllowNonScalarKeys(true)
            .setCodePointLimit(Integer.MAX_VALUE)
            .setMaxAliasesForCollections(Integer.MAX_VALUE)
            .setSchema(new PlainSchema())
            .build();
    List<JsonValue> documents = new ArrayList<>();
    int count = 0;
    StreamReader reader = new StreamReader(settings, characters);
    Composer composer = new Composer(settings, new BoundedDepth(new ParserImpl(settings, reader)));
    while (composer.hasNext()) {
      Node node = composer.next();
      if (one && count++ > 0) {
        throw fault(node, "expected a single document, but found another document");
      }
      JsonValue value = new Reader(duplicates).read(node, 0);
      if (value != JsonNull.NULL) {
        documents.add(value);
      }
    }
    return documents;
  }

  /**
   * The same with spaces for tabs that the library stumbled over, where goyaml takes them for such:
   * inside of braces anywhere, else not in a line's indentation, where only indicators stand before
   * them.
   */
  private static String separated(MarkedYamlEngineException e, String characters) {
    if (looksLikeJson(characters.getBytes(StandardCharsets.UTF_8))) {
      String indented = indentedBySpaces(characters);
      if (!indented.equals(characters)) {
        return indented;
      }
    }
    Mark mark = e.getProblemMark().orElse(null);
    if (mark == null || mark.getIndex() >= characters.codePointCount(0, characters.length())) {
      return characters;
    }
    int tab = characters.offsetByCodePoints(0, mark.getIndex());
    while (tab > 0 && characters.charAt(tab) == ' ') {
      tab--; // of a tab that spaces follow, these are told
    }
    String before = characters.substring(characters.lastIndexOf('\n', tab - 1) + 1, tab);
    return characters.charAt(tab) == '\t' && !INDENTATION.matcher(before).matches()
        ? characters.substring(0, tab) + ' ' + characters.substring(tab + 1)
        : characters;
  }

  /** Inside of quotes that is the same too: their lines are joined without indentation. */
  private static String indentedBySpaces(String text) {
    char[] characters = text.toCharArray();
    boolean indentation = true;
    for (int i = 0; i < characters.length; i++) {
      if (indentation && characters[i] == '\t') {
        characters[i] = ' ';
      }
      indentation = characters[i] == '\n' || indentation && characters[i] == ' ';
    }
    return new String(characters);
  }

  private static JsonSyntaxException syntax(MarkedYamlEngineException e) {
    String problem = e.getProblem() == null ? String.valueOf(e.getContext()) : e.getProblem();
    return fault(
        e.getProblemMark().or(e::getContextMark),
        problem.startsWith(TAB_FOUND) ? "found character that cannot start any token" : problem);
  }

  /** Ends the reading of collections inside each other: the library composes them recursively. */
  private static final class BoundedDepth implements Parser {
    private final Parser parser;
    private int depth;

    BoundedDepth(Parser parser) {
      this.parser = parser;
    }

    @Override
    public Event next() {
      Event event = parser.next();
      switch (event.getEventId()) {
        case MappingStart, SequenceStart -> depth++;
        case MappingEnd, SequenceEnd -> depth--;
        default -> {}
      }
      if (depth > Json.MAX_DEPTH) {
        throw fault(event.getStartMark(), "exceeded max depth of " + Json.MAX_DEPTH);
      }
      return event;
    }

    @Override
    public boolean hasNext() {
      return parser.hasNext();
    }

    @Override
    public boolean checkEvent(Event.ID id) {
      return parser.checkEvent(id);
    }

    @Override
    public Event peekEvent() {
      return parser.peekEvent();
    }
  }

  private static JsonSyntaxException fault(Node node, String message) {
    return fault(node.getStartMark(), message);
  }

  private static JsonSyntaxException fault(Optional<Mark> mark, String message) {
    return new JsonSyntaxException(
        message, mark.map(Mark::getLine).orElse(0) + 1, mark.map(Mark::getColumn).orElse(0) + 1);
  }

  /** Leaves the meaning of plain scalars to us. */
  private static final class PlainSchema implements Schema {
    @Override
    public ScalarResolver getScalarResolver() {
      return (value, implicit) -> implicit ? PLAIN : Tag.STR;
    }

    @Override
    public Map<Tag, ConstructNode> getSchemaTagConstructors() {
      return Map.of();
    }
  }

  /** Turns the nodes of one document into values. */
  private static final class Reader {
    private final Set<String> duplicates;
    private final Map<Node, Boolean> seen = new IdentityHashMap<>();
    private final Map<Node, Boolean> open = new IdentityHashMap<>();
    private long nodes;
    private long aliased;
    private long aliasedCharacters;
    private int inAlias;

    Reader(Set<String> duplicates) {
      this.duplicates = duplicates;
    }

    JsonValue read(Node given, int depth) {
      Node node = given;
      while (node instanceof AnchorNode anchor) {
        node = anchor.getRealNode();
      }
      if (depth > Json.MAX_DEPTH) {
        throw fault(node, "exceeded max depth of " + Json.MAX_DEPTH);
      }
      boolean again = seen.put(node, Boolean.TRUE) != null;
      count(node, again);
      if (node instanceof ScalarNode scalar) {
        return scalar(scalar);
      }
      if (open.put(node, Boolean.TRUE) != null) {
        throw fault(
            node,
            "anchor '"
                + node.getAnchor().map(Object::toString).orElse("")
                + "' value contains itself");
      }
      inAlias += again ? 1 : 0;
      JsonValue value =
          switch (node) {
            case SequenceNode sequence -> {
              List<JsonValue> items = new ArrayList<>(sequence.getValue().size());
              for (Node item : sequence.getValue()) {
                items.add(read(item, depth + 1));
              }
              yield new JsonArray(items);
            }
            case MappingNode mapping -> mapping(mapping, depth);
            default -> throw fault(node, "unexpected " + node.getNodeType());
          };
      inAlias -= again ? 1 : 0;
      open.remove(node);
      return value;
    }

    /** Goyaml's bound on what aliases make of a document, and one on the length of its texts. */
    private void count(Node node, boolean again) {
      nodes++;
      if (again || inAlias > 0) {
        aliased++;
        aliasedCharacters += node instanceof ScalarNode scalar ? scalar.getValue().length() : 0;
      }
      double most =
          nodes <= MANY_NODES
              ? 0.99
              : nodes >= MOST_NODES
                  ? 0.10
                  : 0.99 - 0.89 * (nodes - MANY_NODES) / (MOST_NODES - MANY_NODES);
      if (aliased > 100 && nodes > 1000 && aliased > most * nodes
          || aliasedCharacters > MAX_ALIASED_CHARACTERS) {
        throw fault(node, "document contains excessive aliasing");
      }
    }

    private JsonObject mapping(MappingNode mapping, int depth) {
      JsonObject.Builder builder = JsonObject.builder();
      List<Node> merges = new ArrayList<>();
      for (NodeTuple tuple : mapping.getValue()) {
        if (isMergeKey(tuple.getKeyNode())) {
          merges.add(tuple.getValueNode());
          continue;
        }
        String name = key(tuple.getKeyNode());
        if (builder.has(name)) {
          int line = tuple.getKeyNode().getStartMark().map(Mark::getLine).orElse(0) + 1;
          duplicates.add(
              "line " + line + ": key " + Json.write(new JsonString(name)) + " already set in map");
        }
        builder.put(name, read(tuple.getValueNode(), depth + 1));
      }
      for (Node merge : merges) {
        for (JsonObject source : mergeSources(merge, depth)) {
          source.forEach(
              (name, value) -> {
                if (!builder.has(name)) {
                  builder.put(name, value);
                }
              });
        }
      }
      return builder.build();
    }

    private List<JsonObject> mergeSources(Node node, int depth) {
      JsonValue value = read(node, depth + 1);
      if (value instanceof JsonObject object) {
        return List.of(object);
      }
      if (value instanceof JsonArray array && array.objects().size() == array.size()) {
        return array.objects();
      }
      throw fault(node, "map merge requires map or sequence of maps as the value");
    }

    private static boolean isMergeKey(Node key) {
      return key instanceof ScalarNode scalar
          && scalar.getValue().equals("<<")
          && scalar.getTag().equals(PLAIN);
    }

    private String key(Node node) {
      JsonValue value = read(node, 0);
      return switch (value) {
        case JsonString text -> text.value();
        case JsonInteger _, JsonDecimal _, JsonBoolean _ -> Json.write(value);
        case JsonNull _ -> "null";
        case JsonObject _, JsonArray _ ->
            throw fault(node, "invalid map key: " + Json.write(value));
      };
    }

    private static JsonValue scalar(ScalarNode scalar) {
      Tag tag = scalar.getTag();
      String text = scalar.getValue();
      if (hasHalfOfPair(text)) {
        throw fault(scalar, "found invalid Unicode character escape code");
      }
      if (tag.equals(PLAIN)) {
        return number(scalar, plain(text));
      }
      if (tag.equals(Tag.BINARY)) {
        try {
          return new JsonString(
              new String(Base64.getMimeDecoder().decode(text), StandardCharsets.UTF_8));
        } catch (IllegalArgumentException e) {
          throw fault(scalar, "!!binary value contains invalid base64 data");
        }
      }
      if (tag.equals(Tag.INT) || tag.equals(Tag.FLOAT) || tag.equals(Tag.BOOL)) {
        JsonValue value = number(scalar, plain(text));
        boolean fits =
            tag.equals(Tag.BOOL)
                ? value instanceof JsonBoolean
                : value instanceof JsonInteger || value instanceof JsonDecimal;
        if (!fits) {
          throw fault(scalar, "cannot decode !!str `" + text + "` as a " + tag.getValue());
        }
        return value;
      }
      return tag.equals(Tag.NULL) ? JsonNull.NULL : new JsonString(text);
    }

    /** Whether an escape made half of a surrogate pair that stands alone: no character. */
    private static boolean hasHalfOfPair(String text) {
      for (int i = 0; i < text.length(); i++) {
        if (Character.isSurrogate(text.charAt(i))) {
          return text.codePoints().anyMatch(c -> c >= 0xD800 && c <= 0xDFFF);
        }
      }
      return false;
    }

    private static JsonValue number(ScalarNode scalar, JsonValue value) {
      if (value instanceof JsonDecimal decimal && !Double.isFinite(decimal.value())) {
        throw fault(scalar, "json: unsupported value: " + scalar.getValue());
      }
      return value;
    }
  }

  /** What a plain scalar means; not a number is an infinite or NaN decimal. */
  static JsonValue plain(String text) {
    if (NULL.contains(text)) {
      return JsonNull.NULL;
    }
    if (TRUE.contains(text)) {
      return JsonBoolean.TRUE;
    }
    if (FALSE.contains(text)) {
      return JsonBoolean.FALSE;
    }
    if (NOT_A_NUMBER.contains(text)) {
      return new JsonDecimal(Double.NaN);
    }
    char first = text.charAt(0);
    if (first != '.' && first != '-' && first != '+' && (first < '0' || first > '9')) {
      return new JsonString(text);
    }
    String digits = first == '.' ? text : text.replace("_", "");
    if (INTEGER.matcher(digits).matches()) {
      java.math.BigInteger value = integer(digits);
      return value.bitLength() < 64
          ? new JsonInteger(value.longValue())
          : new JsonDecimal(value.doubleValue());
    }
    if (FLOAT.matcher(digits).matches()) {
      return new JsonDecimal(Double.parseDouble(digits));
    }
    return new JsonString(text);
  }

  private static java.math.BigInteger integer(String text) {
    boolean negative = text.startsWith("-");
    String digits = negative || text.startsWith("+") ? text.substring(1) : text;
    String lower = digits.toLowerCase(java.util.Locale.ROOT);
    java.math.BigInteger value;
    if (lower.startsWith("0x")) {
      value = new java.math.BigInteger(digits.substring(2), 16);
    } else if (lower.startsWith("0b")) {
      value = new java.math.BigInteger(digits.substring(2), 2);
    } else if (lower.startsWith("0o") && digits.length() > 2) {
      value = new java.math.BigInteger(digits.substring(2), 8);
    } else if (digits.startsWith("0") && digits.length() > 1) {
      value = new java.math.BigInteger(digits.replaceFirst("[oO]", "0"), 8);
    } else {
      value = new java.math.BigInteger(digits);
    }
    return negative ? value.negate() : value;
  }

  /**
   * The value as a YAML document exactly as {@code kubectl -o yaml} prints it: block style, the
   * fields of every object in the order of Kubernetes' tools.
   */
  public static String write(JsonValue value) {
    return new YamlWriter(true).document(value);
  }

  /** As {@link #write}, with the fields of every object in the order they have. */
  public static String writeInOrder(JsonValue value) {
    return new YamlWriter(false).document(value);
  }
}
