package dev.kedge.node;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** Runs the operating system's small tools: mount, umount, setsid. */
final class Processes {
  private static final List<Path> SYSTEM =
      List.of(
          Path.of("/usr/local/sbin"),
          Path.of("/usr/local/bin"),
          Path.of("/usr/sbin"),
          Path.of("/usr/bin"),
          Path.of("/sbin"),
          Path.of("/bin"));

  private Processes() {}

  /** A program by name: in the given directories, in PATH, then where systems keep them. */
  static Optional<Path> find(String name, Path... first) {
    List<Path> places = new ArrayList<>(List.of(first));
    String path = System.getenv("PATH");
    if (path != null) {
      for (String place : path.split(":")) {
        if (!place.isEmpty()) {
          places.add(Path.of(place));
        }
      }
    }
    places.addAll(SYSTEM);
    return places.stream()
        .map(place -> place.resolve(name))
        .filter(Files::isExecutable)
        .findFirst();
  }

  /**
   * Runs a command to its end and returns what it wrote, both streams together.
   *
   * @throws IOException if it cannot be run, takes longer than a minute or exits other than by 0
   */
  static String run(String... command) throws IOException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String output =
        new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    try {
      if (!process.waitFor(1, TimeUnit.MINUTES)) {
        process.destroyForcibly();
        throw new IOException(String.join(" ", command) + ": no end after a minute");
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
      throw new IOException(String.join(" ", command) + ": interrupted", e);
    }
    if (process.exitValue() != 0) {
      throw new IOException(
          String.join(" ", command)
              + ": exit "
              + process.exitValue()
              + (output.isEmpty() ? "" : ": " + output));
    }
    return output;
  }
}
