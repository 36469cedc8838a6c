package dev.kedge.clients;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;

/**
 * Programs that others wrote: builds them once with {@code testing/clients/build} and runs them.
 */
final class Programs {
  static final Path MODULE = Path.of(System.getProperty("kedge.root")).resolve("testing/clients");

  /** Seconds that building may take in all; what takes longer is skipped and said to be. */
  private static final long PATIENCE = Long.getLong("kedge.clients.patience", 60);

  private static final AtomicLong SPENT = new AtomicLong();

  private static final Map<List<String>, Path> BUILT = new ConcurrentHashMap<>();

  /** What a finished command left behind, output and errors together. */
  record Result(int code, String output) {}

  private Programs() {}

  /** The folder of a program; aborts the test if it cannot be built here. */
  static Path folder(String needed, String... what) {
    boolean there =
        Stream.of(System.getenv("PATH").split(":", -1))
            .anyMatch(directory -> Files.isExecutable(Path.of(directory, needed)));
    if (!there) {
      return abort("no " + needed + " on this machine to make " + String.join(" ", what));
    }
    Path known = BUILT.get(List.of(what));
    if (known != null) {
      return known;
    }
    List<String> command = new ArrayList<>(List.of(MODULE.resolve("build").toString()));
    command.addAll(List.of(what));
    long start = System.nanoTime();
    // What is there already takes less than a second to say.
    Result built = run(command, Map.of(), MODULE, Math.max(5, PATIENCE - SPENT.get()));
    SPENT.addAndGet(TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - start));
    if (built.code() == TIMEOUT) {
      return abort(String.join(" ", what) + " was not built in time: run " + command);
    }
    assertThat(built.code()).as(built.output()).isZero();
    Path folder = Path.of(built.output().strip().lines().reduce((_, last) -> last).orElseThrow());
    BUILT.put(List.of(what), folder);
    return folder;
  }

  /** The exit code of a command that did not end in time; it is ended then, with its children. */
  static final int TIMEOUT = 124;

  static Result run(
      List<String> command, Map<String, String> environment, Path directory, long seconds) {
    try {
      Path output = Files.createTempFile("kedge-clients", ".out");
      ProcessBuilder builder =
          new ProcessBuilder(command)
              .directory(directory.toFile())
              .redirectErrorStream(true)
              .redirectOutput(output.toFile())
              .redirectInput(Path.of("/dev/null").toFile());
      builder.environment().putAll(environment);
      Process process = builder.start();
      boolean ended = process.waitFor(seconds, TimeUnit.SECONDS);
      if (!ended) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly().waitFor();
      }
      String text = Files.readString(output);
      Files.delete(output);
      return new Result(ended ? process.exitValue() : TIMEOUT, text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }
}
