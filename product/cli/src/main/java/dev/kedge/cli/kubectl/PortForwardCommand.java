package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Targets.Target;
import dev.kedge.model.JsonObject;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;

/** {@code port-forward}: one WebSocket per accepted connection. */
final class PortForwardCommand {
  static final List<Flag> FLAGS =
      List.of(Flag.list("address", '\0', "Addresses to listen on (default localhost)"));

  private PortForwardCommand() {}

  private record Pair(int local, int remote) {}

  static int run(Session session) throws IOException, InterruptedException {
    List<String> words = session.words();
    if (words.size() < 2) {
      throw new UsageException("TYPE/NAME and list of ports are required for port-forward");
    }
    String target = words.getFirst();
    JsonObject pod = Pods.of(session, target).getFirst();
    String phase = pod.text("status", "phase");
    if (!phase.equals("Running")) {
      throw new UsageException(
          "unable to forward port because pod is not running. Current status=" + phase);
    }
    List<Pair> pairs = new ArrayList<>();
    for (String word : words.subList(1, words.size())) {
      pairs.add(pair(session, target, pod, word));
    }
    List<String> addresses = session.arguments().list("address");
    List<Thread> threads = new ArrayList<>();
    for (Pair pair : pairs) {
      int bound = 0;
      for (String address : addresses.isEmpty() ? List.of("127.0.0.1", "::1") : addresses) {
        String host = address.equals("localhost") ? "127.0.0.1" : address;
        ServerSocket listener = new ServerSocket();
        try {
          listener.bind(
              new InetSocketAddress(
                  InetAddress.getByName(host), bound == 0 ? pair.local() : bound));
        } catch (IOException e) {
          listener.close();
          if (host.equals("::1") && addresses.isEmpty()) {
            // As kubectl: one of the two loopback addresses is enough.
            continue;
          }
          throw new UsageException(
              "unable to listen on port " + pair.local() + ": " + e.getMessage());
        }
        bound = listener.getLocalPort();
        session
            .out()
            .print(
                "Forwarding from "
                    + (host.contains(":") ? "[" + host + "]" : host)
                    + ":"
                    + bound
                    + " -> "
                    + pair.remote()
                    + "\n");
        session.out().flush();
        threads.add(
            Thread.ofVirtual()
                .start(
                    () -> accept(session, listener, pod.text("metadata", "name"), pair.remote())));
      }
    }
    for (Thread thread : threads) {
      thread.join();
    }
    return 0;
  }

  private static Pair pair(Session session, String target, JsonObject pod, String word) {
    String[] parts = word.split(":", -1);
    if (parts.length > 2) {
      throw new UsageException("invalid port format '" + word + "'");
    }
    String remoteText = parts[parts.length - 1];
    int remote = remote(session, target, pod, remoteText);
    String localText = parts.length == 2 ? parts[0] : remoteText;
    int local =
        localText.isEmpty()
            ? 0
            : localText.matches("\\d{1,5}") ? Integer.parseInt(localText) : remote;
    return new Pair(local, remote);
  }

  /** A number, or the name of a port; ports of a service are translated to those of the pod. */
  private static int remote(Session session, String word, JsonObject pod, String port) {
    Target target = word.contains("/") ? Targets.parse(session, List.of(word)).getFirst() : null;
    if (target != null && target.served().type().plural().equals("services")) {
      JsonObject service =
          session.get(target.served(), session.namespace(), target.names().getFirst());
      for (JsonObject candidate : service.objects("spec", "ports")) {
        if (candidate.text("name").equals(port)
            || Long.toString(candidate.integer("port")).equals(port)) {
          return podPort(pod, candidate.get("targetPort").map(Output::cell).orElse(port));
        }
      }
      throw new UsageException(
          "Service " + target.names().getFirst() + " does not have a service port " + port);
    }
    return podPort(pod, port);
  }

  private static int podPort(JsonObject pod, String port) {
    if (port.matches("\\d{1,5}")) {
      return Integer.parseInt(port);
    }
    for (JsonObject container : pod.objects("spec", "containers")) {
      for (JsonObject candidate : container.objects("ports")) {
        if (candidate.text("name").equals(port)) {
          return (int) candidate.integer("containerPort");
        }
      }
    }
    throw new UsageException(
        "Pod '" + pod.text("metadata", "name") + "' does not have a named port '" + port + "'");
  }

  private static void accept(Session session, ServerSocket listener, String pod, int port) {
    while (true) {
      try {
        Socket socket = listener.accept();
        session.out().print("Handling connection for " + listener.getLocalPort() + "\n");
        session.out().flush();
        Thread.ofVirtual().start(() -> forward(session, socket, pod, port));
      } catch (IOException e) {
        session
            .err()
            .println(
                "error: accepting connections on port "
                    + listener.getLocalPort()
                    + ": "
                    + e.getMessage());
        return;
      }
    }
  }

  private static void forward(Session session, Socket socket, String pod, int port) {
    try (socket) {
      Forwarded forwarded = new Forwarded(socket.getOutputStream(), session);
      WebSocket webSocket =
          session
              .transport()
              .webSocket(
                  "/api/v1/namespaces/"
                      + session.namespace()
                      + "/pods/"
                      + Transport.encode(pod)
                      + "/portforward?ports="
                      + port,
                  List.of("v4.channel.k8s.io"),
                  forwarded);
      Thread reader = Thread.ofVirtual().start(() -> copy(socket, webSocket));
      forwarded.ended.await();
      reader.interrupt();
      webSocket.abort();
    } catch (IOException | RuntimeException e) {
      Kubectl.report(session.console(), e, session.target().server());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void copy(Socket socket, WebSocket webSocket) {
    byte[] buffer = new byte[32 * 1024];
    try (InputStream in = socket.getInputStream()) {
      for (int n = in.read(buffer, 1, buffer.length - 1);
          n >= 0;
          n = in.read(buffer, 1, buffer.length - 1)) {
        buffer[0] = 0;
        webSocket.sendBinary(ByteBuffer.wrap(buffer.clone(), 0, n + 1), true).join();
      }
    } catch (IOException | RuntimeException e) {
      System.getLogger("dev.kedge.cli")
          .log(System.Logger.Level.DEBUG, "forwarded connection ended", e);
    }
    webSocket.sendClose(WebSocket.NORMAL_CLOSURE, "");
  }

  /** Data is channel 0, faults are channel 1; the first message of each carries the port. */
  private static final class Forwarded implements WebSocket.Listener {
    private final OutputStream out;
    private final Session session;
    private final CountDownLatch ended = new CountDownLatch(1);
    private final boolean[] announced = new boolean[2];
    private int channel = -1;
    private int skip;

    Forwarded(OutputStream out, Session session) {
      this.out = out;
      this.session = session;
    }

    @Override
    public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer data, boolean last) {
      if (channel < 0 && data.hasRemaining()) {
        channel = data.get() & 1;
        if (!announced[channel]) {
          announced[channel] = true;
          skip = 2;
        }
      }
      while (skip > 0 && data.hasRemaining()) {
        data.get();
        skip--;
      }
      byte[] bytes = new byte[data.remaining()];
      data.get(bytes);
      try {
        if (channel == 1 && bytes.length > 0) {
          session
              .err()
              .println(
                  "error: an error occurred forwarding: "
                      + new String(bytes, StandardCharsets.UTF_8));
          ended.countDown();
        } else {
          out.write(bytes);
          out.flush();
        }
      } catch (IOException _) {
        // The local side went away.
        ended.countDown();
      }
      if (last) {
        channel = -1;
      }
      socket.request(1);
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
      ended.countDown();
      return CompletableFuture.completedFuture(null);
    }

    @Override
    public void onError(WebSocket socket, Throwable error) {
      ended.countDown();
    }
  }
}
