package dev.kedge.server;

import dev.kedge.lifecycle.UserException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Keeps a second server off the same data directory, and tells who the first one is. The kernel
 * lets go of the lock when the process ends, however it ends.
 */
final class DataDirLock implements AutoCloseable {
  private final FileChannel channel;

  private DataDirLock(FileChannel channel) {
    this.channel = channel;
  }

  /**
   * Takes the lock.
   *
   * @throws UserException if another server holds it
   */
  static DataDirLock take(Path dataDir) {
    try {
      Files.createDirectories(dataDir.resolve("server"));
      FileChannel channel =
          FileChannel.open(file(dataDir), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      @Nullable FileLock lock = tryLock(channel);
      if (lock == null) {
        channel.close();
        throw new UserException(
            "another kedge server uses the data directory "
                + dataDir
                + "; stop it, or choose another with --data-dir");
      }
      channel.truncate(0);
      channel.write(
          ByteBuffer.wrap(
              Long.toString(ProcessHandle.current().pid()).getBytes(StandardCharsets.UTF_8)));
      return new DataDirLock(channel);
    } catch (IOException e) {
      throw new UserException(
          "the data directory " + dataDir + " cannot be locked: " + e.getMessage(), e);
    }
  }

  private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException e) {
      // Another server of this process: the same answer as for another process.
      return null;
    }
  }

  /** The server that holds the lock now. */
  static Optional<ProcessHandle> holder(Path dataDir) throws IOException {
    if (!Files.exists(file(dataDir))) {
      return Optional.empty();
    }
    try (FileChannel channel = FileChannel.open(file(dataDir), StandardOpenOption.WRITE)) {
      if (channel.tryLock() != null) {
        return Optional.empty();
      }
    }
    return ProcessHandle.of(Long.parseLong(Files.readString(file(dataDir)).strip()));
  }

  private static Path file(Path dataDir) {
    return dataDir.resolve("server/lock");
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}
