package dev.kedge.server;

import dev.kedge.lifecycle.UserException;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * An etcd process of this server's own: started, started again when it ends by itself, stopped with
 * the server. One that outlived a killed server is stopped first. One virtual thread watches it.
 */
final class EtcdMember implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.server");
  private static final long LOG_LIMIT = 8L << 20;

  private final List<String> command;
  private final Path directory;
  private final CountDownLatch closing = new CountDownLatch(1);
  private final CountDownLatch closed = new CountDownLatch(1);
  private volatile Process process;

  private EtcdMember(List<String> command, Path directory) throws IOException {
    this.command = command;
    this.directory = directory;
    this.process = launch();
  }

  /**
   * Starts it and waits until it answers.
   *
   * @param directory for its log and its process id
   * @param answers asked again and again
   * @throws UserException with etcd's last words, if it ends instead
   */
  static EtcdMember start(List<String> command, Path directory, BooleanSupplier answers) {
    try {
      Files.createDirectories(directory);
      stopOrphan(directory);
      EtcdMember member = new EtcdMember(command, directory);
      try {
        while (!answers.getAsBoolean()) {
          if (member.process.waitFor(100, TimeUnit.MILLISECONDS)) {
            throw new UserException(
                "etcd does not start: " + lastWords(directory) + " (see " + log(directory) + ")");
          }
        }
      } catch (RuntimeException | Error | InterruptedException e) {
        member.process.destroy();
        throw e;
      }
      Thread.ofVirtual().name("etcd-member").start(member::watch);
      return member;
    } catch (IOException e) {
      throw new UserException("etcd cannot be started: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while starting etcd", e);
    }
  }

  private Process launch() throws IOException {
    Path log = log(directory);
    if (Files.exists(log) && Files.size(log) > LOG_LIMIT) {
      Files.delete(log);
    }
    Process started =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
            .start();
    Files.writeString(pidFile(directory), Long.toString(started.pid()));
    return started;
  }

  private void watch() {
    long pause = 1;
    try {
      while (true) {
        long begun = System.nanoTime();
        int code = process.waitFor();
        if (closing.getCount() == 0) {
          return;
        }
        pause = System.nanoTime() - begun > TimeUnit.MINUTES.toNanos(1) ? 1 : Math.min(30, pause);
        LOG.log(
            Level.WARNING,
            "etcd ended with exit code {0} ({1}); it is started again in {2} s",
            code,
            lastWords(directory),
            pause);
        if (closing.await(pause, TimeUnit.SECONDS)) {
          return;
        }
        pause *= 2;
        process = launch();
      }
    } catch (IOException e) {
      LOG.log(Level.ERROR, "etcd cannot be started again", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      closed.countDown();
    }
  }

  private static void stopOrphan(Path directory) throws IOException, InterruptedException {
    Path file = pidFile(directory);
    if (!Files.exists(file)) {
      return;
    }
    String pid = Files.readString(file).strip();
    Path arguments = Path.of("/proc", pid, "cmdline");
    // The number may be another process's by now.
    if (!pid.matches("[0-9]+")
        || !Files.exists(arguments)
        || !Files.readString(arguments, StandardCharsets.ISO_8859_1)
            .contains("--data-dir=" + directory)) {
      return;
    }
    Optional<ProcessHandle> orphan = ProcessHandle.of(Long.parseLong(pid));
    if (orphan.isPresent()) {
      LOG.log(Level.INFO, "stopping the etcd (process {0}) that a killed server left", pid);
      stop(orphan.get());
    }
  }

  private static void stop(ProcessHandle etcd) throws InterruptedException {
    etcd.destroy();
    try {
      etcd.onExit().get(10, TimeUnit.SECONDS);
    } catch (java.util.concurrent.TimeoutException e) {
      LOG.log(Level.WARNING, "etcd does not stop when told to; it is killed", e);
      etcd.destroyForcibly();
    } catch (java.util.concurrent.ExecutionException e) {
      throw new IllegalStateException(e.getCause());
    }
  }

  private static String lastWords(Path directory) {
    try {
      return Files.readAllLines(log(directory)).stream()
          .filter(line -> !line.isBlank())
          .reduce((_, last) -> last)
          .map(line -> line.length() > 300 ? line.substring(0, 300) + "…" : line)
          .orElse("it says nothing");
    } catch (IOException e) {
      return "its log cannot be read: " + e.getMessage();
    }
  }

  static Path log(Path directory) {
    return directory.resolve("etcd.log");
  }

  private static Path pidFile(Path directory) {
    return directory.resolve("etcd.pid");
  }

  @Override
  public void close() {
    closing.countDown();
    // Also a start that was interrupted leaves no etcd behind.
    boolean interrupted = Thread.interrupted();
    try {
      stop(process.toHandle());
      closed.await();
    } catch (InterruptedException e) {
      interrupted = true;
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
