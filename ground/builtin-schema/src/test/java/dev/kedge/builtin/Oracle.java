package dev.kedge.builtin;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;

/** Upstream's own data beside the repository; tests that need it are skipped where it is not. */
final class Oracle {
  private Oracle() {}

  /** The folder of Kubernetes 1.36's data. */
  static Path folder() {
    Path folder =
        Path.of(System.getProperty("kedge.root")).resolve("../shared/oracle/kubernetes-1.36");
    assumeTrue(Files.isDirectory(folder), "upstream's data are not beside this clone: " + folder);
    return folder;
  }

  /** The JSON files of a sub-folder whose names fulfil a condition, by name. */
  static List<JsonObject> json(String subfolder, Predicate<String> wanted) {
    try (var files = Files.list(folder().resolve(subfolder))) {
      return files
          .filter(file -> wanted.test(file.getFileName().toString()))
          .sorted()
          .map(Oracle::parse)
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** One JSON file. */
  static JsonObject parse(Path file) {
    try {
      return Json.parseObject(Files.readAllBytes(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
