package dev.kedge.cli.kubectl;

import dev.kedge.model.JsonObject;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;

/** {@code logs}. */
final class LogsCommand {
  static final List<Flag> FLAGS =
      List.of(
          Flag.toggle("follow", 'f', "Follow the log"),
          Flag.text("container", 'c', "", "Print the logs of this container"),
          Flag.toggle("all-containers", "Get all containers' logs in the pod(s)"),
          Flag.toggle("all-pods", "Get the logs of all pods of the object"),
          Flag.text("tail", '\0', "-1", "Lines of recent log to display"),
          Flag.text("since", '\0', "0", "Only logs newer than a duration such as 5s, 2m, or 3h"),
          Flag.text("since-time", "Only logs after this date (RFC3339)"),
          Flag.toggle("previous", 'p', "The logs of the previous instance of the container"),
          Flag.toggle("timestamps", "Include timestamps on each line"),
          Flag.toggle("prefix", "Prefix each line with pod and container name"),
          Flag.text("limit-bytes", '\0', "0", "Maximum bytes of logs to return"),
          Flag.text("selector", 'l', "", "Selector (label query) of the pods"),
          Flag.text(
              "max-log-requests", '\0', "5", "Most concurrent logs to follow with a selector"),
          Flag.toggle("ignore-errors", "Go on when a log cannot be read"));

  private final Session session;
  private final Arguments arguments;

  private LogsCommand(Session session) {
    this.session = session;
    this.arguments = session.arguments();
  }

  private record Source(String pod, String container) {}

  static int run(Session session) throws InterruptedException {
    return new LogsCommand(session).run();
  }

  private int run() throws InterruptedException {
    List<JsonObject> pods = new ArrayList<>();
    String selector = arguments.text("selector");
    List<String> words = new ArrayList<>(session.words());
    if (!selector.isEmpty()) {
      if (!words.isEmpty()) {
        throw new UsageException("only a selector (-l) or a POD name is allowed");
      }
      pods.addAll(
          session.list(session.discovery().find("pods"), session.namespace(), selector, ""));
      if (pods.isEmpty()) {
        session.err().println("No resources found in " + session.namespace() + " namespace.");
        return 0;
      }
    } else {
      if (words.isEmpty() || words.size() > 2) {
        throw new UsageException(
            "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\n"
                + "POD or TYPE/NAME is a required argument for the logs command");
      }
      List<JsonObject> found = Pods.of(session, words.getFirst());
      if (found.size() > 1 && !arguments.on("all-pods")) {
        String first = found.getFirst().text("metadata", "name");
        session.err().println("Found " + found.size() + " pods, using pod/" + first);
        found = found.subList(0, 1);
      }
      pods.addAll(found);
    }
    List<Source> sources = new ArrayList<>();
    for (JsonObject pod : pods) {
      sources.addAll(sources(pod, words.size() == 2 ? words.get(1) : arguments.text("container")));
    }
    if (arguments.on("follow") && sources.size() > 1) {
      if (sources.size() > arguments.number("max-log-requests")) {
        throw new UsageException(
            "you are attempting to follow "
                + sources.size()
                + " log streams, but maximum allowed concurrency is "
                + arguments.number("max-log-requests")
                + ", use --max-log-requests to increase the limit");
      }
      return together(sources);
    }
    for (Source source : sources) {
      try {
        copy(source);
      } catch (dev.kedge.model.ApiException e) {
        if (!arguments.on("ignore-errors")) {
          throw e;
        }
        session.err().println("error: " + e.getMessage());
      }
    }
    return 0;
  }

  private List<Source> sources(JsonObject pod, String wanted) {
    String name = pod.text("metadata", "name");
    List<String> names = Pods.containers(pod);
    if (arguments.on("all-containers")) {
      return Pods.allContainers(pod).stream()
          .map(container -> new Source(name, container))
          .toList();
    }
    if (!wanted.isEmpty()) {
      if (!Pods.allContainers(pod).contains(wanted)) {
        throw new UsageException("container " + wanted + " is not valid for pod " + name);
      }
      return List.of(new Source(name, wanted));
    }
    return List.of(new Source(name, Pods.defaultContainer(session, pod, names)));
  }

  private int together(List<Source> sources) throws InterruptedException {
    ConcurrentLinkedQueue<RuntimeException> failures = new ConcurrentLinkedQueue<>();
    List<Thread> threads = new ArrayList<>();
    for (Source source : sources) {
      threads.add(
          Thread.ofVirtual()
              .name("log-" + source.pod())
              .start(
                  () -> {
                    try {
                      copy(source);
                    } catch (RuntimeException e) {
                      failures.add(e);
                    }
                  }));
    }
    for (Thread thread : threads) {
      thread.join();
    }
    if (!failures.isEmpty() && !arguments.on("ignore-errors")) {
      throw failures.peek();
    }
    return 0;
  }

  private void copy(Source source) {
    String tail = arguments.text("tail");
    if (!arguments.given("tail") && !arguments.text("selector").isEmpty()) {
      tail = "10";
    }
    long since = arguments.duration("since").toSeconds();
    String path =
        "/api/v1/namespaces/"
            + session.namespace()
            + "/pods/"
            + Transport.encode(source.pod())
            + "/log"
            + Session.query(
                "container",
                source.container(),
                "follow",
                arguments.on("follow") ? "true" : "",
                "previous",
                arguments.on("previous") ? "true" : "",
                "timestamps",
                arguments.on("timestamps") ? "true" : "",
                "tailLines",
                tail.equals("-1") ? "" : tail,
                "sinceSeconds",
                since > 0 ? Long.toString(since) : "",
                "sinceTime",
                arguments.text("since-time"),
                "limitBytes",
                arguments.text("limit-bytes").equals("0") ? "" : arguments.text("limit-bytes"));
    boolean prefix = arguments.on("prefix");
    byte[] head =
        ("[pod/" + source.pod() + "/" + source.container() + "] ").getBytes(StandardCharsets.UTF_8);
    try (InputStream in = session.transport().stream(path, "*/*")) {
      if (!prefix) {
        byte[] buffer = new byte[16 * 1024];
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
          synchronized (session.out()) {
            session.out().write(buffer, 0, n);
            session.out().flush();
          }
        }
        return;
      }
      ByteArrayOutputStream line = new ByteArrayOutputStream();
      byte[] buffer = new byte[16 * 1024];
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        for (int i = 0; i < n; i++) {
          if (line.size() == 0) {
            line.writeBytes(head);
          }
          line.write(buffer[i]);
          if (buffer[i] == '\n') {
            emit(line);
          }
        }
      }
      emit(line);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void emit(ByteArrayOutputStream line) {
    synchronized (session.out()) {
      session.out().writeBytes(line.toByteArray());
      session.out().flush();
    }
    line.reset();
  }
}
