package dev.kedge.reconcile;

import dev.kedge.client.Informer;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.ResourceType;
import dev.kedge.reconcile.Reconciler.Result;
import dev.kedge.reconcile.Timeline.Timer;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Function;

/**
 * Feeds a {@link Reconciler} with keys: each waiting key once, a virtual thread per running key up
 * to a bound, never two for one key. A key added while it runs runs once more afterwards. Failed
 * keys come again after 5 ms, doubling up to a minute.
 *
 * <p>Nothing runs before {@link #start} has seen every informer synced. Any thread.
 */
public final class Controller implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.kedge.reconcile");
  private static final Duration FIRST_PAUSE = Duration.ofMillis(5);
  private static final Duration LONGEST_PAUSE = Duration.ofMinutes(1);
  private static final Duration STOP_PATIENCE = Duration.ofSeconds(5);

  private final String name;
  private final Reconciler reconciler;
  private final Timeline timeline;
  private final int workers;
  private final List<Informer> informers;

  // All guarded by this.
  private final Deque<ObjectKey> queue = new ArrayDeque<>();
  private final Set<ObjectKey> waiting = new HashSet<>();
  private final Set<ObjectKey> running = new HashSet<>();
  private final Map<ObjectKey, Delayed> delayed = new HashMap<>();
  private final Map<ObjectKey, Integer> failures = new HashMap<>();
  private final Set<Thread> threads = new HashSet<>();
  private State state = State.NEW;

  private enum State {
    NEW,
    STARTING,
    RUNNING,
    CLOSED
  }

  private record Delayed(Instant due, Timer timer) {}

  private Controller(Builder builder) {
    this.name = builder.name;
    this.reconciler = builder.reconciler;
    this.timeline = builder.timeline;
    this.workers = builder.workers;
    this.informers = List.copyOf(builder.informers);
    builder.sources.forEach(source -> source.attach(this));
  }

  /** A controller to be given its sources. */
  public static Builder builder(String name, Timeline timeline, Reconciler reconciler) {
    return new Builder(name, timeline, reconciler);
  }

  /** The name, as in logs. */
  public String name() {
    return name;
  }

  /** Waits for the informers on a thread of its own, then works; returns at once. */
  public void start() {
    synchronized (this) {
      if (state != State.NEW) {
        throw new IllegalStateException(name + " was started before");
      }
      state = State.STARTING;
      threads.add(Thread.ofVirtual().name(name + "-start").start(this::begin));
    }
  }

  private void begin() {
    try {
      for (Informer informer : informers) {
        informer.awaitSynced();
      }
    } catch (InterruptedException _) {
      return; // only close() interrupts
    }
    synchronized (this) {
      threads.remove(Thread.currentThread());
      if (state == State.STARTING) {
        state = State.RUNNING;
        dispatch();
      }
      notifyAll();
    }
  }

  /** Adds a key, to run as soon as there is room. */
  public synchronized void add(ObjectKey key) {
    if (state == State.CLOSED || !waiting.add(key)) {
      return;
    }
    if (!running.contains(key)) {
      queue.add(key);
      dispatch();
    }
  }

  /** Adds a key later; of several such wishes the soonest counts. */
  public synchronized void addAfter(ObjectKey key, Duration delay) {
    if (state == State.CLOSED) {
      return;
    }
    if (delay.isZero() || delay.isNegative()) {
      add(key);
      return;
    }
    Instant due = timeline.instant().plus(delay);
    Delayed before = delayed.get(key);
    if (before != null) {
      if (!due.isBefore(before.due())) {
        return;
      }
      before.timer().cancel();
    }
    delayed.put(key, new Delayed(due, timeline.after(delay, () -> ripe(key, due))));
  }

  private synchronized void ripe(ObjectKey key, Instant due) {
    Delayed current = delayed.get(key);
    if (current != null && current.due().equals(due)) {
      delayed.remove(key);
    }
    add(key);
  }

  /** Waits until nothing runs or waits to run; keys delayed to a later time do not count. */
  public synchronized void awaitIdle() throws InterruptedException {
    while (state != State.CLOSED
        && (state != State.RUNNING || !running.isEmpty() || !queue.isEmpty())) {
      wait();
    }
  }

  /** Stops: nothing new starts, what runs is interrupted and given some seconds to end. */
  @Override
  public void close() {
    List<Thread> alive;
    synchronized (this) {
      state = State.CLOSED;
      queue.clear();
      waiting.clear();
      delayed.values().forEach(entry -> entry.timer().cancel());
      delayed.clear();
      alive = List.copyOf(threads);
      alive.forEach(Thread::interrupt);
      notifyAll();
    }
    try {
      for (Thread thread : alive) {
        if (!thread.join(STOP_PATIENCE)) {
          LOG.log(Level.WARNING, "{0} does not stop: {1}", name, thread.getName());
        }
      }
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
    }
  }

  /** Starts a thread for each waiting key while there is room; the caller holds the lock. */
  private void dispatch() {
    while (state == State.RUNNING && running.size() < workers && !queue.isEmpty()) {
      ObjectKey key = queue.remove();
      waiting.remove(key);
      running.add(key);
      Thread thread = Thread.ofVirtual().name(name + " " + key).unstarted(() -> run(key));
      threads.add(thread);
      thread.start();
    }
  }

  private void run(ObjectKey key) {
    Optional<Result> result = Optional.empty();
    boolean stopped = false;
    try {
      result = Optional.of(reconciler.reconcile(key));
    } catch (InterruptedException _) {
      stopped = true;
    } catch (ApiException e) {
      // Conflicts and what vanished or is about to are everyday: somebody else was quicker.
      boolean everyday = e.isConflict() || e.isNotFound() || e.isNamespaceGoing();
      Level level = everyday ? Level.DEBUG : Level.WARNING;
      report(level, key, e.status().message());
    } catch (RuntimeException e) {
      if (!closed()) {
        LOG.log(Level.ERROR, name + ": reconciling " + key + " failed", e);
      }
    } finally {
      finished(key, result, stopped);
    }
  }

  private void report(Level level, ObjectKey key, String message) {
    if (!closed()) {
      LOG.log(level, "{0}: reconciling {1}: {2}", name, key, message);
    }
  }

  private synchronized boolean closed() {
    return state == State.CLOSED;
  }

  private synchronized void finished(ObjectKey key, Optional<Result> result, boolean stopped) {
    threads.remove(Thread.currentThread());
    running.remove(key);
    if (state != State.CLOSED && !stopped) {
      if (result.isPresent()) {
        failures.remove(key);
        if (result.get() instanceof Result.Again(Duration after)) {
          addAfter(key, after.isZero() ? Duration.ofNanos(1) : after);
        }
      } else {
        int count = failures.merge(key, 1, Integer::sum);
        Duration pause = FIRST_PAUSE.multipliedBy(1L << Math.min(count - 1, 20));
        addAfter(key, pause.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : pause);
      }
      if (waiting.contains(key) && !queue.contains(key)) {
        queue.add(key);
      }
      dispatch();
    }
    notifyAll();
  }

  /** Collects a controller's parts. */
  public static final class Builder {
    private final String name;
    private final Timeline timeline;
    private final Reconciler reconciler;
    private int workers = 5;
    private final List<Informer> informers = new ArrayList<>();
    private final List<Source> sources = new ArrayList<>();

    private interface Source {
      void attach(Controller controller);
    }

    private Builder(String name, Timeline timeline, Reconciler reconciler) {
      this.name = name;
      this.timeline = timeline;
      this.reconciler = reconciler;
    }

    /** How many keys may run at once; 5 if not set. */
    public Builder workers(int workers) {
      this.workers = workers;
      return this;
    }

    /** Every change of an object adds its own key. */
    public Builder watches(Informer informer) {
      return watches(informer, object -> List.of(object.key()));
    }

    /** Every change of an object adds the keys that this gives for its state before and after. */
    public Builder watches(
        Informer informer, Function<KubeObject, ? extends Collection<ObjectKey>> keys) {
      return changes(
          informer,
          (before, after) -> {
            Set<ObjectKey> all = new HashSet<>();
            before.map(keys).ifPresent(all::addAll);
            after.map(keys).ifPresent(all::addAll);
            return all;
          });
    }

    /** Every change of an object adds the key of its controller, if that is of a given kind. */
    public Builder owned(Informer informer, ResourceType owner) {
      return watches(informer, object -> controllerKey(object, owner));
    }

    /** Every change adds the keys that this gives for it. */
    public Builder changes(
        Informer informer,
        BiFunction<Optional<KubeObject>, Optional<KubeObject>, ? extends Collection<ObjectKey>>
            keys) {
      informers.add(informer);
      sources.add(
          controller ->
              informer.listen(
                  (before, after) -> keys.apply(before, after).forEach(controller::add)));
      return this;
    }

    /** The reconciler reads these: they are waited for, their changes add nothing. */
    public Builder reads(Informer... informers) {
      this.informers.addAll(List.of(informers));
      return this;
    }

    /** A key to reconcile once at the start whatever changes. */
    public Builder initially(ObjectKey key) {
      sources.add(controller -> controller.add(key));
      return this;
    }

    /** The controller; its sources are attached, {@link Controller#start} sets it to work. */
    public Controller build() {
      return new Controller(this);
    }

    private static List<ObjectKey> controllerKey(KubeObject object, ResourceType owner) {
      Optional<JsonObject> reference = object.controller();
      if (reference.isEmpty()
          || !reference.get().text("kind").equals(owner.kind())
          || !group(reference.get().text("apiVersion")).equals(owner.group())) {
        return List.of();
      }
      return List.of(
          new ObjectKey(
              owner.namespaced() ? object.namespace() : "", reference.get().text("name")));
    }

    private static String group(String apiVersion) {
      int slash = apiVersion.indexOf('/');
      return slash < 0 ? "" : apiVersion.substring(0, slash);
    }
  }
}
