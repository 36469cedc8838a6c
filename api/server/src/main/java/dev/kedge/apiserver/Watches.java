package dev.kedge.apiserver;

import dev.kedge.apiserver.Form.Shape;
import dev.kedge.http.Headers;
import dev.kedge.http.WebSocket;
import dev.kedge.model.ApiException;
import dev.kedge.registry.Registry;
import dev.kedge.registry.Registry.Request;
import dev.kedge.registry.Registry.ServedWatch;
import dev.kedge.registry.Registry.WatchEvent;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Streams watches: frames of one event each, sent as they come, those that come together in one
 * piece, or each as a message of a WebSocket. Ends with the client, with the time asked for, or
 * with an ERROR event. Any thread.
 */
final class Watches {
  private static final Duration LONGEST_TAKE = Duration.ofMinutes(1);

  private final Registry registry;
  private final Renderer renderer;
  private final Metrics metrics;
  private final Duration minWatch;

  Watches(Registry registry, Renderer renderer, Metrics metrics, Duration minWatch) {
    this.registry = registry;
    this.renderer = renderer;
    this.metrics = metrics;
    this.minWatch = minWatch;
  }

  /** Follows a collection, or with a name one object of it. */
  void follow(Call call, Request request, String name) throws Exception {
    Form asked = Form.of(call, renderer.hasProtobuf(request.resource()), true, false);
    Form form = new Form(asked.mediaType(), asked.shape(), false);
    String include = ResourceHandler.include(call);
    long seconds = Options.number(call.query(), "timeoutSeconds").orElse(0L);
    // Clients with no wish end at different times, so that they do not come back all at once.
    long nanos =
        seconds > 0
            ? Duration.ofSeconds(seconds).toNanos()
            : (long) (minWatch.toNanos() * (1 + ThreadLocalRandom.current().nextDouble()));
    long deadline = System.nanoTime() + nanos;
    ServedWatch opened;
    try {
      opened = registry.watch(request, Options.watch(call.query(), name));
    } catch (ApiException e) {
      if (!e.isExpired()) {
        throw e;
      }
      // As upstream: the watch begins, and its only event says that history is gone.
      try (Frames out = start(call, form, () -> {})) {
        out.send(List.of(renderer.error(e.status().json(), form)));
      }
      return;
    }
    metrics.watch(call.info(), 1);
    try (ServedWatch watch = opened) {
      call.onGone(watch::close);
      try (Frames out = start(call, form, watch::close)) {
        stream(call, request, form, include, deadline, watch, out);
      }
    } finally {
      metrics.watch(call.info(), -1);
    }
  }

  private void stream(
      Call call,
      Request request,
      Form form,
      String include,
      long deadline,
      ServedWatch watch,
      Frames out)
      throws IOException, InterruptedException {
    boolean first = true;
    while (!watch.ended()) {
      long left = deadline - System.nanoTime();
      if (left <= 0) {
        return;
      }
      List<WatchEvent> events;
      try {
        events = watch.take(Duration.ofNanos(Math.min(left, LONGEST_TAKE.toNanos())));
      } catch (ApiException e) {
        out.send(List.of(renderer.error(e.status().json(), form)));
        return;
      }
      if (events.isEmpty()) {
        continue;
      }
      List<byte[]> frames = new ArrayList<>(events.size());
      for (WatchEvent event : events) {
        boolean withColumns = first || form.shape() != Shape.TABLE;
        frames.add(renderer.event(request.resource(), event, form, include, withColumns));
        first = false;
      }
      out.send(frames);
      metrics.watchEvents(call.info(), events.size());
    }
  }

  private static Frames start(Call call, Form form, Runnable gone) throws IOException {
    return WebSocket.requested(call)
        ? WatchSocket.accept(call, !form.mediaType().equals(MediaType.PROTOBUF), gone)
        : Body.start(call, form);
  }

  /** Where frames go. For one thread. */
  interface Frames extends AutoCloseable {
    /** Sends frames that came together, at once. */
    void send(List<byte[]> frames) throws IOException;

    /** Tells the client that the watch is over. */
    @Override
    void close() throws IOException;
  }

  /** The body of an ordinary answer. */
  private record Body(OutputStream out) implements Frames {
    static Body start(Call call, Form form) throws IOException {
      String type =
          form.mediaType().equals(MediaType.JSON) && form.shape() == Shape.OBJECT
              ? MediaType.JSON
              : form.mediaType() + ";stream=watch";
      OutputStream out = call.stream(200, Headers.of("Content-Type", type));
      out.flush();
      return new Body(out);
    }

    @Override
    public void send(List<byte[]> frames) throws IOException {
      // One piece per batch: a quiet watch keeps no buffer.
      out.write(frames.size() == 1 ? frames.getFirst() : joined(frames));
      out.flush();
    }

    private static byte[] joined(List<byte[]> frames) {
      byte[] all = new byte[frames.stream().mapToInt(frame -> frame.length).sum()];
      int at = 0;
      for (byte[] frame : frames) {
        System.arraycopy(frame, 0, all, at, frame.length);
        at += frame.length;
      }
      return all;
    }

    @Override
    public void close() throws IOException {
      out.close();
    }
  }
}
