package dev.kedge.client;

import dev.kedge.client.KubeClient.ObjectList;
import dev.kedge.client.KubeClient.Selection;
import dev.kedge.client.ObjectWatch.Event;
import dev.kedge.model.ApiException;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.ResourceType;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Lists, then watches from there; a broken watch goes on from the last version, an expired one
 * lists again and reports only the differences.
 *
 * <p>Everything is written by the informer's own virtual thread, under the lock that also
 * serialises listeners; reads go to concurrent maps and take no lock.
 */
final class ReflectingInformer implements Informer, AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.kedge.client");
  private static final Duration SHORTEST_PAUSE = Duration.ofMillis(200);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);

  private final KubeClient client;
  private final ResourceType type;
  private final String namespace;
  private final Selection selection;
  private final Thread thread;

  private final Map<ObjectKey, KubeObject> objects = new ConcurrentHashMap<>();
  private final Map<String, Map<ObjectKey, KubeObject>> byNamespace = new ConcurrentHashMap<>();
  private final Map<String, Map<ObjectKey, KubeObject>> byController = new ConcurrentHashMap<>();
  private final List<Listener> listeners = new ArrayList<>();
  private final CountDownLatch synced = new CountDownLatch(1);
  private volatile String resourceVersion = "";
  private volatile @Nullable ObjectWatch watch;
  private volatile boolean closed;

  ReflectingInformer(KubeClient client, ResourceType type, String namespace, Selection selection) {
    this.client = client;
    this.type = type;
    this.namespace = namespace;
    this.selection = selection;
    this.thread = Thread.ofVirtual().name("informer-" + type.groupResource()).unstarted(this::run);
  }

  void start() {
    thread.start();
  }

  @Override
  public Optional<KubeObject> get(ObjectKey key) {
    return Optional.ofNullable(objects.get(key));
  }

  @Override
  public Collection<KubeObject> all() {
    return Collections.unmodifiableCollection(objects.values());
  }

  @Override
  public Collection<KubeObject> inNamespace(String namespace) {
    return Collections.unmodifiableCollection(
        byNamespace.getOrDefault(namespace, Map.of()).values());
  }

  @Override
  public List<KubeObject> controlledBy(String ownerUid) {
    return List.copyOf(byController.getOrDefault(ownerUid, Map.of()).values());
  }

  @Override
  public synchronized void listen(Listener listener) {
    objects.values().forEach(object -> listener.changed(Optional.empty(), Optional.of(object)));
    listeners.add(listener);
  }

  @Override
  public void awaitSynced() throws InterruptedException {
    synced.await();
  }

  @Override
  public boolean synced() {
    return synced.getCount() == 0;
  }

  @Override
  public synchronized boolean await(Duration atMost, BooleanSupplier condition)
      throws InterruptedException {
    long deadline = System.nanoTime() + atMost.toNanos();
    while (!condition.getAsBoolean()) {
      long left = deadline - System.nanoTime();
      if (left <= 0) {
        return false;
      }
      wait(left / 1_000_000 + 1);
    }
    return true;
  }

  @Override
  public String resourceVersion() {
    return resourceVersion;
  }

  @Override
  public void close() {
    closed = true;
    thread.interrupt();
    ObjectWatch current = watch;
    if (current != null) {
      current.close();
    }
  }

  private void run() {
    Duration pause = SHORTEST_PAUSE;
    boolean listNeeded = true;
    while (!closed) {
      try {
        if (listNeeded) {
          ObjectList list = client.list(type, namespace, selection);
          replace(list);
          listNeeded = false;
        }
        long opened = System.nanoTime();
        follow();
        // A server that ends watches at once must not be asked in a tight loop.
        if (System.nanoTime() - opened > SHORTEST_PAUSE.toNanos()) {
          pause = SHORTEST_PAUSE;
          continue;
        }
      } catch (ApiException e) {
        if (e.isExpired()) {
          LOG.log(Level.DEBUG, "watch of {0} expired, listing again", type);
          listNeeded = true;
          if (synced.getCount() == 0 && pause.equals(SHORTEST_PAUSE)) {
            pause = next(pause);
            continue;
          }
        } else {
          LOG.log(Level.WARNING, "watch of {0}: {1}", type, e.getMessage());
          // A resource that is no longer served, or a version from another life of the store.
          listNeeded |= e.code() == 404 || e.code() == 400;
        }
      } catch (UncheckedIOException e) {
        if (!closed) {
          LOG.log(Level.INFO, "watch of {0}: {1}", type, String.valueOf(e.getCause()));
        }
      } catch (InterruptedException _) {
        return; // only close() interrupts
      } catch (RuntimeException e) {
        if (!closed) {
          LOG.log(Level.ERROR, "watch of " + type + " failed", e);
          listNeeded = true;
        }
      }
      try {
        Thread.sleep(pause.plusMillis(ThreadLocalRandom.current().nextLong(pause.toMillis())));
      } catch (InterruptedException _) {
        return; // only close() interrupts
      }
      pause = next(pause);
    }
  }

  private static Duration next(Duration pause) {
    Duration twice = pause.multipliedBy(2);
    return twice.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : twice;
  }

  private void follow() throws InterruptedException {
    try (ObjectWatch open = client.watch(type, namespace, selection, resourceVersion)) {
      watch = open; // before closed is read: close() sets them in the other order
      while (!closed) {
        Optional<Event> event = open.next();
        if (event.isEmpty()) {
          return;
        }
        apply(event.get());
      }
    } finally {
      watch = null;
    }
  }

  private synchronized void replace(ObjectList list) {
    Set<ObjectKey> gone = new HashSet<>(objects.keySet());
    for (KubeObject object : list.items()) {
      gone.remove(object.key());
      KubeObject before = objects.get(object.key());
      if (before != null && before.resourceVersion().equals(object.resourceVersion())) {
        continue;
      }
      if (before != null && !before.uid().equals(object.uid())) {
        // Deleted and made again while nobody looked: two changes, as a watch would have told.
        remove(object.key());
      }
      put(object);
    }
    gone.forEach(this::remove);
    resourceVersion = list.resourceVersion();
    synced.countDown();
    notifyAll();
  }

  private synchronized void apply(Event event) {
    KubeObject object = event.object();
    switch (event.type()) {
      case ADDED, MODIFIED -> put(object);
      case DELETED -> {
        // The last state first, so that listeners see what was deleted as it was then.
        if (objects.containsKey(object.key())) {
          store(object);
        }
        remove(object.key());
      }
      case BOOKMARK -> {
        // only the version below
      }
    }
    resourceVersion = object.resourceVersion();
    notifyAll();
  }

  private void put(KubeObject object) {
    Optional<KubeObject> before = Optional.ofNullable(store(object));
    tell(before, Optional.of(object));
  }

  private @Nullable KubeObject store(KubeObject object) {
    ObjectKey key = object.key();
    KubeObject before = objects.put(key, object);
    byNamespace.computeIfAbsent(key.namespace(), _ -> new ConcurrentHashMap<>()).put(key, object);
    String owner = controllerUid(object);
    if (before != null) {
      String ownerBefore = controllerUid(before);
      if (!ownerBefore.equals(owner)) {
        drop(byController, ownerBefore, key);
      }
    }
    byController.computeIfAbsent(owner, _ -> new ConcurrentHashMap<>()).put(key, object);
    return before;
  }

  private void remove(ObjectKey key) {
    KubeObject before = objects.remove(key);
    if (before == null) {
      return;
    }
    drop(byNamespace, key.namespace(), key);
    drop(byController, controllerUid(before), key);
    tell(Optional.of(before), Optional.empty());
  }

  private static void drop(
      Map<String, Map<ObjectKey, KubeObject>> index, String value, ObjectKey key) {
    index.computeIfPresent(
        value,
        (_, keys) -> {
          keys.remove(key);
          return keys.isEmpty() ? null : keys;
        });
  }

  private static String controllerUid(KubeObject object) {
    return object.controller().map(owner -> owner.text("uid")).orElse("");
  }

  private void tell(Optional<KubeObject> before, Optional<KubeObject> after) {
    for (Listener listener : listeners) {
      try {
        listener.changed(before, after);
      } catch (RuntimeException e) {
        // One listener's fault must not blind the others.
        LOG.log(Level.ERROR, "a listener of " + type + " failed", e);
      }
    }
  }
}
