package dev.kedge.cli.kubectl;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** Other programs that commands hand work to: plugins, and kustomize. */
final class Programs {
  private static final String PREFIX = "kubectl-";

  private Programs() {}

  /** A program in the folders of {@code $PATH}. */
  static Optional<Path> find(Console console, String name) {
    return folders(console).stream()
        .map(folder -> folder.resolve(name))
        .filter(file -> Files.isRegularFile(file) && Files.isExecutable(file))
        .findFirst();
  }

  private static List<Path> folders(Console console) {
    List<Path> folders = new ArrayList<>();
    for (String folder : console.variable("PATH").split(":")) {
      if (!folder.isEmpty()) {
        folders.add(Path.of(folder));
      }
    }
    return folders;
  }

  /**
   * What kustomize makes of a folder. It is a program of its own with releases of its own, so the
   * installed one is asked.
   *
   * @throws UsageException if it is not installed or fails
   */
  static byte[] kustomize(Console console, String folder) {
    Path program =
        find(console, "kustomize")
            .orElseThrow(
                () ->
                    new UsageException(
                        "kustomize is not built into kedge kubectl: install the program kustomize"
                            + " (it is looked for in PATH), or use upstream's kubectl for it"));
    try {
      Process process =
          new ProcessBuilder(program.toString(), "build", folder)
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      process.getOutputStream().close();
      try (InputStream in = process.getInputStream()) {
        byte[] made = in.readAllBytes();
        if (process.waitFor() != 0) {
          throw new UsageException("kustomize build " + folder + " failed");
        }
        return made;
      }
    } catch (IOException e) {
      throw new UsageException("cannot run " + program + ": " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new ExitException(130);
    }
  }

  static int kustomize(Session session) {
    if (session.words().size() > 1) {
      throw new UsageException("specify one path to a kustomization directory");
    }
    byte[] made =
        kustomize(session.console(), session.words().isEmpty() ? "." : session.words().getFirst());
    session.out().write(made, 0, made.length);
    return 0;
  }

  /**
   * Runs the plugin that a command line means: {@code kubectl-a-b} before {@code kubectl-a} for
   * {@code kubectl a b}. Empty without one.
   */
  static Optional<Integer> plugin(Console console, List<String> line) {
    List<String> words = new ArrayList<>();
    for (String word : line) {
      if (word.startsWith("-")) {
        break;
      }
      words.add(word.replace('-', '_'));
    }
    for (int length = words.size(); length > 0; length--) {
      Optional<Path> file = find(console, PREFIX + String.join("-", words.subList(0, length)));
      if (file.isPresent()) {
        List<String> command = new ArrayList<>();
        command.add(file.get().toString());
        command.addAll(line.subList(length, line.size()));
        console.out().flush();
        try {
          return Optional.of(new ProcessBuilder(command).inheritIO().start().waitFor());
        } catch (IOException e) {
          throw new UsageException("cannot run " + file.get() + ": " + e.getMessage());
        } catch (InterruptedException e) {
          Thread.currentThread().interrupt();
          return Optional.of(130);
        }
      }
    }
    return Optional.empty();
  }

  /** {@code plugin list}. */
  static int list(Session session) {
    Map<String, Path> found = new LinkedHashMap<>();
    List<String> shadowed = new ArrayList<>();
    for (Path folder : folders(session.console())) {
      try (Stream<Path> files = Files.isDirectory(folder) ? Files.list(folder) : Stream.empty()) {
        for (Path file :
            files
                .filter(file -> file.getFileName().toString().startsWith(PREFIX))
                .filter(Files::isExecutable)
                .sorted()
                .toList()) {
          Path first = found.putIfAbsent(file.getFileName().toString(), file);
          if (first != null) {
            shadowed.add(file + " is overshadowed by a similarly named plugin: " + first);
          }
        }
      } catch (IOException e) {
        session.err().println("Unable to read directory \"" + folder + "\" from your PATH");
      }
    }
    if (found.isEmpty()) {
      throw new UsageException("unable to find any kubectl plugins in your PATH");
    }
    session.out().print("The following compatible plugins are available:\n\n");
    boolean nameOnly = session.arguments().on("name-only");
    found.forEach((name, file) -> session.out().print((nameOnly ? name : file) + "\n"));
    shadowed.forEach(warning -> session.err().println("  - warning: " + warning));
    return 0;
  }
}
