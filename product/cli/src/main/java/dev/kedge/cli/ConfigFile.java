package dev.kedge.cli;

import dev.kedge.lifecycle.UserException;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.JsonValue;
import dev.kedge.model.Yaml;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * K3s's configuration file: a YAML mapping of flag names to values, then every {@code *.yaml} of
 * the directory {@code <file>.d} in alphabetical order. The last file wins; {@code name+} appends.
 */
final class ConfigFile {
  private ConfigFile() {}

  /**
   * Reads the file and its directory.
   *
   * @param required whether an absent file is an error (it was asked for by name)
   * @throws UserException if it cannot be read or is not such a mapping
   */
  static Map<String, List<String>> read(Path file, boolean required) {
    Map<String, List<String>> entries = new LinkedHashMap<>();
    try {
      merge(entries, file, Files.readString(file));
    } catch (NoSuchFileException e) {
      if (required) {
        throw new UserException("the configuration file " + file + " does not exist", e);
      }
    } catch (IOException e) {
      throw unreadable(file, e);
    }
    Path directory = Path.of(file + ".d");
    if (Files.isDirectory(directory)) {
      try (Stream<Path> files = Files.list(directory)) {
        for (Path part : files.filter(p -> p.toString().endsWith(".yaml")).sorted().toList()) {
          merge(entries, part, Files.readString(part));
        }
      } catch (IOException e) {
        throw unreadable(directory, e);
      }
    }
    return entries;
  }

  private static UserException unreadable(Path file, IOException cause) {
    return new UserException(
        "the configuration " + file + " cannot be read: " + cause.getMessage(), cause);
  }

  private static void merge(Map<String, List<String>> entries, Path file, String text) {
    JsonValue value;
    try {
      value = Yaml.parse(text);
    } catch (JsonSyntaxException e) {
      throw new UserException(file + ", " + e.located(), e);
    }
    if (value == JsonNull.NULL) {
      return;
    }
    if (!(value instanceof JsonObject mapping)) {
      throw new UserException(
          file + " must be a mapping of flag names to values, such as: https-listen-port: 6443");
    }
    mapping.forEach(
        (name, entry) -> {
          boolean append = name.endsWith("+");
          String key = append ? name.substring(0, name.length() - 1) : name;
          List<String> values =
              append ? new ArrayList<>(entries.getOrDefault(key, List.of())) : new ArrayList<>();
          if (entry instanceof JsonArray array) {
            array.items().forEach(item -> values.add(scalar(item, name, file)));
          } else {
            values.add(scalar(entry, name, file));
          }
          entries.put(key, values);
        });
  }

  private static String scalar(JsonValue value, String name, Path file) {
    return switch (value) {
      case JsonString text -> text.value();
      case JsonObject _, JsonArray _, JsonNull _ ->
          throw new UserException(
              name
                  + " in "
                  + file
                  + " must be a value or a list of values, not "
                  + value.typeName());
      default -> value.toString();
    };
  }
}
