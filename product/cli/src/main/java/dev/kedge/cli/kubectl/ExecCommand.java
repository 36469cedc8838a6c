package dev.kedge.cli.kubectl;

import dev.kedge.model.JsonObject;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.http.WebSocket;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** {@code exec} and {@code attach}. */
final class ExecCommand {
  static final List<Flag> FLAGS =
      List.of(
          Flag.toggle("stdin", 'i', "Pass stdin to the container"),
          Flag.toggle("tty", 't', "Stdin is a TTY"),
          Flag.text("container", 'c', "", "Container name"),
          Flag.toggle("quiet", 'q', "Only print output from the remote session"));

  private ExecCommand() {}

  static int exec(Session session) throws InterruptedException {
    List<String> before = new ArrayList<>(session.arguments().beforeDash());
    List<String> command = new ArrayList<>(session.arguments().afterDash());
    if (before.isEmpty()) {
      throw new UsageException("pod or type/name must be specified");
    }
    String pod = before.removeFirst();
    if (!session.arguments().hasDash()) {
      command.addAll(before);
      before.clear();
      if (!command.isEmpty()) {
        throw new UsageException(
            "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead");
      }
    }
    if (command.isEmpty() || !before.isEmpty()) {
      throw new UsageException("you must specify at least one command for the container");
    }
    JsonObject object = Pods.of(session, pod).getFirst();
    String phase = object.text("status", "phase");
    if (phase.equals("Succeeded") || phase.equals("Failed")) {
      throw new UsageException(
          "cannot exec into a container in a completed pod; current phase is " + phase);
    }
    String container = container(session, object);
    return stream(
        session,
        object.text("metadata", "name"),
        "exec",
        container,
        command,
        session.arguments().on("stdin"),
        session.arguments().on("tty"),
        session.console().in(),
        session.out(),
        session.err());
  }

  static int attach(Session session) throws InterruptedException {
    if (session.words().isEmpty()) {
      throw new UsageException("at least 1 argument is required for attach");
    }
    JsonObject object = Pods.of(session, session.words().getFirst()).getFirst();
    String phase = object.text("status", "phase");
    if (phase.equals("Succeeded") || phase.equals("Failed")) {
      throw new UsageException(
          "cannot attach a container in a completed pod; current phase is " + phase);
    }
    String container = container(session, object);
    return attach(
        session,
        object.text("metadata", "name"),
        container,
        session.arguments().on("stdin"),
        session.arguments().on("tty"));
  }

  static int attach(Session session, String pod, String container, boolean stdin, boolean tty)
      throws InterruptedException {
    if (!session.arguments().on("quiet")) {
      session
          .err()
          .println(
              "All commands and output from this session will be recorded in container logs,"
                  + " including credentials and sensitive information passed through the command"
                  + " prompt.");
      session.err().println("If you don't see a command prompt, try pressing enter.");
    }
    return stream(
        session,
        pod,
        "attach",
        container,
        List.of(),
        stdin,
        tty,
        session.console().in(),
        session.out(),
        session.err());
  }

  private static String container(Session session, JsonObject pod) {
    String wanted = session.arguments().text("container");
    if (wanted.isEmpty()) {
      return Pods.defaultContainer(session, pod, Pods.containers(pod));
    }
    if (!Pods.allContainers(pod).contains(wanted)) {
      throw new UsageException(
          "container " + wanted + " not found in pod " + pod.text("metadata", "name"));
    }
    return wanted;
  }

  /** Runs or attaches and returns the exit code. */
  static int stream(
      Session session,
      String pod,
      String subresource,
      String container,
      List<String> command,
      boolean stdin,
      boolean tty,
      InputStream in,
      OutputStream out,
      OutputStream err)
      throws InterruptedException {
    boolean terminal = tty && stdin && Terminal.isTerminal();
    if (tty && !terminal) {
      session
          .err()
          .println("Unable to use a TTY - input is not a terminal or the right kind of file");
    }
    StringBuilder path =
        new StringBuilder(
            "/api/v1/namespaces/"
                + session.namespace()
                + "/pods/"
                + Transport.encode(pod)
                + "/"
                + subresource);
    path.append("?container=").append(Transport.encode(container));
    command.forEach(word -> path.append("&command=").append(Transport.encode(word)));
    path.append("&stdin=")
        .append(stdin)
        .append("&stdout=true&stderr=")
        .append(!terminal)
        .append("&tty=")
        .append(terminal);
    Channels channels = new Channels(out, err);
    WebSocket socket = session.transport().webSocket(path.toString(), Channels.PROTOCOLS, channels);
    Optional<Terminal> raw = terminal ? Terminal.raw() : Optional.empty();
    try {
      if (terminal) {
        Terminal.size().ifPresent(size -> channels.resize(socket, size));
        Terminal.onResize(() -> Terminal.size().ifPresent(size -> channels.resize(socket, size)));
      }
      if (stdin) {
        channels.pump(socket, in);
      }
      int code = channels.exitCode(session.console());
      out.flush();
      return code;
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    } finally {
      raw.ifPresent(Terminal::close);
      socket.abort();
    }
  }
}
