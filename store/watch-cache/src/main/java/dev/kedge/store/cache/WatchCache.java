package dev.kedge.store.cache;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store;
import dev.kedge.store.StoreException;
import dev.kedge.store.StoreWatch;
import dev.kedge.store.WatchClosedException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import org.jspecify.annotations.Nullable;

/**
 * One resource's current objects and its recent changes, in memory, kept up to date by a watch on
 * the store. Keys under the prefix are {@code namespace/name}, or {@code name} where the kind is
 * cluster-scoped. Reads take the revision they must at least show; with {@link #latest} they are
 * linearisable. Any thread.
 *
 * <p>One virtual thread of its own follows the store. A batch of changes is applied under the state
 * lock, then readers waiting for its revision go on, then watchers are told under the dispatch
 * lock; readers never wait for watchers.
 */
public final class WatchCache implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.store.cache");
  private static final int LOAD_PAGE = 500;
  private static final Duration QUIET = Duration.ofHours(1);

  private final Store store;
  private final String prefix;
  private final Indexer indexer;
  private final Options options;

  private final ReentrantReadWriteLock stateLock = new ReentrantReadWriteLock();
  private final TreeMap<String, Item> state = new TreeMap<>();

  /** Held while a batch is applied and told to watchers; registering happens between batches. */
  private final ReentrantLock dispatchLock = new ReentrantLock();

  private final Ring ring;
  private final Watchers watchers = new Watchers();
  private final TimeBudget budget;

  private final ReentrantLock revisionLock = new ReentrantLock();
  private final Condition revisionChanged = revisionLock.newCondition();
  private volatile long applied;

  /** Every change up to here has been offered to the watchers. */
  private volatile long dispatched;

  private final CountDownLatch closing = new CountDownLatch(1);
  private volatile @Nullable StoreWatch source;
  private volatile boolean closed;

  private WatchCache(Store store, String prefix, Indexer indexer, Options options) {
    this.store = store;
    this.prefix = prefix;
    this.indexer = indexer;
    this.options = options;
    this.ring = new Ring(options.ringEvents(), options.ringBytes());
    this.budget = new TimeBudget(options.slowWatcherBudget());
  }

  /**
   * Limits of a cache.
   *
   * @param ringEvents most recent changes kept, whose watchers need not go to the store
   * @param ringBytes most bytes of objects kept for them
   * @param watcherEvents most events waiting for one watcher
   * @param slowWatcherBudget most time a second that dispatching waits for full watchers, together
   */
  public record Options(
      int ringEvents, long ringBytes, int watcherEvents, Duration slowWatcherBudget) {
    public static final Options DEFAULT = new Options(1024, 1 << 20, 1024, Duration.ofMillis(50));
  }

  /** A list: what it shows, as of which revision. */
  public record Listing(List<Item> items, long revision, boolean more, long remaining) {}

  /** The present state and a watch that goes on from it without gap. */
  public record Start(List<Item> items, long revision, CacheWatch watch) {}

  /** Opens with default limits. */
  public static WatchCache open(Store store, String prefix, Indexer indexer) {
    return open(store, prefix, indexer, Options.DEFAULT);
  }

  /**
   * Loads what is under the prefix and starts to follow it. Returns when loaded.
   *
   * @param prefix such as {@code /registry/pods/}
   * @throws StoreException if the store cannot be read
   */
  public static WatchCache open(Store store, String prefix, Indexer indexer, Options options) {
    WatchCache cache = new WatchCache(store, prefix, indexer, options);
    StoreWatch source = cache.load();
    Thread.ofVirtual().name("watch-cache " + prefix).start(() -> cache.run(source));
    return cache;
  }

  /** One object as a cache would show it, read from the store: for few reads, of few objects. */
  public static Optional<Item> read(Store store, String key, Indexer indexer) {
    return store
        .get(key)
        .map(entry -> item(indexer, key, entry.value(), entry.createRevision(), entry.revision()));
  }

  /** The store's current revision: what a read must at least show to be up to date. */
  public long latest() {
    return store.currentRevision();
  }

  /** The revision up to which this cache is known to be complete. */
  public long revision() {
    StoreWatch watch = source;
    // The watch knows of changes elsewhere, which make no event here.
    return watch == null ? applied : Math.max(applied, watch.progress());
  }

  /**
   * Waits until the cache shows at least a revision; at once if it does already.
   *
   * @param revision 0 for anything
   * @throws RevisionTimeoutException if the revision does not come in three seconds, for instance
   *     because there is none such yet
   */
  public void awaitRevision(long revision) {
    if (applied >= revision || revision() >= revision) {
      return;
    }
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(3);
    revisionLock.lock();
    try {
      while (revision() < revision) {
        if (closed) {
          throw new StoreException("the watch cache of " + prefix + " is closed");
        }
        long left = deadline - System.nanoTime();
        if (left <= 0) {
          throw new RevisionTimeoutException(revision, revision());
        }
        StoreWatch watch = source;
        if (watch != null) {
          watch.requestProgress();
        }
        // A revision that the store has already is heard of by the request; the bound is for one
        // still to come, which changes elsewhere may bring without a sound here.
        revisionChanged.awaitNanos(Math.min(left, TimeUnit.MILLISECONDS.toNanos(100)));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new StoreException("interrupted while waiting for revision " + revision, e);
    } finally {
      revisionLock.unlock();
    }
  }

  /**
   * One object.
   *
   * @param key its full key in the store
   * @param atLeast the revision to show at least; {@link #latest} for a consistent read, 0 for any
   */
  public Optional<Item> get(String key, long atLeast) {
    awaitRevision(atLeast);
    stateLock.readLock().lock();
    try {
      return Optional.ofNullable(state.get(key));
    } finally {
      stateLock.readLock().unlock();
    }
  }

  /**
   * The selected objects in key order.
   *
   * @param atLeast as in {@link #get}
   * @param limit most items; 0 for all. To go on, call {@link #listAt} with the listing's revision
   *     and the last item's key
   */
  public Listing list(Selection selection, long atLeast, int limit) {
    awaitRevision(atLeast);
    stateLock.readLock().lock();
    try {
      // No change here lies between what is applied and what was awaited: the state is that of
      // both.
      return listState(selection, Math.max(atLeast, applied), "", limit);
    } finally {
      stateLock.readLock().unlock();
    }
  }

  /**
   * The selected objects as of exactly a revision: the next page of a list, or {@code
   * resourceVersionMatch=Exact}. Comes from memory while nothing has changed since, else from the
   * store.
   *
   * @param afterKey only keys after this one; empty for all
   * @throws CompactedException if the revision is too old
   * @throws RevisionTimeoutException if the revision does not come
   */
  public Listing listAt(Selection selection, long revision, String afterKey, int limit) {
    awaitRevision(revision);
    if (revision < store.currentRevision()) {
      // A list ends when its revision is compacted, however little has changed here: clients count
      // on being told, in the same time for every resource. Reads no entry, only throws.
      store.list(prefix, revision, prefix + Character.MAX_VALUE, 1);
    }
    stateLock.readLock().lock();
    try {
      if (ring.lastRevision() <= revision) {
        return listState(selection, revision, afterKey, limit);
      }
    } finally {
      stateLock.readLock().unlock();
    }
    return listStore(selection, revision, afterKey, limit);
  }

  /**
   * Follows the selected objects after a revision.
   *
   * @param afterRevision 0 means from now on
   * @throws CompactedException if changes after that revision are no longer known
   */
  public CacheWatch watch(Selection selection, long afterRevision) {
    dispatchLock.lock();
    try {
      requireOpen();
      long from = afterRevision == 0 ? dispatched : afterRevision;
      if (from >= dispatched || ring.reaches(from)) {
        CacheWatch watch = new CacheWatch(this, selection, from, options.watcherEvents(), null, 0);
        List<CacheEvent> missed = new ArrayList<>();
        for (Change change : ring.after(from)) {
          CacheEvent event = change.seenBy(selection);
          if (event != null) {
            missed.add(event);
          }
        }
        watch.preload(missed);
        watchers.add(watch);
        return watch;
      }
      // Older than the ring: the store still has it, or throws.
      StoreWatch history = store.watch(prefix, from);
      CacheWatch watch =
          new CacheWatch(
              this,
              selection,
              Math.max(from, dispatched),
              options.watcherEvents(),
              history,
              dispatched);
      watchers.add(watch);
      return watch;
    } finally {
      dispatchLock.unlock();
    }
  }

  /** The selected objects of now and what happens to them afterwards, without gap. */
  public Start watchFromState(Selection selection, long atLeast) {
    awaitRevision(atLeast);
    dispatchLock.lock();
    try {
      requireOpen();
      Listing listing;
      stateLock.readLock().lock();
      try {
        listing = listState(selection, Math.max(atLeast, applied), "", 0);
      } finally {
        stateLock.readLock().unlock();
      }
      CacheWatch watch = new CacheWatch(this, selection, applied, options.watcherEvents(), null, 0);
      watchers.add(watch);
      return new Start(listing.items(), listing.revision(), watch);
    } finally {
      dispatchLock.unlock();
    }
  }

  /** How many objects there are. */
  public int size() {
    stateLock.readLock().lock();
    try {
      return state.size();
    } finally {
      stateLock.readLock().unlock();
    }
  }

  /** How many watches run. */
  public int watcherCount() {
    dispatchLock.lock();
    try {
      return watchers.size();
    } finally {
      dispatchLock.unlock();
    }
  }

  /** Stops following the store; running watches end. */
  @Override
  public void close() {
    closed = true;
    closing.countDown();
    StoreWatch watch = source;
    if (watch != null) {
      watch.close();
    }
    endWatchers();
    signalRevision();
  }

  // The follower.

  private void run(StoreWatch first) {
    StoreWatch watch = first;
    int failures = 0;
    while (true) {
      try {
        follow(watch);
        return;
      } catch (WatchClosedException e) {
        // Closed by us, or the store was closed under us: either way nothing more will come.
        close();
        return;
      } catch (StoreException e) {
        // Compaction overtook us, or the engine failed: the gap is closed by loading afresh.
        LOG.log(Level.WARNING, "lost track of " + prefix + ", loading it again", e);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      } catch (RuntimeException e) {
        // A fault of ours; better to start afresh than to serve what no longer changes.
        LOG.log(Level.ERROR, "following " + prefix + " failed, loading it again", e);
      }
      Optional<StoreWatch> again = Optional.empty();
      while (again.isEmpty()) {
        try {
          again = Optional.of(load());
        } catch (StoreException e) {
          LOG.log(Level.WARNING, "cannot load " + prefix + ", trying again", e);
          if (closedWithin(Math.min(10_000, 50L << Math.min(failures, 8)))) {
            return;
          }
          failures++;
        }
      }
      failures = 0;
      watch = again.get();
    }
  }

  private boolean closedWithin(long millis) {
    try {
      return closing.await(millis, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return true;
    }
  }

  private void follow(StoreWatch watch) throws InterruptedException {
    try (watch) {
      while (!closed) {
        List<StoreWatch.Event> events = watch.take(QUIET);
        if (events.isEmpty()) {
          advance(watch.progress());
        } else {
          apply(events);
        }
      }
    }
  }

  /** Reads everything, replaces the state and returns a watch that goes on from there. */
  private StoreWatch load() {
    while (true) {
      try {
        TreeMap<String, Item> loaded = new TreeMap<>();
        Store.Page page = store.list(prefix, 0, "", LOAD_PAGE);
        long revision = page.revision();
        while (true) {
          for (Store.Entry entry : page.entries()) {
            loaded.put(entry.key(), item(entry));
          }
          if (!page.more()) {
            break;
          }
          page = store.list(prefix, revision, page.entries().getLast().key() + "\0", LOAD_PAGE);
        }
        StoreWatch watch = store.watch(prefix, revision);
        replaceState(loaded, revision, watch);
        return watch;
      } catch (CompactedException e) {
        LOG.log(Level.DEBUG, "compaction overtook the loading of {0}; once more", prefix);
      }
    }
  }

  private void replaceState(TreeMap<String, Item> loaded, long revision, StoreWatch watch) {
    dispatchLock.lock();
    try {
      stateLock.writeLock().lock();
      try {
        state.clear();
        state.putAll(loaded);
        ring.restart(revision);
        applied = revision;
        source = watch;
      } finally {
        stateLock.writeLock().unlock();
      }
      dispatched = revision;
      // What happened in between is unknown, so nobody's watch can go on.
      watchers.all().forEach(CacheWatch::expire);
      watchers.clear();
    } finally {
      dispatchLock.unlock();
    }
    signalRevision();
  }

  private void advance(long revision) {
    if (revision > applied) {
      dispatchLock.lock();
      try {
        applied = revision;
        dispatched = revision;
      } finally {
        dispatchLock.unlock();
      }
    }
    signalRevision();
  }

  private void apply(List<StoreWatch.Event> events) {
    // Splicing and indexing happen before any lock is taken; this thread alone changes the state.
    List<Change> changes = new ArrayList<>(events.size());
    TreeMap<String, @Nullable Item> latest = new TreeMap<>();
    for (StoreWatch.Event event : events) {
      Item before =
          latest.containsKey(event.key()) ? latest.get(event.key()) : state.get(event.key());
      Item after =
          switch (event) {
            case StoreWatch.Event.Put put -> item(put);
            case StoreWatch.Event.Delete _ -> null;
          };
      latest.put(event.key(), after);
      changes.add(new Change(before, after, event.revision()));
    }
    dispatchLock.lock();
    try {
      stateLock.writeLock().lock();
      try {
        for (Change change : changes) {
          Item after = change.after();
          if (after == null) {
            state.remove(change.key());
          } else {
            state.put(after.key(), after);
          }
          ring.add(change);
        }
        applied = changes.getLast().revision();
      } finally {
        stateLock.writeLock().unlock();
      }
      signalRevision();
      for (Change change : changes) {
        dispatch(change);
      }
      dispatched = applied;
    } finally {
      dispatchLock.unlock();
    }
  }

  private void dispatch(Change change) {
    List<Blocked> blocked = List.of();
    for (CacheWatch watcher : watchers.interestedIn(change)) {
      CacheEvent event = change.seenBy(watcher.selection());
      if (event != null && !watcher.offer(event)) {
        if (blocked.isEmpty()) {
          blocked = new ArrayList<>();
        }
        blocked.add(new Blocked(watcher, event));
      }
    }
    for (Blocked slow : blocked) {
      long began = System.nanoTime();
      boolean taken = slow.watcher().offer(slow.event(), budget.available(began));
      budget.spend(began, System.nanoTime());
      if (!taken) {
        LOG.log(Level.DEBUG, "closing a slow watch on {0}", prefix);
        slow.watcher().expire();
        watchers.remove(slow.watcher());
      }
    }
  }

  private record Blocked(CacheWatch watcher, CacheEvent event) {}

  private void signalRevision() {
    revisionLock.lock();
    try {
      revisionChanged.signalAll();
    } finally {
      revisionLock.unlock();
    }
  }

  // For watches.

  /** Every change up to this revision has been offered to the watchers. */
  long progress() {
    StoreWatch watch = source;
    // While the follower waits in the source, everything the source has seen is dispatched.
    return watch == null ? dispatched : Math.max(dispatched, watch.progress());
  }

  void unregister(CacheWatch watch) {
    dispatchLock.lock();
    try {
      watchers.remove(watch);
    } finally {
      dispatchLock.unlock();
    }
  }

  /** A change as the store tells of it long afterwards. */
  Change change(StoreWatch.Event event) {
    return switch (event) {
      case StoreWatch.Event.Put put -> {
        Item before =
            put.previous()
                .map(bytes -> item(put.key(), bytes, put.createRevision(), put.revision()))
                .orElse(null);
        yield new Change(before, item(put), put.revision());
      }
      case StoreWatch.Event.Delete delete ->
          new Change(
              item(delete.key(), delete.previous(), delete.createRevision(), delete.revision()),
              null,
              delete.revision());
    };
  }

  private void requireOpen() {
    if (closed) {
      throw new StoreException("the watch cache of " + prefix + " is closed");
    }
  }

  private void endWatchers() {
    dispatchLock.lock();
    try {
      watchers.all().forEach(CacheWatch::end);
      watchers.clear();
    } finally {
      dispatchLock.unlock();
    }
  }

  // Lists.

  private Listing listState(Selection selection, long revision, String afterKey, int limit) {
    NavigableMap<String, Item> range = range(selection, afterKey);
    int most = limit <= 0 ? Integer.MAX_VALUE : limit;
    List<Item> items =
        new ArrayList<>(limit <= 0 && selection.equals(Selection.ALL) ? state.size() : 16);
    boolean more = false;
    long remaining = 0;
    if (most == Integer.MAX_VALUE && selection.wholeScope()) {
      // The range is what is selected: no look at each item, which would be one into cold memory.
      for (Item item : range.values()) {
        items.add(item);
      }
      return new Listing(items, revision, false, 0);
    }
    for (Item item : range.values()) {
      if (items.size() >= most) {
        if (selection.wholeScope()) {
          more = true;
          remaining++;
          continue;
        }
        if (selection.matches(item.row())) {
          more = true;
          remaining = -1;
          break;
        }
      } else if (selection.matches(item.row())) {
        items.add(item);
      }
    }
    return new Listing(items, revision, more, remaining);
  }

  private Listing listStore(Selection selection, long revision, String afterKey, int limit) {
    int most = limit <= 0 ? Integer.MAX_VALUE : limit;
    List<Item> items = new ArrayList<>();
    String scope = scope(selection);
    String start = afterKey.isEmpty() ? "" : afterKey + "\0";
    // Where every entry counts, one more than the page tells whether others follow.
    int chunk = selection.wholeScope() ? Math.min(LOAD_PAGE, most - 1) + 1 : LOAD_PAGE;
    while (true) {
      Store.Page page = store.list(scope, revision, start, chunk);
      for (Store.Entry entry : page.entries()) {
        Item item = item(entry);
        if (selection.matches(item.row())) {
          if (items.size() == most) {
            return new Listing(items, revision, true, -1);
          }
          items.add(item);
        }
      }
      if (!page.more()) {
        return new Listing(items, revision, false, 0);
      }
      start = page.entries().getLast().key() + "\0";
    }
  }

  private String scope(Selection selection) {
    return selection.namespace().isEmpty() ? prefix : prefix + selection.namespace() + "/";
  }

  private NavigableMap<String, Item> range(Selection selection, String afterKey) {
    String scope = scope(selection);
    String low = afterKey.compareTo(scope) > 0 ? afterKey : scope;
    String high = scope + Character.MAX_VALUE;
    if (!selection.namespace().isEmpty() && !selection.name().isEmpty()) {
      String key = scope + selection.name();
      return low.compareTo(key) > 0
          ? new TreeMap<>()
          : state.subMap(key, !key.equals(afterKey), key, true);
    }
    return low.compareTo(high) >= 0 ? new TreeMap<>() : state.subMap(low, false, high, false);
  }

  private Item item(Store.Entry entry) {
    return item(entry.key(), entry.value(), entry.createRevision(), entry.revision());
  }

  private Item item(StoreWatch.Event.Put put) {
    return item(put.key(), put.value(), put.createRevision(), put.revision());
  }

  private Item item(String key, byte[] stored, long createRevision, long revision) {
    return item(indexer, key, stored, createRevision, revision);
  }

  private static Item item(
      Indexer indexer, String key, byte[] stored, long createRevision, long revision) {
    try {
      byte[] served = indexer.form(ResourceVersions.splice(stored, revision));
      return new Item(key, served, indexer.row(key, served), createRevision, revision);
    } catch (RuntimeException e) {
      // Rather no list of this resource than one that leaves an object out.
      throw new StoreException("the stored value of " + key + " cannot be read", e);
    }
  }

  /** The watchers, for tests. */
  Collection<CacheWatch> watching() {
    dispatchLock.lock();
    try {
      return List.copyOf(watchers.all());
    } finally {
      dispatchLock.unlock();
    }
  }
}
