package dev.kedge.store.etcd;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store;
import dev.kedge.store.Store.WriteResult.Absent;
import dev.kedge.store.Store.WriteResult.Committed;
import dev.kedge.store.Store.WriteResult.Conflict;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.SSLContext;

/**
 * A {@link Store} in an etcd cluster, 3.4 or later, over its v3 API. Keys lie in etcd as they are,
 * so that upstream's tools find them; a revision is etcd's own ({@link EtcdKeys}) plus an offset.
 *
 * <p>The offset is 0 until {@link #raise}: etcd counts by itself and cannot be told to go on at a
 * greater revision. It is kept in etcd, next to the keys, read at the opening, and changed only
 * while nobody else uses the store.
 */
public final class EtcdStore implements Store {
  private final EtcdKeys keys;
  private volatile long offset;

  private EtcdStore(EtcdKeys keys) {
    this.keys = keys;
    this.offset = keys.offset();
  }

  /**
   * Which etcd, and where in it.
   *
   * @param endpoints URLs of members, {@code http} or {@code https}, with host and port
   * @param tls for {@code https}; must trust the members' authority
   * @param certificateGiven whether {@code tls} shows a certificate of this server's own
   * @param root what all keys in etcd begin with; empty as a rule
   */
  public record Settings(
      List<URI> endpoints, Optional<SSLContext> tls, boolean certificateGiven, String root) {
    public Settings {
      endpoints = List.copyOf(endpoints);
      if (endpoints.isEmpty()) {
        throw new IllegalArgumentException("no endpoint");
      }
    }
  }

  /**
   * Connects to the cluster.
   *
   * @throws StoreException with a sentence for the user, if no member can be used
   */
  public static EtcdStore open(Settings settings) {
    EtcdKeys keys = EtcdKeys.open(settings);
    try {
      return new EtcdStore(keys);
    } catch (RuntimeException e) {
      keys.close();
      throw e;
    }
  }

  @Override
  public Optional<Entry> get(String key) {
    return keys.get(key).map(this::told);
  }

  @Override
  public Page list(String prefix, long revision, String startKey, int limit) {
    Page page;
    try {
      page = keys.list(prefix, own(revision), startKey, limit);
    } catch (CompactedException e) {
      throw told(e, offset);
    }
    return offset == 0
        ? page
        : new Page(
            page.entries().stream().map(this::told).toList(),
            page.revision() + offset,
            page.more(),
            page.remaining());
  }

  @Override
  public WriteResult create(String key, byte[] value) {
    return told(keys.create(key, value));
  }

  @Override
  public WriteResult update(String key, byte[] value, long expectedRevision) {
    return expectedRevision > offset
        ? told(keys.update(key, value, expectedRevision - offset))
        : another(key);
  }

  @Override
  public WriteResult delete(String key, long expectedRevision) {
    return expectedRevision > offset
        ? told(keys.delete(key, expectedRevision - offset))
        : another(key);
  }

  /** The answer to a revision that no key has. */
  private WriteResult another(String key) {
    return get(key).<WriteResult>map(Conflict::new).orElseGet(Absent::new);
  }

  @Override
  public StoreWatch watch(String prefix, long afterRevision) {
    try {
      return new Watch(keys.watch(prefix, own(afterRevision)), offset);
    } catch (CompactedException e) {
      throw told(e, offset);
    }
  }

  @Override
  public long currentRevision() {
    return keys.currentRevision() + offset;
  }

  @Override
  public void compact(long revision) {
    try {
      keys.compact(own(revision));
    } catch (CompactedException e) {
      throw told(e, offset);
    }
  }

  @Override
  public synchronized void raise(long revision) {
    long current = keys.currentRevision();
    if (current + offset >= revision) {
      return;
    }
    keys.keepOffset(revision - current);
    offset = revision - current;
    try {
      // Or earlier revisions, less the new offset, would mean others.
      keys.compact(keys.currentRevision());
    } catch (CompactedException e) {
      throw new StoreException("somebody else compacts this etcd meanwhile", e);
    }
  }

  @Override
  public void close() {
    keys.close();
  }

  /** What etcd calls a revision; 0, where that means something of its own, stays. */
  private long own(long revision) {
    if (revision > 0 && revision <= offset) {
      throw new CompactedException(revision, offset);
    }
    return revision == 0 ? 0 : revision - offset;
  }

  private Entry told(Entry entry) {
    return offset == 0
        ? entry
        : new Entry(
            entry.key(), entry.value(), entry.createRevision() + offset, entry.revision() + offset);
  }

  private WriteResult told(WriteResult result) {
    return switch (result) {
      case Committed(long revision) -> new Committed(revision + offset);
      case Conflict(Entry current) -> new Conflict(told(current));
      case Absent absent -> absent;
    };
  }

  private static CompactedException told(CompactedException e, long offset) {
    return new CompactedException(e.asked() + offset, e.compactRevision() + offset);
  }

  /** A watch; ends when the offset changes. */
  private final class Watch implements StoreWatch {
    private final StoreWatch watch;
    private final long opened;

    Watch(StoreWatch watch, long opened) {
      this.watch = watch;
      this.opened = opened;
    }

    @Override
    public List<Event> take(Duration atMost) throws InterruptedException {
      if (offset != opened) {
        throw new CompactedException(progress(), offset);
      }
      try {
        List<Event> events = watch.take(atMost);
        return opened == 0 ? events : events.stream().map(this::told).toList();
      } catch (CompactedException e) {
        throw EtcdStore.told(e, opened);
      }
    }

    private Event told(Event event) {
      return switch (event) {
        case Event.Put(var key, var value, var created, var revision, var previous) ->
            new Event.Put(key, value, created + opened, revision + opened, previous);
        case Event.Delete(var key, var previous, var created, var revision) ->
            new Event.Delete(key, previous, created + opened, revision + opened);
      };
    }

    @Override
    public long progress() {
      return watch.progress() + opened;
    }

    @Override
    public void requestProgress() {
      watch.requestProgress();
    }

    @Override
    public void close() {
      watch.close();
    }
  }
}
