package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Yaml;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Reads the objects of {@code -f}: files, folders, addresses, standard input. */
final class Manifests {
  static final List<Flag> FLAGS =
      List.of(
          Flag.list("filename", 'f', "Filename, directory, or URL to files with the objects"),
          Flag.toggle("recursive", 'R', "Process the directory used in -f, --filename recursively"),
          Flag.text(
              "kustomize", 'k', "", "Process a kustomization directory by the kustomize program"));

  private static final List<String> EXTENSIONS = List.of(".json", ".yaml", ".yml");

  private Manifests() {}

  /** One document and where it was read. */
  record Document(JsonObject object, String source) {}

  static boolean given(Session session) {
    return session.arguments().given("filename") || session.arguments().given("kustomize");
  }

  /**
   * Reads every document, items of lists apart.
   *
   * @throws UsageException naming file, line and column of what cannot be read
   */
  static List<Document> documents(Session session) {
    List<Document> documents = new ArrayList<>();
    if (session.arguments().given("kustomize")) {
      if (session.arguments().given("filename")) {
        throw new UsageException("only one of -f or -k can be specified");
      }
      String folder = session.arguments().text("kustomize");
      add(documents, Programs.kustomize(session.console(), folder), folder);
    }
    for (String source : session.arguments().list("filename")) {
      if (source.equals("-")) {
        try {
          add(documents, session.console().in().readAllBytes(), "STDIN");
        } catch (IOException e) {
          throw new UsageException("reading standard input: " + e.getMessage());
        }
      } else if (source.startsWith("http://") || source.startsWith("https://")) {
        add(documents, fetch(source), source);
      } else {
        for (Path file : files(source, session.arguments().on("recursive"))) {
          try {
            add(documents, Files.readAllBytes(file), file.toString());
          } catch (IOException e) {
            throw new UsageException("error reading [" + file + "]: " + e.getMessage());
          }
        }
      }
    }
    if (documents.isEmpty()) {
      throw new UsageException("no objects passed to " + session.verb().name());
    }
    return documents;
  }

  private static byte[] fetch(String address) {
    try (InputStream in = URI.create(address).toURL().openStream()) {
      return in.readAllBytes();
    } catch (IOException | IllegalArgumentException e) {
      throw new UsageException("unable to read URL \"" + address + "\": " + e.getMessage());
    }
  }

  private static List<Path> files(String source, boolean recursive) {
    Path path = Path.of(source);
    if (Files.isDirectory(path)) {
      try (Stream<Path> stream = Files.walk(path, recursive ? Integer.MAX_VALUE : 1)) {
        return stream
            .filter(Files::isRegularFile)
            .filter(file -> EXTENSIONS.stream().anyMatch(file.toString()::endsWith))
            .sorted()
            .toList();
      } catch (IOException e) {
        throw new UsageException("error reading [" + source + "]: " + e.getMessage());
      }
    }
    if (Files.exists(path)) {
      return List.of(path);
    }
    if (source.indexOf('*') >= 0 || source.indexOf('?') >= 0) {
      Path folder = path.getParent() == null ? Path.of(".") : path.getParent();
      PathMatcher matcher = FileSystems.getDefault().getPathMatcher("glob:" + path.getFileName());
      try (Stream<Path> stream = Files.list(folder)) {
        List<Path> found =
            stream.filter(file -> matcher.matches(file.getFileName())).sorted().toList();
        if (!found.isEmpty()) {
          return found;
        }
      } catch (IOException e) {
        throw new UsageException("error reading [" + source + "]: " + e.getMessage());
      }
    }
    throw new UsageException("the path \"" + source + "\" does not exist");
  }

  private static void add(List<Document> documents, byte[] text, String source) {
    List<JsonValue> values;
    try {
      values = Yaml.parseAll(text);
    } catch (JsonSyntaxException e) {
      throw new UsageException("error parsing " + source + ": " + e.located());
    }
    for (JsonValue value : values) {
      if (!(value instanceof JsonObject object)) {
        throw new UsageException(
            "error validating \"" + source + "\": expected an object, found " + value.typeName());
      }
      if (object.text("kind").endsWith("List") && object.has("items")) {
        object
            .objects("items")
            .forEach(item -> documents.add(new Document(told(item, object), source)));
      } else {
        documents.add(new Document(object, source));
      }
    }
  }

  /** An item that has no kind, as in lists that a server answers, has that of its list. */
  private static JsonObject told(JsonObject item, JsonObject list) {
    String kind = list.text("kind");
    return item.has("kind") || kind.equals("List")
        ? item
        : JsonObject.builder()
            .put("kind", kind.substring(0, kind.length() - "List".length()))
            .put("apiVersion", list.text("apiVersion"))
            .putAll(item)
            .build();
  }

  /** The documents with their resources and namespaces resolved. */
  static List<Item> items(Session session) {
    List<Item> items = new ArrayList<>();
    for (Document document : documents(session)) {
      items.add(item(session, document));
    }
    return items;
  }

  /**
   * Resolves a document.
   *
   * @throws UsageException if its kind is missing or unknown, or its namespace contradicts -n
   */
  static Item item(Session session, Document document) {
    JsonObject object = document.object();
    List<String> missing = new ArrayList<>();
    if (object.text("apiVersion").isEmpty()) {
      missing.add("apiVersion not set");
    }
    if (object.text("kind").isEmpty()) {
      missing.add("kind not set");
    }
    if (!missing.isEmpty()) {
      throw new UsageException(
          "error validating \""
              + document.source()
              + "\": error validating data: "
              + (missing.size() == 1 ? missing.getFirst() : missing.toString().replace(",", ","))
              + "; if you choose to ignore these errors, turn validation off with"
              + " --validate=false");
    }
    Served served =
        session
            .discovery()
            .ofKind(object.text("apiVersion"), object.text("kind"))
            .orElseThrow(
                () ->
                    new UsageException(
                        "resource mapping not found for name: \""
                            + object.text("metadata", "name")
                            + "\" namespace: \""
                            + object.text("metadata", "namespace")
                            + "\" from \""
                            + document.source()
                            + "\": no matches for kind \""
                            + object.text("kind")
                            + "\" in version \""
                            + object.text("apiVersion")
                            + "\"\nensure CRDs are installed first"));
    String namespace = object.text("metadata", "namespace");
    JsonObject complete = object;
    if (served.type().namespaced()) {
      String wanted = session.arguments().text("namespace");
      if (!namespace.isEmpty() && !wanted.isEmpty() && !namespace.equals(wanted)) {
        throw new UsageException(
            "the namespace from the provided object \""
                + namespace
                + "\" does not match the namespace \""
                + wanted
                + "\". You must pass '--namespace="
                + namespace
                + "' to perform this operation.");
      }
      if (namespace.isEmpty()) {
        namespace = session.namespace();
        complete = object.withPath(List.of("metadata", "namespace"), namespace);
      }
    } else {
      namespace = "";
    }
    return new Item(
        served, namespace, object.text("metadata", "name"), complete, document.source());
  }

  /** Compact JSON with a line feed, the form of the last-applied annotation. */
  static String encoded(JsonObject object) {
    return Json.write(Output.sorted(object)) + "\n";
  }
}
