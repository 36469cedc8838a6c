package dev.kedge.endtoend;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;

/** Runs the packaged program and other commands, and keeps what they print. */
final class Program {
  static final Path ROOT = Path.of(System.getProperty("kedge.root"));
  private static final Path DIST = ROOT.resolve("product/cli/target/kedge");

  /** What a finished command left behind. */
  record Result(int code, String output) {
    /** This result, if the command succeeded. */
    Result succeeded() {
      assertThat(code).as("exit code; the output was:%n%s", output).isZero();
      return this;
    }
  }

  /** A command that goes on. */
  record Running(Process process, Path output) implements AutoCloseable {
    String text() {
      try {
        return Files.readString(output);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    /** Waits until the command has printed a text; fails when it ends before. */
    void awaitOutput(String text, Duration atMost) {
      Awaitility.await()
          .atMost(atMost)
          .pollInterval(Duration.ofMillis(20))
          .until(
              () -> {
                boolean alive = process.isAlive();
                if (text().contains(text)) {
                  return true;
                }
                assertThat(alive).as("still running; the output was:%n%s", text()).isTrue();
                return false;
              });
    }

    /** Asks the command to end, as Ctrl-C does, and gives its exit code. */
    int interrupt() throws InterruptedException {
      Program.run("kill", "-INT", String.valueOf(process.pid())).succeeded();
      assertThat(process.waitFor(30, TimeUnit.SECONDS)).as("ended within 30 s").isTrue();
      return process.exitValue();
    }

    @Override
    public void close() throws InterruptedException {
      process.destroy();
      if (!process.waitFor(30, TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
    }
  }

  private Program() {}

  /** The command line that starts kedge with these arguments. */
  static List<String> kedge(List<String> arguments) {
    List<String> command =
        new ArrayList<>(
            List.of(
                // Whoever runs the tests in the background may have had SIGINT ignored, for all
                // that come after.
                "env",
                "--default-signal=INT",
                "bash",
                "-c",
                ". \"$0/run\"; kedge_run \"$1\" \"$0\" kedge \"${@:2}\"",
                DIST.toString(),
                Path.of(System.getProperty("java.home"), "bin/java").toString()));
    command.addAll(arguments);
    return command;
  }

  static Result run(String... command) {
    return run(List.of(command), Duration.ofMinutes(3));
  }

  /** Runs a command to its end, output and errors together. */
  static Result run(List<String> command, Duration atMost) {
    try {
      Path output = Files.createTempFile("kedge-e2e", ".out");
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(output.toFile())
              .redirectInput(Path.of("/dev/null").toFile())
              .start();
      boolean ended = process.waitFor(atMost.toMillis(), TimeUnit.MILLISECONDS);
      if (!ended) {
        process.destroyForcibly();
      }
      String text = Files.readString(output, StandardCharsets.UTF_8);
      Files.delete(output);
      assertThat(ended).as("%s ended within %s; its output:%n%s", command, atMost, text).isTrue();
      return new Result(process.exitValue(), text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  /** Starts a command that goes on. */
  static Running start(List<String> command) {
    try {
      Path output = Files.createTempFile("kedge-e2e", ".out");
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(output.toFile())
              .redirectInput(Path.of("/dev/null").toFile())
              .start();
      return new Running(process, output);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
