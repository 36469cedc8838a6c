package dev.kedge.server;

import dev.kedge.lifecycle.UserException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Finds etcd on the machine, or takes it out of Debian's package. The package is unpacked, not
 * installed: installing it would start an etcd of its own on the same ports.
 */
final class EtcdProgram {
  private static final String PACKAGE = "etcd-server";

  private EtcdProgram() {}

  static Path find(ServerConfig config, Consumer<String> say) {
    Path own = config.dataDir().resolve("server/bin/etcd");
    Optional<Path> found =
        Stream.concat(
                Stream.of((System.getenv("PATH") + ":/usr/local/bin:/usr/bin").split(":", -1))
                    .filter(directory -> !directory.isEmpty())
                    .map(directory -> Path.of(directory, "etcd")),
                Stream.of(own))
            .filter(Files::isExecutable)
            .findFirst();
    if (found.isPresent()) {
      return found.get();
    }
    if (!config.cluster().install()) {
      throw new UserException(
          "etcd is missing and --no-install forbids getting it; put etcd 3.4 or later on the PATH");
    }
    unpack(own, say);
    return own;
  }

  private static void unpack(Path program, Consumer<String> say) {
    say.accept("  getting etcd out of the Debian package " + PACKAGE);
    try {
      Path work = Files.createTempDirectory("kedge-etcd");
      try {
        if (run(work, "apt-get", "-q", "download", PACKAGE) != 0) {
          // An image without package lists, or lists older than the archive.
          run(work, "apt-get", "-q", "update");
          require(work, "apt-get", "-q", "download", PACKAGE);
        }
        Path archive;
        try (Stream<Path> files = Files.list(work)) {
          archive =
              files.filter(file -> file.toString().endsWith(".deb")).findFirst().orElseThrow();
        }
        require(work, "dpkg-deb", "-x", archive.toString(), work.resolve("content").toString());
        Files.createDirectories(program.getParent());
        Files.copy(work.resolve("content/usr/bin/etcd"), program);
      } finally {
        run(Path.of("/"), "rm", "-rf", work.toString());
      }
    } catch (IOException e) {
      throw missing(String.valueOf(e.getMessage()));
    }
  }

  private static void require(Path directory, String... command) throws IOException {
    if (run(directory, command) != 0) {
      throw new IOException(String.join(" ", List.of(command)) + " failed");
    }
  }

  private static int run(Path directory, String... command) throws IOException {
    Process process =
        new ProcessBuilder(command).directory(directory.toFile()).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    System.getLogger("dev.kedge.server").log(System.Logger.Level.DEBUG, output);
    try {
      return process.waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while getting etcd", e);
    }
  }

  private static UserException missing(String why) {
    return new UserException(
        "etcd is missing and cannot be got from the Debian package "
            + PACKAGE
            + " ("
            + why
            + "); put etcd 3.4 or later on the PATH");
  }
}
