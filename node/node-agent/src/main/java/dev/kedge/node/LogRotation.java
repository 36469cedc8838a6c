package dev.kedge.node;

import dev.kedge.cri.Cri;
import dev.kedge.cri.CriClient;
import dev.kedge.grpc.GrpcException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;

/**
 * Keeps the logs of running containers small: at 10 MiB a log is renamed, the runtime told to begin
 * a new one, and of each container five files are kept, the older ones compressed.
 */
final class LogRotation {
  static final long MAX_SIZE = 10 << 20;
  static final int MAX_FILES = 5;
  private static final DateTimeFormatter STAMP =
      DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss").withZone(ZoneOffset.UTC);

  private final CriClient cri;
  private final InstantSource clock;
  private final long maxSize;

  LogRotation(CriClient cri, InstantSource clock, long maxSize) {
    this.cri = cri;
    this.clock = clock;
    this.maxSize = maxSize;
  }

  /** Looks at every running container once. */
  void pass() {
    for (Cri.Container container :
        cri.listContainers(new Cri.ContainerFilter("", Cri.ContainerState.RUNNING, "", Map.of()))) {
      try {
        Path log = Path.of(cri.containerStatus(container.id(), false).logPath());
        if (Files.exists(log) && Files.size(log) >= maxSize) {
          rotate(container.id(), log);
        }
      } catch (IOException | GrpcException e) {
        System.getLogger("dev.kedge.node")
            .log(Level.WARNING, "the log of container " + container.id() + " is not rotated", e);
      }
    }
  }

  private void rotate(String id, Path log) throws IOException {
    String name = log.getFileName() + ".";
    Path directory = log.toAbsolutePath().getParent();
    if (directory == null) {
      return;
    }
    List<Path> old;
    try (Stream<Path> files = Files.list(directory)) {
      old = files.filter(f -> f.getFileName().toString().startsWith(name)).sorted().toList();
    }
    // One place is the new log's, one the log's that is about to be renamed.
    for (Path file : old.subList(0, Math.max(0, old.size() - (MAX_FILES - 2)))) {
      Files.delete(file);
    }
    for (Path file : old) {
      if (Files.exists(file) && !file.toString().endsWith(".gz")) {
        Path temporary = file.resolveSibling(file.getFileName() + ".tmp");
        try (InputStream in = Files.newInputStream(file);
            OutputStream out = new GZIPOutputStream(Files.newOutputStream(temporary))) {
          in.transferTo(out);
        }
        Files.move(temporary, file.resolveSibling(file.getFileName() + ".gz"));
        Files.delete(file);
      }
    }
    Path rotated = directory.resolve(name + STAMP.format(clock.instant()));
    Files.move(log, rotated);
    try {
      cri.reopenContainerLog(id);
    } catch (GrpcException e) {
      Files.move(rotated, log); // the runtime still writes to it
      throw e;
    }
  }
}
