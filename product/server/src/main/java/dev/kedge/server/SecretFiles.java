package dev.kedge.server;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Files that only their owner may read. */
final class SecretFiles {
  private SecretFiles() {}

  /** Writes a file whole or not at all; nobody else may read it from its first byte on. */
  static void write(Path file, String text) throws IOException {
    // Temporary files are the owner's alone.
    Path temporary = Files.createTempFile(file.toAbsolutePath().getParent(), ".new", "");
    Files.writeString(temporary, text);
    Files.move(
        temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }
}
