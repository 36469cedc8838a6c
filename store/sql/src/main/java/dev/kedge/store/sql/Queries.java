package dev.kedge.store.sql;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.Page;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch.Event;
import dev.kedge.store.Watches.Chunk;
import java.nio.charset.StandardCharsets;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The questions that every engine is asked, and how answers are read. They differ only in the names
 * of the tables and in the hints that keep a planner on the index meant for them.
 *
 * @param progress one row: last revision, how far compacted
 * @param get the last row of a key
 * @param list as of a revision
 * @param history in the order of revisions
 * @param sweepSuperseded removes what was superseded within two revisions
 * @param sweepDeleted removes the deletions within two revisions
 * @param binaryKeys whether keys are bound as bytes; else as text that cannot hold a NUL if {@code
 *     textWithoutNul}
 */
record Queries(
    String progress,
    String get,
    String list,
    String history,
    String sweepSuperseded,
    String sweepDeleted,
    boolean binaryKeys,
    boolean textWithoutNul) {
  static final int HISTORY_CHUNK = 500;

  /** Binds a statement's parameters. */
  interface Binder {
    void bind(PreparedStatement statement) throws SQLException;
  }

  // The index alone answers which row is a key's last and whether that is a deletion; only those of
  // the page are then read, in the order that the index gave them.
  private static final String LIST =
      """
      SELECT c.key, l.value, l.create_revision, l.revision
      FROM (
        SELECT i.key, max(i.revision * 2 + i.deleted) AS last FROM {log} i {by key}
        WHERE i.key >= ? AND i.key < ? AND i.revision <= ?
        GROUP BY i.key HAVING max(i.revision * 2 + i.deleted) % 2 = 0 ORDER BY i.key LIMIT ?
      ) c {join} {log} l ON l.revision = c.last >> 1
      ORDER BY c.key\
      """;

  // In the order of revisions, whatever the planner thinks of the keys.
  private static final String HISTORY =
      """
      SELECT l.revision, l.key, l.create_revision, l.deleted, l.value, p.value
      FROM {log} l {by revision} LEFT JOIN {log} p ON p.revision = l.previous_revision
      WHERE l.revision > ? AND l.revision <= ? AND {any key} >= ? AND {any key} < ?
      ORDER BY l.revision LIMIT ?\
      """;

  private static final String GET =
      "SELECT l.revision, l.create_revision, l.deleted, l.value FROM {log} l WHERE l.key = ?"
          + " ORDER BY l.revision DESC LIMIT 1";

  private static final String SWEEP_SUPERSEDED =
      "DELETE FROM {log} WHERE revision IN (SELECT l.previous_revision FROM {log} l"
          + " WHERE l.revision > ? AND l.revision <= ? AND l.previous_revision > 0)";

  private static final String SWEEP_DELETED =
      "DELETE FROM {log} WHERE revision > ? AND revision <= ? AND deleted = 1";

  static Queries sqlite() {
    return new Queries(
        // Its last revision is known without asking: nobody else writes.
        "SELECT 0, compact_revision FROM progress",
        GET.replace("{log}", "log"),
        LIST.replace("{log}", "log")
            .replace("{by key}", "INDEXED BY log_key")
            .replace("{join}", "CROSS JOIN"),
        HISTORY
            .replace("{log}", "log")
            .replace("{by revision}", "NOT INDEXED")
            .replace("{any key}", "l.key"),
        SWEEP_SUPERSEDED.replace("{log}", "log"),
        SWEEP_DELETED.replace("{log}", "log"),
        false,
        false);
  }

  static Queries postgres() {
    return new Queries(
        "SELECT revision, compact_revision FROM kedge_progress WHERE id = 1",
        GET.replace("{log}", "kedge_log"),
        LIST.replace("{log}", "kedge_log").replace("{by key}", "").replace("{join}", "JOIN"),
        HISTORY
            .replace("{log}", "kedge_log")
            .replace("{by revision}", "")
            // No column of the index any more, so that the planner takes the other one.
            .replace("{any key}", "(l.key || '') COLLATE \"C\""),
        SWEEP_SUPERSEDED.replace("{log}", "kedge_log"),
        SWEEP_DELETED.replace("{log}", "kedge_log"),
        false,
        true);
  }

  static Queries mysql() {
    return new Queries(
        "SELECT revision, compact_revision FROM kedge_progress WHERE id = 1",
        GET.replace("{log}", "kedge_log"),
        LIST.replace("{log}", "kedge_log")
            .replace("{by key}", "FORCE INDEX (kedge_log_key)")
            .replace("{join}", "STRAIGHT_JOIN"),
        HISTORY
            .replace("{log}", "kedge_log")
            .replace("{by revision}", "FORCE INDEX (PRIMARY)")
            .replace("{any key}", "l.key"),
        // A subquery of the table that is deleted from is not allowed in MySQL.
        "DELETE p FROM kedge_log l JOIN kedge_log p ON p.revision = l.previous_revision"
            + " WHERE l.revision > ? AND l.revision <= ? AND l.previous_revision > 0",
        SWEEP_DELETED.replace("{log}", "kedge_log"),
        true,
        false);
  }

  // Parameters.

  void bindKey(PreparedStatement statement, int index, String key) throws SQLException {
    if (binaryKeys) {
      statement.setBytes(index, key.getBytes(StandardCharsets.UTF_8));
    } else if (textWithoutNul && key.endsWith("\0")) {
      // "The first key after this one": the same, since no key has a NUL.
      statement.setString(index, key.substring(0, key.length() - 1) + '\1');
    } else {
      statement.setString(index, key);
    }
  }

  Binder bindList(String prefix, long revision, String startKey, int limit) {
    String from = startKey.compareTo(prefix) > 0 ? startKey : prefix;
    return statement -> {
      bindKey(statement, 1, from);
      bindKey(statement, 2, end(prefix));
      statement.setLong(3, revision);
      statement.setLong(4, limit <= 0 ? Long.MAX_VALUE : limit + 1L);
    };
  }

  Binder bindHistory(String prefix, long after, long upTo) {
    return statement -> {
      statement.setLong(1, after);
      statement.setLong(2, upTo);
      bindKey(statement, 3, prefix);
      bindKey(statement, 4, end(prefix));
      statement.setInt(5, HISTORY_CHUNK);
    };
  }

  /** The first key after all that begin with a prefix: engines compare the bytes of UTF-8. */
  private static String end(String prefix) {
    return prefix + "\uDBFF\uDFFF";
  }

  // Answers.

  String key(ResultSet row, int column) throws SQLException {
    return binaryKeys
        ? new String(row.getBytes(column), StandardCharsets.UTF_8)
        : row.getString(column);
  }

  static Reads.Last last(String key, ResultSet row) throws SQLException {
    if (!row.next()) {
      return Reads.Last.NONE;
    }
    long revision = row.getLong(1);
    return new Reads.Last(
        row.getInt(3) != 0
            ? Optional.empty()
            : Optional.of(new Entry(key, row.getBytes(4), row.getLong(2), revision)),
        revision);
  }

  /**
   * Checks what a list asks for against what there is.
   *
   * @param revision as asked; 0 means the current one
   * @return the revision to list at
   */
  static long listed(long revision, long current, long compacted) {
    if (revision > current) {
      throw new StoreException(
          "revision " + revision + " is in the future: the current one is " + current);
    }
    if (revision == 0) {
      // Never less than compacted, if that happened in this very moment: what it left is current.
      return Math.max(current, compacted);
    }
    if (revision < compacted) {
      throw new CompactedException(revision, compacted);
    }
    return revision;
  }

  Page page(ResultSet rows, long revision, int limit) throws SQLException {
    List<Entry> entries = new ArrayList<>();
    while (rows.next()) {
      entries.add(new Entry(key(rows, 1), rows.getBytes(2), rows.getLong(3), rows.getLong(4)));
    }
    boolean more = limit > 0 && entries.size() > limit;
    if (more) {
      entries.removeLast();
    }
    return new Page(entries, revision, more, more ? -1 : 0);
  }

  Chunk chunk(ResultSet row) throws SQLException {
    List<Event> events = new ArrayList<>();
    while (row.next()) {
      long revision = row.getLong(1);
      String key = key(row, 2);
      long created = row.getLong(3);
      byte[] previous = row.getBytes(6);
      events.add(
          row.getInt(4) != 0
              ? new Event.Delete(key, previous, created, revision)
              : new Event.Put(
                  key, row.getBytes(5), created, revision, Optional.ofNullable(previous)));
    }
    return new Chunk(events, events.size() < HISTORY_CHUNK);
  }
}
