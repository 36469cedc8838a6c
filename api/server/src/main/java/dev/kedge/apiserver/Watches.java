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
    Form form = new Form(asked.mediaType(), asked.shape(), asked.version(), false);
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
        out.send(renderer.error(e.status().json(), form));
        out.flush();
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
        out.send(renderer.error(e.status().json(), form));
        out.flush();
        return;
      }
      if (events.isEmpty()) {
        continue;
      }
      for (WatchEvent event : events) {
        boolean withColumns = first || form.shape() != Shape.TABLE;
        out.send(renderer.event(request.resource(), event, form, include, withColumns));
        first = false;
      }
      out.flush();
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
    /** Takes a frame; those that come together may wait for {@link #flush}. */
    void send(byte[] frame) throws IOException;

    /** Sends what waits. */
    void flush() throws IOException;

    /** Tells the client that the watch is over. */
    @Override
    void close() throws IOException;
  }

  /** The body of an ordinary answer. A quiet watch keeps no buffer. */
  private static final class Body implements Frames {
    /** Bytes that are sent in one piece: the events of a busy watch, but not all of its first. */
    private static final int PIECE = 64 * 1024;

    private final OutputStream out;
    private List<byte[]> waiting = List.of();
    private int length;

    private Body(OutputStream out) {
      this.out = out;
    }

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
    public void send(byte[] frame) throws IOException {
      if (waiting.isEmpty()) {
        waiting = new ArrayList<>(1);
      }
      waiting.add(frame);
      length += frame.length;
      if (length >= PIECE) {
        write();
      }
    }

    private void write() throws IOException {
      byte[] piece = waiting.size() == 1 ? waiting.getFirst() : joined();
      waiting = List.of();
      length = 0;
      out.write(piece);
    }

    private byte[] joined() {
      byte[] all = new byte[length];
      int at = 0;
      for (byte[] frame : waiting) {
        System.arraycopy(frame, 0, all, at, frame.length);
        at += frame.length;
      }
      return all;
    }

    @Override
    public void flush() throws IOException {
      if (length > 0) {
        write();
      }
      out.flush();
    }

    @Override
    public void close() throws IOException {
      out.close();
    }
  }
}
