package dev.kedge.cli.kubectl;

import dev.kedge.model.JsonObject;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** {@code cp}: tar in the container at one end, the machine's own tar at the other. */
final class CopyCommand {
  static final List<Flag> FLAGS =
      List.of(
          Flag.text("container", 'c', "", "Container name"),
          Flag.toggle("no-preserve", "Do not keep ownership and permissions"));

  private CopyCommand() {}

  private record Place(String pod, String path) {
    boolean remote() {
      return !pod.isEmpty();
    }
  }

  private static Place place(String text) {
    int colon = text.indexOf(':');
    return colon <= 0 || text.startsWith("/") || text.startsWith(".")
        ? new Place("", text)
        : new Place(text.substring(0, colon), text.substring(colon + 1));
  }

  static int run(Session session) throws IOException, InterruptedException {
    if (session.words().size() != 2) {
      throw new UsageException("source and destination are required");
    }
    Place from = place(session.words().getFirst());
    Place to = place(session.words().get(1));
    if (from.remote() == to.remote()) {
      throw new UsageException("one of src or dest must be a remote file specification");
    }
    Place remote = from.remote() ? from : to;
    if (remote.path().isEmpty()) {
      throw new UsageException("filepath can not be empty");
    }
    int slash = remote.pod().indexOf('/');
    String pod = remote.pod().substring(slash + 1);
    if (slash > 0 && !remote.pod().substring(0, slash).equals(session.namespace())) {
      throw new UsageException(
          "give the pod's namespace by -n " + remote.pod().substring(0, slash));
    }
    String wanted = session.arguments().text("container");
    JsonObject object = Pods.of(session, pod).getFirst();
    String container =
        wanted.isEmpty() ? Pods.defaultContainer(session, object, Pods.containers(object)) : wanted;
    return to.remote()
        ? up(session, object, container, Path.of(from.path()), to.path())
        : down(session, object, container, from.path(), Path.of(to.path()));
  }

  private static int up(
      Session session, JsonObject pod, String container, Path source, String target)
      throws IOException, InterruptedException {
    if (!Files.exists(source)) {
      throw new UsageException(source + " doesn't exist in local filesystem");
    }
    Path absolute = source.toAbsolutePath().normalize();
    String name = absolute.getFileName().toString();
    String folder =
        target.endsWith("/")
            ? target
            : target.contains("/") ? target.substring(0, target.lastIndexOf('/') + 1) : ".";
    String rename =
        target.endsWith("/") || target.endsWith("/.")
            ? name
            : target.substring(target.lastIndexOf('/') + 1);
    Process tar =
        new ProcessBuilder(
                "tar",
                "-cf",
                "-",
                "-C",
                String.valueOf(absolute.getParent()),
                "--transform",
                "s,^" + name.replaceAll("([.\\[\\]*^$\\\\,])", "\\\\$1") + "," + rename + ",",
                name)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try (InputStream in = tar.getInputStream()) {
      List<String> command =
          session.arguments().on("no-preserve")
              ? List.of(
                  "tar", "--no-same-permissions", "--no-same-owner", "-xmf", "-", "-C", folder)
              : List.of("tar", "-xmf", "-", "-C", folder);
      return ExecCommand.stream(
          session,
          pod.text("metadata", "name"),
          "exec",
          container,
          command,
          true,
          false,
          in,
          session.out(),
          session.err());
    } finally {
      tar.destroy();
    }
  }

  private static int down(
      Session session, JsonObject pod, String container, String source, Path target)
      throws IOException, InterruptedException {
    String clean = source.endsWith("/") ? source.substring(0, source.length() - 1) : source;
    int slash = clean.lastIndexOf('/');
    String folder = slash < 0 ? "." : slash == 0 ? "/" : clean.substring(0, slash);
    String name = clean.substring(slash + 1);
    boolean into = Files.isDirectory(target);
    Path parent = into ? target : target.toAbsolutePath().normalize().getParent();
    String rename = into ? name : target.toAbsolutePath().normalize().getFileName().toString();
    Process tar =
        new ProcessBuilder(
                "tar",
                "-xf",
                "-",
                "-C",
                String.valueOf(parent),
                "--transform",
                "s,^" + name.replaceAll("([.\\[\\]*^$\\\\,])", "\\\\$1") + "," + rename + ",")
            .redirectOutput(ProcessBuilder.Redirect.INHERIT)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    ByteArrayOutputStream errors = new ByteArrayOutputStream();
    int code;
    try (OutputStream out = tar.getOutputStream()) {
      code =
          ExecCommand.stream(
              session,
              pod.text("metadata", "name"),
              "exec",
              container,
              List.of("tar", "cf", "-", "-C", folder, name),
              false,
              false,
              InputStream.nullInputStream(),
              out,
              errors);
    }
    if (code != 0) {
      session.err().print(errors.toString(StandardCharsets.UTF_8));
    }
    return Math.max(code, tar.waitFor());
  }
}
