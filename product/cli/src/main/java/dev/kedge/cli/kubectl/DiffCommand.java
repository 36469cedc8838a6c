package dev.kedge.cli.kubectl;

import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.Yaml;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * {@code diff}: what an apply would change, as the server works it out. Both versions are written
 * to files that {@code diff} (or {@code $KUBECTL_EXTERNAL_DIFF}) compares. Exit code 1 means that
 * there are differences, more that it failed.
 */
final class DiffCommand {
  static final List<Flag> FLAGS =
      Flags.with(
          Manifests.FLAGS,
          Output.MANAGED_FIELDS,
          Flag.toggle("server-side", "Compare with what a server-side apply would make"),
          Flag.toggle("force-conflicts", "Take fields over that other managers own (server-side)"),
          Flag.text("field-manager", "Name of the manager used to track field ownership"),
          Flag.text("selector", 'l', "", "Selector (label query) of the objects to compare"),
          Flag.text("concurrency", '\0', "1", "How many objects are worked on at once"),
          Flag.toggle("prune", "Not supported: refused"));

  private static final int ATTEMPTS = 4;

  private DiffCommand() {}

  static int run(Session session) throws InterruptedException {
    Arguments arguments = session.arguments();
    try {
      if (arguments.on("prune")) {
        throw new UsageException("--prune is not supported by kedge kubectl");
      }
      if (!Manifests.given(session)) {
        throw new UsageException("must specify one of -f and -k");
      }
      if (arguments.on("force-conflicts") && !arguments.on("server-side")) {
        throw new UsageException("--force-conflicts only works with --server-side");
      }
      return compare(session);
    } catch (ApiException | UsageException e) {
      // 1 means that there are differences.
      session.out().flush();
      Kubectl.report(session.console(), e, session.target().server());
      return 2;
    } catch (IOException e) {
      session.err().println("error: " + e.getMessage());
      return 2;
    }
  }

  private static int compare(Session session) throws IOException, InterruptedException {
    LabelSelector selector = LabelSelector.parse(session.arguments().text("selector"));
    Path folder = Files.createTempDirectory("kubectl-diff");
    try {
      // Their names stand in the output.
      Path live = Files.createDirectory(folder.resolve("LIVE"));
      Path merged = Files.createDirectory(folder.resolve("MERGED"));
      for (Manifests.Document document : Manifests.documents(session)) {
        if (!selector.matches(document.object().map("metadata", "labels"))) {
          continue;
        }
        Item item = Manifests.item(session, document);
        Optional<JsonObject> now = ApplyCommand.live(session, item);
        JsonObject then = ApplyCommand.merged(session, item, now);
        // Somebody else's write in between is no difference that an apply would make.
        for (int i = 0;
            i < ATTEMPTS && now.isPresent() && !version(now.get()).equals(version(then));
            i++) {
          now = ApplyCommand.live(session, item);
          then = ApplyCommand.merged(session, item, now);
        }
        if (item.served().type().groupResource().equals("secrets")) {
          JsonObject[] masked = masked(now.orElse(JsonObject.EMPTY), then);
          now = now.map(_ -> masked[0]);
          then = masked[1];
        }
        String name = fileName(item);
        if (now.isPresent()) {
          write(session, live.resolve(name), now.get());
        }
        write(session, merged.resolve(name), then);
      }
      return show(session, live, merged);
    } finally {
      try (Stream<Path> files = Files.walk(folder)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }

  private static String version(JsonObject object) {
    return object.text("metadata", "resourceVersion");
  }

  private static String fileName(Item item) {
    String group = item.served().type().group();
    return (group.isEmpty() ? "" : group + ".")
        + item.served().type().version()
        + "."
        + item.served().type().kind()
        + "."
        + item.namespace()
        + "."
        + item.name().replace('/', '_');
  }

  private static void write(Session session, Path file, JsonObject object) throws IOException {
    JsonObject shown =
        session.arguments().on("show-managed-fields")
            ? object
            : object.withoutPath(List.of("metadata", "managedFields"));
    Files.writeString(file, Yaml.write((JsonObject) Output.sorted(shown)));
  }

  /** Values of Secrets are not shown; whether they differ is. */
  private static JsonObject[] masked(JsonObject from, JsonObject to) {
    JsonObject.Builder before = JsonObject.builder();
    JsonObject.Builder after = JsonObject.builder();
    Map<String, String> old = from.map("data");
    Map<String, String> fresh = to.map("data");
    old.forEach(
        (name, value) -> {
          boolean changed = fresh.containsKey(name) && !value.equals(fresh.get(name));
          before.put(name, changed ? "*** (before)" : "***");
        });
    fresh.forEach(
        (name, value) -> {
          boolean changed = old.containsKey(name) && !value.equals(old.get(name));
          after.put(name, changed ? "*** (after)" : "***");
        });
    return new JsonObject[] {
      from.has("data") ? from.with("data", before.build()) : from,
      to.has("data") ? to.with("data", after.build()) : to
    };
  }

  private static int show(Session session, Path live, Path merged)
      throws IOException, InterruptedException {
    String external = session.console().variable("KUBECTL_EXTERNAL_DIFF");
    List<String> command = new ArrayList<>();
    if (external.isBlank()) {
      command.addAll(List.of("diff", "-u", "-N"));
    } else {
      command.addAll(List.of(external.strip().split("\\s+")));
    }
    command.add(live.toString());
    command.add(merged.toString());
    Process process;
    try {
      process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    } catch (IOException e) {
      throw new UsageException(
          "cannot run " + command.getFirst() + " (" + e.getMessage() + "); install diffutils");
    }
    process.getOutputStream().close();
    try (InputStream in = process.getInputStream()) {
      session.out().print(new String(in.readAllBytes(), StandardCharsets.UTF_8));
    }
    session.out().flush();
    return process.waitFor();
  }
}
