package dev.kedge.store.sql;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store.Entry;
import dev.kedge.store.Store.Page;
import dev.kedge.store.StoreWatch.Event;
import dev.kedge.store.Watches.Chunk;
import dev.kedge.store.sql.Pending.Change;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Reads the log as it is with what the database does not have yet. Any thread. */
final class PendingReads implements Reads {
  private final Reads database;
  private final Log log;
  private final Pending pending;

  PendingReads(Reads database, Log log, Pending pending) {
    this.database = database;
    this.log = log;
    this.pending = pending;
  }

  @Override
  public Last get(String key) {
    Change waiting = pending.last(key);
    Last stored = database.get(key);
    // Another one may have been written since.
    return waiting == null || waiting.row().revision() < stored.revision()
        ? stored
        : new Last(Pending.entry(waiting), waiting.row().revision());
  }

  @Override
  public Page list(String prefix, long revision, String startKey, int limit) {
    while (true) {
      // First how far, then what waits, then the database.
      long published = log.published();
      List<Change> changes = pending.changes();
      try {
        return list(prefix, revision == 0 ? published : revision, startKey, limit, changes);
      } catch (CompactedException e) {
        if (revision != 0) {
          throw e;
        }
        // Everything up to now was compacted since.
      }
    }
  }

  private Page list(
      String prefix, long revision, String startKey, int limit, List<Change> changes) {
    Map<String, Change> last = new TreeMap<>(PendingReads::compareKeys);
    int removals = 0;
    for (Change change : changes) {
      String key = change.row().key();
      if (change.row().revision() <= revision
          && key.startsWith(prefix)
          && compareKeys(key, startKey) >= 0) {
        last.put(key, change);
        removals += change.row().value() == null ? 1 : 0;
      }
    }
    if (last.isEmpty()) {
      return database.list(prefix, revision, startKey, limit);
    }
    Page stored = database.list(prefix, revision, startKey, limit == 0 ? 0 : limit + removals);
    Map<String, Entry> merged = new TreeMap<>(PendingReads::compareKeys);
    stored.entries().forEach(entry -> merged.put(entry.key(), entry));
    String end = stored.more() ? stored.entries().getLast().key() : "";
    last.forEach(
        (key, change) -> {
          if (!end.isEmpty() && compareKeys(key, end) > 0) {
            // Others may come in between, on a later page.
            return;
          }
          Pending.entry(change)
              .ifPresentOrElse(entry -> merged.put(key, entry), () -> merged.remove(key));
        });
    List<Entry> entries = new ArrayList<>(merged.values());
    boolean more = stored.more() || limit > 0 && entries.size() > limit;
    if (limit > 0 && entries.size() > limit) {
      entries = entries.subList(0, limit);
    }
    return new Page(entries, stored.revision(), more, more ? -1 : 0);
  }

  /** As the database does. */
  private static int compareKeys(String one, String other) {
    return Arrays.compareUnsigned(
        one.getBytes(StandardCharsets.UTF_8), other.getBytes(StandardCharsets.UTF_8));
  }

  @Override
  public Chunk history(String prefix, long after, long upTo) {
    List<Change> changes = pending.changes();
    Chunk stored = database.history(prefix, after, upTo);
    if (!stored.complete() || changes.isEmpty()) {
      return stored;
    }
    List<Event> events = new ArrayList<>(stored.events());
    // What has been stored since was found there.
    long from = events.isEmpty() ? after : events.getLast().revision();
    for (Change change : changes) {
      Event event = change.event();
      if (event.revision() > from && event.revision() <= upTo && event.key().startsWith(prefix)) {
        events.add(event);
      }
    }
    return new Chunk(events, true);
  }

  @Override
  public long current() {
    return database.current();
  }

  @Override
  public void close() {
    database.close();
  }
}
