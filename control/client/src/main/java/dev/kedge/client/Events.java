package dev.kedge.client;

import dev.kedge.client.KubeClient.Patch;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonNull;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import org.jspecify.annotations.Nullable;

/**
 * Records {@code v1 Event} objects, as users see them in {@code kubectl describe}. Recording never
 * blocks and never fails its caller: one virtual thread writes, and when more than a thousand wait,
 * new ones are dropped.
 *
 * <p>Like client-go's correlator it counts a repeated event up instead of writing it again, joins
 * more than ten that differ only in their message within ten minutes, and lets one component say 25
 * things about an object at once, then one per five minutes.
 */
public final class Events implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.kedge.client");
  private static final int QUEUE = 1000;
  private static final int REMEMBERED = 4096;
  private static final int SIMILAR = 10;
  private static final String COMBINED = "(combined from similar events): ";
  private static final Duration SIMILAR_WINDOW = Duration.ofMinutes(10);
  private static final int BURST = 25;
  private static final Duration REFILL = Duration.ofMinutes(5);

  private final KubeClient client;
  private final String component;
  private final String host;
  private final InstantSource clock;
  private final BlockingQueue<Entry> queue = new ArrayBlockingQueue<>(QUEUE);
  private final Thread writer;

  // Touched by the writer only.
  private final Map<Entry, Written> written = remembering();
  private final Map<Similar, SimilarSeen> similar = remembering();
  private final Map<String, Bucket> buckets = remembering();

  private record Entry(JsonObject about, String type, String reason, String message) {}

  private record Written(String namespace, String name, Instant first, long count) {}

  private record Similar(JsonObject about, String type, String reason) {}

  private record SimilarSeen(Map<String, Boolean> messages, Instant last) {}

  private record Bucket(double tokens, Instant at) {}

  /**
   * A recorder.
   *
   * @param component who speaks, such as {@code default-scheduler}
   * @param host the node's name, empty for cluster components
   */
  public Events(KubeClient client, String component, String host, InstantSource clock) {
    this.client = client;
    this.component = component;
    this.host = host;
    this.clock = clock;
    this.writer = Thread.ofVirtual().name("events-" + component).start(this::run);
  }

  /** Records that something went as it should. */
  public void normal(KubeObject about, String reason, String message) {
    record(reference(about), "Normal", reason, message);
  }

  /** Records that something needs attention. */
  public void warning(KubeObject about, String reason, String message) {
    record(reference(about), "Warning", reason, message);
  }

  /**
   * Records an event about what an {@code ObjectReference} names, for instance with a {@code
   * fieldPath}.
   *
   * @param type Normal or Warning
   */
  public void record(JsonObject about, String type, String reason, String message) {
    // Upstream's limit of an event's message.
    String cut = message.length() > 1024 ? message.substring(0, 1024) : message;
    if (!queue.offer(new Entry(about, type, reason, cut))) {
      LOG.log(Level.DEBUG, "event dropped, too many wait: {0} {1}", reason, message);
    }
  }

  /** The {@code ObjectReference} of an object. */
  public static JsonObject reference(KubeObject object) {
    return JsonObject.builder()
        .put("kind", object.kind())
        .putNonEmpty("namespace", object.namespace())
        .put("name", object.name())
        .putNonEmpty("uid", object.uid())
        .put("apiVersion", object.apiVersion())
        .putNonEmpty("resourceVersion", object.resourceVersion())
        .build();
  }

  @Override
  public void close() {
    writer.interrupt();
  }

  private void run() {
    while (true) {
      @Nullable Entry entry = null;
      try {
        entry = queue.take();
        write(entry);
      } catch (InterruptedException _) {
        return; // only close() interrupts
      } catch (ApiException e) {
        // A namespace that is going away, or quota: nobody can be told.
        LOG.log(Level.DEBUG, "event {0} not recorded: {1}", entry, e.getMessage());
      } catch (UncheckedIOException e) {
        LOG.log(Level.DEBUG, "event {0} not recorded: {1}", entry, e.getMessage());
      } catch (RuntimeException e) {
        LOG.log(Level.ERROR, "recording an event failed", e);
      }
    }
  }

  private void write(Entry raw) {
    Instant now = clock.instant();
    // The version changes with every status update; the event is about the object all the same.
    JsonObject identity = raw.about().without("resourceVersion");
    if (!spend(identity.toString(), now)) {
      return;
    }
    boolean combined = manySimilar(raw, identity, now);
    String message = (combined ? COMBINED : "") + raw.message();
    // Joined events count as one whatever the latest of them says.
    Entry key = new Entry(identity, raw.type(), raw.reason(), combined ? COMBINED : message);
    Written before = written.get(key);
    if (before != null) {
      try {
        client.patch(
            Resources.EVENTS,
            before.namespace(),
            before.name(),
            Patch.merge(
                JsonObject.of(
                    "count",
                    before.count() + 1,
                    "lastTimestamp",
                    Times.text(now),
                    "message",
                    message)));
        written.put(
            key,
            new Written(before.namespace(), before.name(), before.first(), before.count() + 1));
        return;
      } catch (ApiException e) {
        if (!e.isNotFound()) {
          throw e;
        }
        // Expired meanwhile: a new one below.
      }
    }
    String namespace = raw.about().text("namespace");
    if (namespace.isEmpty()) {
      namespace = "default";
    }
    long nanos = now.getEpochSecond() * 1_000_000_000L + now.getNano();
    String name =
        raw.about().text("name") + "." + Long.toHexString(nanos + System.nanoTime() % 1000);
    JsonObject event =
        JsonObject.builder()
            .put("apiVersion", "v1")
            .put("kind", "Event")
            .put("metadata", JsonObject.of("name", name, "namespace", namespace))
            .put("involvedObject", raw.about())
            .put("reason", raw.reason())
            .put("message", message)
            .put(
                "source",
                JsonObject.builder().put("component", component).putNonEmpty("host", host).build())
            .put("firstTimestamp", Times.text(now))
            .put("lastTimestamp", Times.text(now))
            .put("count", 1)
            .put("type", raw.type())
            .put("eventTime", JsonNull.NULL)
            .put("reportingComponent", component)
            .put("reportingInstance", host)
            .build();
    client.create(Resources.EVENTS, new KubeObject(event));
    written.put(key, new Written(namespace, name, now, 1));
  }

  private boolean spend(String about, Instant now) {
    Bucket bucket = buckets.getOrDefault(about, new Bucket(BURST, now));
    double refilled =
        bucket.tokens()
            + Duration.between(bucket.at(), now).toMillis() / (double) REFILL.toMillis();
    double tokens = Math.min(BURST, refilled);
    boolean enough = tokens >= 1;
    buckets.put(about, new Bucket(enough ? tokens - 1 : tokens, now));
    return enough;
  }

  private boolean manySimilar(Entry entry, JsonObject identity, Instant now) {
    Similar key = new Similar(identity, entry.type(), entry.reason());
    SimilarSeen seen = similar.get(key);
    if (seen == null || Duration.between(seen.last(), now).compareTo(SIMILAR_WINDOW) > 0) {
      seen = new SimilarSeen(new LinkedHashMap<>(), now);
    }
    seen.messages().put(entry.message(), true);
    similar.put(key, new SimilarSeen(seen.messages(), now));
    if (seen.messages().size() <= SIMILAR) {
      return false;
    }
    seen.messages().keySet().remove(seen.messages().keySet().iterator().next());
    return true;
  }

  private static <K, V> Map<K, V> remembering() {
    return new LinkedHashMap<>(16, 0.75f, true) {
      @Override
      protected boolean removeEldestEntry(Map.Entry<K, V> eldest) {
        return size() > REMEMBERED;
      }
    };
  }
}
