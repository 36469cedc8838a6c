package dev.kedge.server;

import dev.kedge.node.Containerd;
import dev.kedge.node.NodeSettings;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Takes from a machine what a server left on it. */
public final class Machine {
  private Machine() {}

  /**
   * Stops the server of a data directory, every container, and removes mounts, links, rules and
   * leases. Data and images stay.
   *
   * @return a line per thing done
   * @throws IOException if something could not be stopped
   */
  public static List<String> stopAll(Path dataDir) throws IOException, InterruptedException {
    List<String> done = new ArrayList<>();
    Optional<ProcessHandle> server = DataDirLock.holder(dataDir);
    if (server.isPresent()) {
      stop(server.get());
      done.add("stopped the server");
    }
    NodeSettings settings =
        NodeSettings.builder("", dataDir).runDirectory(NodeRuntime.runDirectory(dataDir)).build();
    done.addAll(Containerd.stopAll(settings));
    if (Files.isExecutable(Path.of("/usr/sbin/nft"))) {
      NodeParts.removeNetwork(dataDir);
    }
    return done;
  }

  /**
   * Removes all data and configuration.
   *
   * @return a line per directory removed
   */
  public static List<String> remove(Path dataDir, Path configDir) throws IOException {
    List<String> done = new ArrayList<>();
    for (Path directory : List.of(dataDir, configDir, NodeRuntime.runDirectory(dataDir))) {
      if (Files.exists(directory, LinkOption.NOFOLLOW_LINKS)) {
        deleteTree(directory);
        done.add("removed " + directory);
      }
    }
    return done;
  }

  private static void stop(ProcessHandle server) throws IOException, InterruptedException {
    server.destroy();
    try {
      server.onExit().get(20, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      server.destroyForcibly();
    } catch (ExecutionException e) {
      throw new IOException("the server (process " + server.pid() + ") cannot be stopped", e);
    }
  }

  private static void deleteTree(Path root) throws IOException {
    Files.walkFileTree(
        root,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.delete(file);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(
              Path directory, @org.jspecify.annotations.Nullable IOException e) throws IOException {
            if (e != null) {
              throw new UncheckedIOException(e);
            }
            Files.delete(directory);
            return FileVisitResult.CONTINUE;
          }
        });
  }
}
