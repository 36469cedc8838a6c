package dev.kedge.cli.kubectl;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * The user's terminal, through {@code stty}: raw mode while open, its size, its changes of size.
 */
final class Terminal implements AutoCloseable {
  /** Characters across and down. */
  record Size(int columns, int rows) {}

  private final String saved;
  private final Thread restore;

  private Terminal(String saved) {
    this.saved = saved;
    this.restore = new Thread(() -> stty(saved));
    Runtime.getRuntime().addShutdownHook(restore);
  }

  /** Whether standard input is a terminal. */
  static boolean isTerminal() {
    java.io.Console console = System.console();
    return console != null && console.isTerminal();
  }

  /** Switches to raw mode; empty where there is no terminal. */
  static Optional<Terminal> raw() {
    if (!isTerminal()) {
      return Optional.empty();
    }
    Optional<String> settings = stty("-g");
    if (settings.isEmpty()) {
      return Optional.empty();
    }
    Terminal terminal = new Terminal(settings.get().strip());
    stty("raw -echo");
    return Optional.of(terminal);
  }

  /** The size now. */
  static Optional<Size> size() {
    return stty("size")
        .map(text -> text.strip().split(" "))
        .filter(parts -> parts.length == 2)
        .map(parts -> new Size(Integer.parseInt(parts[1]), Integer.parseInt(parts[0])));
  }

  /** Calls the action whenever the size changed. */
  static void onResize(Runnable action) {
    sun.misc.Signal.handle(new sun.misc.Signal("WINCH"), _ -> action.run());
  }

  private static Optional<String> stty(String arguments) {
    try {
      String[] words = ("stty " + arguments).split(" ");
      Process process =
          new ProcessBuilder(words)
              .redirectInput(new File("/dev/tty"))
              .redirectError(ProcessBuilder.Redirect.DISCARD)
              .start();
      String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      return process.waitFor() == 0 ? Optional.of(text) : Optional.empty();
    } catch (IOException _) {
      return Optional.empty();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return Optional.empty();
    }
  }

  @Override
  public void close() {
    stty(saved);
    Runtime.getRuntime().removeShutdownHook(restore);
  }
}
