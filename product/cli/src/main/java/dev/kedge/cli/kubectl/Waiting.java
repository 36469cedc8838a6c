package dev.kedge.cli.kubectl;

import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.Status;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** Follows one object by get and watch until it is as wanted; never polls. */
final class Waiting {
  private Waiting() {}

  /** Looks at an object, empty once it is gone, and says whether the waiting is over. */
  interface Until {
    boolean done(Optional<JsonObject> object);
  }

  /** Waits until the object, or the one whose uid stands in the item, is gone. */
  static boolean gone(Session session, Item item, Instant deadline) {
    String uid = item.object().text("uid");
    return until(
        session,
        item,
        deadline,
        object ->
            object.isEmpty()
                || !uid.isEmpty() && !object.get().text("metadata", "uid").equals(uid));
  }

  /** Waits for an object to be as wanted; false if the deadline came first. */
  static boolean until(Session session, Item item, Instant deadline, Until until) {
    while (true) {
      Optional<JsonObject> object = find(session, item);
      if (until.done(object)) {
        return true;
      }
      if (!Instant.now().isBefore(deadline)) {
        return false;
      }
      String version = object.map(o -> o.text("metadata", "resourceVersion")).orElse("");
      Optional<Boolean> seen = follow(session, item, version, deadline, until);
      if (seen.isPresent()) {
        return seen.get();
      }
    }
  }

  private static Optional<JsonObject> find(Session session, Item item) {
    try {
      return Optional.of(session.get(item.served(), item.namespace(), item.name()));
    } catch (ApiException e) {
      if (e.isNotFound()) {
        return Optional.empty();
      }
      throw e;
    }
  }

  /** Watches until done (true), the deadline (false), or the watch's end (empty). */
  private static Optional<Boolean> follow(
      Session session, Item item, String version, Instant deadline, Until until) {
    String path =
        session.path(item.served(), item.namespace())
            + Session.query(
                "watch",
                "true",
                "fieldSelector",
                "metadata.name=" + item.name(),
                "resourceVersion",
                version);
    try (InputStream in = session.transport().stream(path, Transport.JSON);
        ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(
                Thread.ofPlatform().daemon().name("deadline").factory())) {
      if (deadline.isBefore(Instant.MAX)) {
        long left = Math.max(0, Duration.between(Instant.now(), deadline).toMillis());
        timer.schedule(
            () -> {
              in.close();
              return null;
            },
            left,
            TimeUnit.MILLISECONDS);
      }
      try (BufferedReader lines =
          new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
          if (line.isBlank()) {
            continue;
          }
          JsonObject event = Json.parseObject(line);
          switch (event.text("type")) {
            case "ERROR" -> {
              Status status = Status.of(event.object("object"));
              if (status.code() == 410) {
                return Optional.empty();
              }
              throw new ApiException(status);
            }
            case "BOOKMARK" -> {}
            case "DELETED" -> {
              if (until.done(Optional.empty())) {
                return Optional.of(true);
              }
            }
            default -> {
              if (until.done(Optional.of(event.object("object")))) {
                return Optional.of(true);
              }
            }
          }
        }
      } finally {
        timer.shutdownNow();
      }
    } catch (IOException e) {
      if (Instant.now().isBefore(deadline)) {
        throw new UncheckedIOException(e);
      }
    }
    return Instant.now().isBefore(deadline) ? Optional.empty() : Optional.of(false);
  }
}
