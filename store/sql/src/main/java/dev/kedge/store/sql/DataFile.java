package dev.kedge.store.sql;

import dev.kedge.store.StoreException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteJDBCLoader;
import org.sqlite.util.LibraryLoaderUtil;
import org.sqlite.util.OSInfo;

/**
 * The database's file, held by this process alone through a lock file next to it. The lock is the
 * operating system's, so it never outlives its process; the lock file's text says who holds it and
 * whether the last one left in order.
 */
final class DataFile {
  private static final String CLEAN = "clean\n";
  private static final byte[] MAGIC = "SQLite format 3\0".getBytes(StandardCharsets.US_ASCII);

  private static final DateTimeFormatter STAMP =
      DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

  private final Path path;
  private final FileChannel channel;
  private final FileLock lock;
  private final boolean leftClean;

  private DataFile(Path path, FileChannel channel, FileLock lock, boolean leftClean) {
    this.path = path;
    this.channel = channel;
    this.lock = lock;
    this.leftClean = leftClean;
  }

  /** Makes what is missing, takes the lock and looks at the file's first bytes. */
  static DataFile lock(Path path) {
    DataFile held = hold(path);
    try {
      if (Files.exists(path)) {
        held.checkHeader();
      } else {
        Files.createFile(path, onlyOwner("rw-------"));
      }
      loadNativeLibrary(held.directory());
      return held;
    } catch (IOException e) {
      // Left as it was found, and the next start must find it so.
      held.release(held.leftClean);
      throw cannotUse(held.directory(), e);
    } catch (StoreException e) {
      held.release(held.leftClean);
      throw e;
    }
  }

  /** Takes the lock, and finishes a replacement of the file that was cut short. */
  static DataFile hold(Path path) {
    Path directory =
        Objects.requireNonNull(path.getParent(), "the database is a file in a directory");
    if (Files.isDirectory(path)) {
      throw new StoreException(
          "the database " + path + " is a directory; give a file, such as " + path + "/state.db");
    }
    FileChannel opened = null;
    try {
      makeDirectory(directory);
      Path lockPath = path.resolveSibling(path.getFileName() + ".lock");
      opened =
          FileChannel.open(
              lockPath,
              StandardOpenOption.CREATE,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE);
      FileLock lock = tryLock(opened);
      if (lock == null) {
        String holder = text(opened).strip();
        opened.close();
        throw new StoreException(
            "another kedge server uses the data directory "
                + directory
                + (holder.startsWith("pid ") ? " (process " + holder.substring(4) + ")" : "")
                + "; stop it first, or give this one another directory with --data-dir");
      }
      String before = text(opened);
      write(opened, "pid " + ProcessHandle.current().pid() + "\n");
      finishReplacement(path);
      return new DataFile(path, opened, lock, before.equals(CLEAN));
    } catch (IOException e) {
      closeQuietly(opened, e);
      throw cannotUse(directory, e);
    } catch (StoreException e) {
      closeQuietly(opened, e);
      throw e;
    }
  }

  private static StoreException cannotUse(Path directory, IOException e) {
    return new StoreException("cannot use the data directory " + directory + ": " + reason(e), e);
  }

  Path path() {
    return path;
  }

  private Path directory() {
    return Objects.requireNonNull(path.getParent());
  }

  /**
   * Puts a whole database file in this one's place, which is kept under another name. After a crash
   * it is either not begun, or finished when the file is locked the next time.
   *
   * @param other closed in order, in the same directory
   * @return the old file's new name; empty if there was none
   */
  Optional<Path> replaceBy(Path other) {
    try {
      try (FileChannel written = FileChannel.open(other, StandardOpenOption.WRITE)) {
        written.force(true);
      }
      Files.move(other, replacement(path), StandardCopyOption.ATOMIC_MOVE);
      syncDirectory();
      return finishReplacement(path);
    } catch (IOException e) {
      throw cannotUse(directory(), e);
    }
  }

  private static Path replacement(Path path) {
    return path.resolveSibling(path.getFileName() + ".replacement");
  }

  private static Optional<Path> finishReplacement(Path path) throws IOException {
    Path replacement = replacement(path);
    if (!Files.exists(replacement)) {
      return Optional.empty();
    }
    // The same name however often this is begun.
    String stamp = STAMP.format(Files.getLastModifiedTime(replacement).toInstant());
    Path aside = path.resolveSibling(path.getFileName() + ".replaced-" + stamp);
    for (String part : List.of("-shm", "-wal", "")) {
      Path old = path.resolveSibling(path.getFileName() + part);
      if (Files.exists(old)) {
        Files.move(old, aside.resolveSibling(aside.getFileName() + part));
      }
    }
    Files.move(replacement, path, StandardCopyOption.ATOMIC_MOVE);
    return Files.exists(aside) ? Optional.of(aside) : Optional.empty();
  }

  /** Renames are on disk after this. */
  private void syncDirectory() throws IOException {
    try (FileChannel channel = FileChannel.open(directory(), StandardOpenOption.READ)) {
      channel.force(true);
    }
  }

  /** Removes what a closed store in this directory left beside its file, and the file. */
  static void delete(Path path) throws IOException {
    for (String part : List.of("", "-wal", "-shm", ".lock")) {
      Files.deleteIfExists(path.resolveSibling(path.getFileName() + part));
    }
  }

  /** Whether the last process closed the store in order. */
  boolean leftClean() {
    return leftClean;
  }

  /** Gives the file up. */
  void release(boolean clean) {
    try (channel) {
      if (clean) {
        write(channel, CLEAN);
      }
      lock.release();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot release the lock of " + path, e);
    }
  }

  private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException e) {
      // Another store of this process: the same answer as for another process.
      return null;
    }
  }

  private static void makeDirectory(Path directory) throws IOException {
    try {
      Files.createDirectories(directory, onlyOwner("rwx------"));
    } catch (FileAlreadyExistsException e) {
      throw new StoreException("the data directory " + directory + " is not a directory", e);
    }
    if (!Files.isWritable(directory)) {
      throw new StoreException(
          "the data directory "
              + directory
              + " cannot be written; mount it writable or give another one with --data-dir");
    }
  }

  /** A damaged first page gives SQLite nothing to say; a truncated file is told apart here. */
  private void checkHeader() throws IOException {
    if (Files.size(path) == 0) {
      if (leftClean) {
        throw Failures.damaged(path, "it became empty since it was closed", null);
      }
      // The first start was cut short.
      return;
    }
    byte[] header;
    try (InputStream in = Files.newInputStream(path)) {
      header = in.readNBytes(100);
    }
    if (header.length < 100 || !Arrays.equals(header, 0, MAGIC.length, MAGIC, 0, MAGIC.length)) {
      throw Failures.damaged(path, "it does not begin as an SQLite database does", null);
    }
  }

  /**
   * SQLite's driver unpacks its library into the temporary directory at each start. Here it is
   * unpacked once, next to the data, and loaded from there.
   */
  private static void loadNativeLibrary(Path directory) throws IOException {
    if (System.getProperty("org.sqlite.lib.path") != null) {
      return;
    }
    String name = LibraryLoaderUtil.getNativeLibName();
    String resource =
        "/org/sqlite/native/" + OSInfo.getNativeLibFolderPathForCurrentOS() + "/" + name;
    Path folder = directory.resolve("native").resolve("sqlite-" + SQLiteJDBCLoader.getVersion());
    Path library = folder.resolve(name);
    if (!Files.exists(library)) {
      try (InputStream in = SQLiteJDBCLoader.class.getResourceAsStream(resource)) {
        if (in == null) {
          // Not a platform that the driver carries a library for: leave it to the driver to say so.
          return;
        }
        Files.createDirectories(folder);
        Path part = Files.createTempFile(folder, name, ".part");
        Files.copy(in, part, StandardCopyOption.REPLACE_EXISTING);
        Files.move(part, library, StandardCopyOption.ATOMIC_MOVE);
      }
    }
    System.setProperty("org.sqlite.lib.path", folder.toString());
    System.setProperty("org.sqlite.lib.name", name);
  }

  private static String text(FileChannel channel) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(64);
    channel.read(buffer, 0);
    return new String(buffer.array(), 0, buffer.position(), StandardCharsets.US_ASCII);
  }

  private static void write(FileChannel channel, String text) throws IOException {
    channel.truncate(0);
    channel.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII)), 0);
  }

  private static FileAttribute<?>[] onlyOwner(String permissions) {
    return new FileAttribute<?>[] {
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions))
    };
  }

  private static void closeQuietly(@Nullable FileChannel channel, Exception reason) {
    if (channel != null) {
      try {
        channel.close();
      } catch (IOException e) {
        reason.addSuppressed(e);
      }
    }
  }

  private static String reason(IOException e) {
    if (e instanceof AccessDeniedException) {
      return "permission denied; run as root or give another one with --data-dir";
    }
    if (e instanceof FileSystemException file && file.getReason() != null) {
      return file.getReason();
    }
    return String.valueOf(e.getMessage());
  }
}
