package dev.kedge.cli.kubectl;

import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.Yaml;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * {@code cluster-info dump}: nodes, and of some namespaces what runs there and its logs, to
 * standard output or into a directory.
 */
final class DumpCommand {
  static final List<Flag> FLAGS =
      List.of(
          Flag.text("output", 'o', "json", "Output format of dump. One of: (json, yaml)"),
          Flag.text("output-directory", "Where dump puts its files; empty or - is stdout"),
          Flag.list("namespaces", '\0', "The namespaces to dump"),
          Flag.toggle("all-namespaces", 'A', "Dump all namespaces"),
          Flag.text("pod-running-timeout", '\0', "20s", "Has no effect: logs are not waited for"));

  /** Paths below a namespace's and the files they go to, in upstream's order. */
  private static final List<List<String>> PARTS =
      List.of(
          List.of("/api/v1", "events", "events"),
          List.of("/api/v1", "replicationcontrollers", "replication-controllers"),
          List.of("/api/v1", "services", "services"),
          List.of("/apis/apps/v1", "daemonsets", "daemonsets"),
          List.of("/apis/apps/v1", "deployments", "deployments"),
          List.of("/apis/apps/v1", "replicasets", "replicasets"),
          List.of("/api/v1", "pods", "pods"));

  private final Session session;
  private final String format;
  private final String directory;

  private DumpCommand(Session session) {
    this.session = session;
    this.format = session.arguments().text("output");
    if (!format.equals("json") && !format.equals("yaml")) {
      throw new UsageException(
          "output format \""
              + format
              + "\" is not supported by cluster-info dump; use json or yaml");
    }
    String wanted = session.arguments().text("output-directory");
    this.directory = wanted.equals("-") ? "" : wanted;
  }

  static int run(Session session) throws IOException {
    return new DumpCommand(session).run();
  }

  private int run() throws IOException {
    object("nodes", session.transport().get("/api/v1/nodes"));
    for (String namespace : namespaces()) {
      String below = "/namespaces/" + Transport.encode(namespace) + "/";
      JsonObject pods = JsonObject.EMPTY;
      for (List<String> part : PARTS) {
        JsonObject list = session.transport().get(part.get(0) + below + part.get(1));
        object(namespace + "/" + part.get(2), list);
        pods = list;
      }
      for (JsonObject pod : pods.objects("items")) {
        logs(namespace, pod);
      }
    }
    if (!directory.isEmpty()) {
      session.out().print("Cluster info dumped to " + directory + "\n");
    }
    return 0;
  }

  private List<String> namespaces() {
    if (session.allNamespaces()) {
      return session.transport().get("/api/v1/namespaces").objects("items").stream()
          .map(namespace -> namespace.text("metadata", "name"))
          .toList();
    }
    List<String> named = session.arguments().list("namespaces");
    return named.isEmpty() ? List.of("kube-system", session.namespace()) : named;
  }

  private void object(String name, JsonObject object) throws IOException {
    String text = format.equals("yaml") ? Yaml.write(object) : Json.pretty(Output.sorted(object));
    try (OutputStream out = target(name + "." + format)) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    }
  }

  private void logs(String namespace, JsonObject pod) throws IOException {
    String name = pod.text("metadata", "name");
    try (OutputStream out = target(namespace + "/" + name + "/logs.txt")) {
      for (String part : List.of("initContainers", "containers")) {
        for (JsonObject container : pod.object("spec").objects(part)) {
          String of = container.text("name") + " of pod " + namespace + "/" + name + " ====\n";
          line(out, "==== START logs for container " + of);
          String path =
              "/api/v1/namespaces/"
                  + Transport.encode(namespace)
                  + "/pods/"
                  + Transport.encode(name)
                  + "/log"
                  + Session.query("container", container.text("name"));
          try (InputStream in = session.transport().stream(path, "*/*")) {
            in.transferTo(out);
          } catch (ApiException e) {
            line(out, "Request log error: " + e.getMessage() + "\n");
          }
          line(out, "==== END logs for container " + of);
        }
      }
    }
  }

  private static void line(OutputStream out, String text) throws IOException {
    out.write(text.getBytes(StandardCharsets.UTF_8));
  }

  /** A file of the directory, or standard output, which stays open. */
  private OutputStream target(String name) throws IOException {
    if (directory.isEmpty()) {
      session.out().flush();
      return new java.io.FilterOutputStream(session.out()) {
        @Override
        public void close() throws IOException {
          flush();
        }
      };
    }
    Path file = Path.of(directory).resolve(name);
    Files.createDirectories(file.getParent());
    return Files.newOutputStream(file);
  }
}
