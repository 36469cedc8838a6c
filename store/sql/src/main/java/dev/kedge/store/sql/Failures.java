package dev.kedge.store.sql;

import dev.kedge.store.StoreException;
import java.nio.file.Path;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidatorException;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;
import org.sqlite.SQLiteErrorCode;

/** Says in a sentence what went wrong with the database and what to do about it. */
final class Failures {
  private Failures() {}

  static StoreException of(Path file, SQLException e) {
    // SQLite's extended codes keep the primary one in the low byte.
    int code = e.getErrorCode() & 0xff;
    if (code == SQLiteErrorCode.SQLITE_FULL.code) {
      return new StoreException(
          "no space left for the database "
              + file
              + ": nothing acknowledged is lost; free some space on that disk",
          e);
    }
    if (code == SQLiteErrorCode.SQLITE_CORRUPT.code || code == SQLiteErrorCode.SQLITE_NOTADB.code) {
      // The driver's: [SQLITE_CORRUPT] what that means in general (what SQLite says)
      String message = String.valueOf(e.getMessage());
      return damaged(file, message.replaceFirst("^\\[\\w+\\] .*\\((.+)\\)$", "$1"), e);
    }
    if (code == SQLiteErrorCode.SQLITE_READONLY.code
        || code == SQLiteErrorCode.SQLITE_CANTOPEN.code
        || code == SQLiteErrorCode.SQLITE_PERM.code) {
      return new StoreException(
          "cannot write the database "
              + file
              + ": make the file and its directory writable, or give another with --data-dir",
          e);
    }
    if (code == SQLiteErrorCode.SQLITE_IOERR.code) {
      return new StoreException(
          "the disk under the database " + file + " fails: " + e.getMessage(), e);
    }
    return new StoreException("the database " + file + " failed: " + e.getMessage(), e);
  }

  static String firstLine(Throwable e) {
    return String.valueOf(e.getMessage()).lines().findFirst().orElse("").strip();
  }

  /** Why TLS failed. */
  static String tls(Throwable e) {
    for (Throwable cause = e; cause != null; cause = cause.getCause()) {
      if (cause instanceof CertPathBuilderException
          || cause instanceof CertPathValidatorException) {
        return "its certificate is of another authority";
      }
    }
    return firstLine(e);
  }

  static StoreException damaged(Path file, String how, @Nullable Throwable cause) {
    return new DamagedException(file, how, cause);
  }
}
