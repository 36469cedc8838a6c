package dev.kedge.store.snapshot;

import dev.kedge.store.CompactedException;
import dev.kedge.store.Store;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;

/**
 * What a store holds now, read page by page while others go on writing to it. Takes its revision at
 * the beginning and must come to its end before that is compacted.
 */
public final class StoreRecords implements Records {
  private static final int PAGE = 500;

  private final Store store;
  private final long revision;
  private final Deque<Entry> page = new ArrayDeque<>();
  private String last = "";
  private boolean more;

  public StoreRecords(Store store) {
    this.store = store;
    this.revision = take(store.list("/", 0, "", PAGE)).revision();
  }

  /** What all records are as of. */
  public long revision() {
    return revision;
  }

  /**
   * {@inheritDoc}
   *
   * @throws CompactedException if reading took longer than the store keeps the past
   */
  @Override
  public Optional<Entry> next() {
    if (page.isEmpty() && more) {
      // The first key that may follow.
      take(store.list("/", revision, last + "\0", PAGE));
    }
    return Optional.ofNullable(page.poll());
  }

  private Store.Page take(Store.Page read) {
    for (Store.Entry entry : read.entries()) {
      page.add(new Entry(entry.key(), entry.value()));
      last = entry.key();
    }
    more = read.more();
    return read;
  }

  @Override
  public void close() {
    // The store is whose it was.
  }
}
