package dev.kedge.store.sql;

import dev.kedge.store.StoreException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** An SQLite file is not what was written to it. */
public final class DamagedException extends StoreException {
  private final String how;

  DamagedException(Path file, String how, @Nullable Throwable cause) {
    super(
        "the database "
            + file
            + " is damaged ("
            + how
            + "): restore it from a snapshot, or move it away to start with an empty cluster",
        cause);
    this.how = how;
  }

  /** What was found. */
  public String how() {
    return how;
  }
}
