package dev.kedge.store.sql;

import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/**
 * A real database server of this machine's packages, on a port and in a directory of its own, run
 * by a user without privileges. The system's service is not touched.
 */
public abstract class DatabaseProcess implements AutoCloseable {
  final Path directory;
  final int port;
  private final String user;
  private Process process;

  DatabaseProcess(String name, String packagesUser) throws Exception {
    directory = Files.createTempDirectory("kedge-" + name + "-");
    user = user(packagesUser);
    if (root()) {
      Files.setOwner(
          directory,
          directory.getFileSystem().getUserPrincipalLookupService().lookupPrincipalByName(user));
    }
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      port = socket.getLocalPort();
    }
  }

  /** The command of the server itself. */
  abstract List<String> command();

  abstract boolean answers();

  final void start() throws Exception {
    process =
        new ProcessBuilder(unprivileged(command()))
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log().toFile()))
            .start();
    await()
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(50))
        .until(
            () -> {
              if (!process.isAlive()) {
                // A server that was killed leaves children for a moment, which keep its memory.
                process =
                    new ProcessBuilder(unprivileged(command()))
                        .redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.appendTo(log().toFile()))
                        .start();
              }
              return answers();
            });
  }

  /** {@code kill -9} of the server and of everything it started. */
  final void kill() throws InterruptedException {
    List<ProcessHandle> all = new ArrayList<>(process.descendants().toList());
    process.destroyForcibly();
    all.forEach(ProcessHandle::destroyForcibly);
    process.waitFor();
  }

  /** Sends a signal to the server and to everything it started. */
  final void signal(String signal) throws Exception {
    List<String> command = new ArrayList<>(List.of("kill", "-" + signal, "" + process.pid()));
    process.descendants().forEach(each -> command.add("" + each.pid()));
    // One that ended by itself meanwhile is none to stop.
    new ProcessBuilder(command).redirectErrorStream(true).start().waitFor();
  }

  final Path log() {
    return directory.resolve("log");
  }

  final void run(List<String> command) throws Exception {
    Process done =
        new ProcessBuilder(unprivileged(command))
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log().toFile()))
            .start();
    if (done.waitFor() != 0) {
      throw new IOException(command + " failed:\n" + Files.readString(log()));
    }
  }

  @Override
  public void close() {
    try {
      if (process != null) {
        process.destroy();
        if (!process.waitFor(20, TimeUnit.SECONDS)) {
          kill();
        }
      }
      try (Stream<Path> files = Files.walk(directory)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Where the packages put a program; skips the test where they are not installed. */
  static Path program(String name, String... directories) {
    for (String place : directories) {
      Path program = Path.of(place, name);
      if (Files.isExecutable(program)) {
        return program;
      }
    }
    Assumptions.abort(name + " is not installed");
    throw new AssertionError();
  }

  private List<String> unprivileged(List<String> command) {
    if (!root()) {
      return command;
    }
    List<String> all =
        new ArrayList<>(
            List.of("setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups", "--"));
    all.addAll(command);
    return all;
  }

  private static boolean root() {
    return "root".equals(System.getProperty("user.name"));
  }

  private static String user(String packagesUser) throws IOException {
    return Files.readString(Path.of("/etc/passwd")).contains("\n" + packagesUser + ":")
        ? packagesUser
        : "nobody";
  }
}
