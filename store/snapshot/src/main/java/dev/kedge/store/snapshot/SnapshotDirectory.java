package dev.kedge.store.snapshot;

import dev.kedge.lifecycle.UserException;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * Snapshots in a directory. A file is there whole, on disk, or not at all; only its owner may read
 * it, as it holds every Secret.
 */
public final class SnapshotDirectory implements SnapshotPlace {
  /** What is being written; no list shows it. */
  private static final String PART = ".part-";

  private final Path directory;

  public SnapshotDirectory(Path directory) {
    this.directory = directory;
  }

  /**
   * Writes a snapshot.
   *
   * @return its file
   */
  public Path save(
      SnapshotName name, SnapshotHeader header, Optional<SnapshotKey> key, Records records) {
    Path file = directory.resolve(name.toString());
    return whole(
        file,
        out ->
            SnapshotWriter.write(new BufferedOutputStream(out, 64 * 1024), header, key, records));
  }

  /** Writes a file's content. */
  public interface Content {
    void write(OutputStream out) throws IOException;
  }

  /** Writes a file whole or not at all. */
  private Path whole(Path file, Content content) {
    Path part = null;
    try {
      makeDirectory();
      part = Files.createTempFile(directory, PART, "");
      try (FileChannel channel = FileChannel.open(part, StandardOpenOption.WRITE);
          OutputStream out = Channels.newOutputStream(channel)) {
        content.write(out);
        channel.force(true);
      }
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
      return file;
    } catch (IOException e) {
      throw failed("written", e);
    } finally {
      if (part != null) {
        deletePart(part);
      }
    }
  }

  private void makeDirectory() throws IOException {
    Files.createDirectories(
        directory,
        PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
  }

  private static void deletePart(Path part) {
    try {
      Files.deleteIfExists(part);
    } catch (IOException e) {
      System.getLogger("dev.kedge.store.snapshot")
          .log(System.Logger.Level.WARNING, "a snapshot that was not finished stays: " + part, e);
    }
  }

  @Override
  public List<Kept> list() {
    if (!Files.isDirectory(directory)) {
      return List.of();
    }
    List<Kept> kept = new ArrayList<>();
    try (Stream<Path> files = Files.list(directory)) {
      for (Path file : files.toList()) {
        if (Files.isRegularFile(file) && !file.getFileName().toString().startsWith(".")) {
          describe(file).ifPresent(kept::add);
        }
      }
    } catch (IOException e) {
      throw failed("read", e);
    }
    kept.sort(Comparator.comparing(Kept::created).thenComparing(Kept::name));
    return kept;
  }

  /** Empty for what is no snapshot, and for one that was deleted in this moment. */
  private static Optional<Kept> describe(Path file) throws IOException {
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
      Optional<SnapshotHeader> header = SnapshotReader.peek(in);
      return header.isEmpty()
          ? Optional.empty()
          : Optional.of(
              new Kept(
                  file.getFileName().toString(),
                  file.toUri().toString(),
                  Files.size(file),
                  header.get().taken(),
                  header));
    } catch (NoSuchFileException e) {
      return Optional.empty();
    }
  }

  @Override
  public void delete(String name) {
    if (list().stream().noneMatch(kept -> kept.name().equals(name))) {
      throw none(name);
    }
    try {
      Files.deleteIfExists(directory.resolve(name));
    } catch (IOException e) {
      throw failed("changed", e);
    }
  }

  /** A file by its path, or by its name in this directory. */
  public Path find(String nameOrPath) {
    Path path = Path.of(nameOrPath);
    for (Path file : List.of(path.toAbsolutePath(), directory.resolve(path))) {
      if (Files.isRegularFile(file)) {
        return file;
      }
    }
    throw none(nameOrPath);
  }

  private UserException none(String name) {
    return new UserException(
        "there is no snapshot "
            + name
            + " in "
            + directory
            + "; kedge snapshot list shows those that there are");
  }

  /**
   * Brings a snapshot here from elsewhere, to be read and deleted; no list shows it.
   *
   * @param name what it is for
   */
  public Path fetched(String name, Content content) {
    return whole(directory.resolve(PART + name), content);
  }

  /**
   * Verifies a file's checksum before anything is done with it, then opens it.
   *
   * @throws UserException as {@link SnapshotReader}, or if it cannot be read
   */
  public static SnapshotReader open(
      Path file, Function<SnapshotKey.Kind, Optional<SnapshotKey>> keys) {
    String name = file.toString();
    try {
      // First the lines: they tell what is no snapshot, or newer, from what is damaged.
      try (InputStream lines = new BufferedInputStream(Files.newInputStream(file))) {
        SnapshotReader.requireHead(lines, name);
      }
      try (Checksum.Input checksum = new Checksum.Input(Files.newInputStream(file))) {
        if (!checksum.fits()) {
          throw SnapshotReader.damaged(name, null);
        }
      }
      InputStream in = Files.newInputStream(file);
      try {
        return SnapshotReader.open(in, name, keys);
      } catch (IOException | RuntimeException e) {
        in.close();
        throw e;
      }
    } catch (IOException e) {
      throw new UserException("the snapshot " + name + " cannot be read: " + why(e), e);
    }
  }

  private UserException failed(String what, IOException e) {
    return new UserException(
        "the directory of snapshots "
            + directory
            + " cannot be "
            + what
            + " ("
            + why(e)
            + "); mend that, or choose another with --etcd-snapshot-dir",
        e);
  }

  private static String why(IOException e) {
    return switch (e) {
      case AccessDeniedException _ -> "permission denied";
      case NoSuchFileException _ -> "no such file or directory";
      case NotDirectoryException _ -> "it is no directory";
      case FileSystemException f when f.getReason() instanceof String reason -> reason;
      default -> String.valueOf(e.getMessage());
    };
  }
}
