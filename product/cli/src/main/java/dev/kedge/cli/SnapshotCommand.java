package dev.kedge.cli;

import static dev.kedge.cli.Flags.Kind.SWITCH;
import static dev.kedge.cli.Flags.Kind.TEXT;

import dev.kedge.cli.Flags.Flag;
import dev.kedge.cli.kubectl.Http;
import dev.kedge.cli.kubectl.TabWriter;
import dev.kedge.lifecycle.Logging;
import dev.kedge.lifecycle.Startup;
import dev.kedge.lifecycle.UserException;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.server.KedgeServer;
import dev.kedge.server.ServerConfig;
import dev.kedge.server.Snapshots;
import dev.kedge.store.snapshot.SnapshotPlace.Kept;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * {@code kedge snapshot}, and {@code k3s etcd-snapshot} as K3s spells it. Takes the flags, the
 * configuration file and the environment of {@code kedge server}, so that both mean the same data
 * and the same place for snapshots.
 */
final class SnapshotCommand {
  private static final Set<String> SHOWN =
      Set.of(
          "config",
          "debug",
          "data-dir",
          "node-name",
          "token",
          "token-file",
          "datastore-endpoint",
          "datastore-cafile",
          "datastore-certfile",
          "datastore-keyfile",
          "cluster-init",
          "name",
          "output",
          "force");

  private SnapshotCommand() {}

  static int run(ProgramName program, String command, List<String> arguments, PrintStream out) {
    Flags flags = new Flags(command, flags(program));
    if (arguments.isEmpty() || Main.wantsHelp(arguments)) {
      help(command, flags);
      return 0;
    }
    Flags.Values values = flags.parse(arguments).withEnvironment(System.getenv());
    Path file = Path.of(values.text("config"));
    values.withFile(ConfigFile.read(file, values.isSet("config")), "the configuration");
    if (values.arguments().isEmpty()) {
      throw new UserException(command + " needs to know what to do: " + verbs());
    }
    ServerConfig config = ServerOptions.of(values);
    Logging.configure(values.on("debug"), Optional.empty());
    Snapshots snapshots = new Snapshots(config, Clock.systemUTC());
    List<String> names = values.arguments().subList(1, values.arguments().size());
    switch (values.arguments().getFirst()) {
      case "save" -> {
        require(names, 0, 0, "save");
        String name = ServerOptions.snapshotName(values, "name");
        Snapshots.Saved saved = snapshots.save(name, () -> snapshots.content(server(config)));
        out.printf(
            "Snapshot %s saved: revision %d, %d bytes, in %s.%n",
            saved.name(), saved.revision(), saved.bytes(), saved.file());
      }
      case "list", "ls", "l" -> {
        require(names, 0, 0, "list");
        list(snapshots.list(), values.text("output"), out);
      }
      case "restore" -> {
        require(names, 1, 1, "restore NAME or FILE");
        KedgeServer.restore(
            config, names.getFirst(), values.on("force"), new Startup(out, System.nanoTime()));
      }
      case "delete" -> {
        require(names, 1, Integer.MAX_VALUE, "delete NAME...");
        for (String name : names) {
          snapshots.delete(name);
          out.println("Snapshot " + name + " deleted.");
        }
      }
      case "prune" -> {
        require(names, 0, 0, "prune");
        int kept = config.snapshots().retention().orElse(5);
        snapshots
            .prune(ServerOptions.snapshotName(values, "name"), kept)
            .forEach(name -> out.println("Snapshot " + name + " deleted."));
      }
      default ->
          throw new UserException(
              command + " cannot " + values.arguments().getFirst() + "; it can " + verbs());
    }
    return 0;
  }

  private static String verbs() {
    return "save, list, restore, delete or prune";
  }

  private static void require(List<String> names, int least, int most, String usage) {
    if (names.size() < least || names.size() > most) {
      throw new UserException("the usage is: kedge snapshot " + usage);
    }
  }

  /** The running server's snapshot; empty where none runs. */
  private static Optional<InputStream> server(ServerConfig config) {
    try {
      Optional<Http.Answer> answer = Http.get(config.socket(), Snapshots.PATH);
      if (answer.isPresent() && answer.get().status() != 200) {
        throw new UserException(
            "the server at "
                + config.socket()
                + " gives no snapshot (status "
                + answer.get().status()
                + "); is it of this version?");
      }
      return answer.map(Http.Answer::body);
    } catch (IOException e) {
      throw new UserException(
          "the server at " + config.socket() + " broke off: " + e.getMessage(), e);
    }
  }

  private static void list(List<Kept> all, String format, PrintStream out) {
    if (format.equals("json")) {
      List<JsonObject> items = new ArrayList<>();
      for (Kept kept : all) {
        JsonObject item =
            JsonObject.of(
                "name",
                kept.name(),
                "location",
                kept.location(),
                "size",
                kept.size(),
                "createdAt",
                kept.created().toString());
        items.add(
            kept.header()
                .map(
                    header ->
                        item.with("revision", header.revision())
                            .with("engine", header.engine())
                            .with("cluster", header.cluster())
                            .with("compressed", header.compressed())
                            .with("encrypted", header.encryption().isPresent()))
                .orElse(item));
      }
      out.println(JsonArray.of(items.toArray()));
      return;
    }
    if (!format.isEmpty()) {
      throw new UserException("--output must be json or left out, not " + format);
    }
    TabWriter table = new TabWriter(0, 2).line("Name", "Revision", "Size", "Created", "Location");
    for (Kept kept : all) {
      table.line(
          kept.name(),
          kept.header().map(header -> Long.toString(header.revision())).orElse("-"),
          kept.size(),
          kept.created(),
          kept.location());
    }
    out.print(table);
  }

  private static void help(String command, Flags flags) {
    Main.printFlags(
        """
        Usage: kedge %s COMMAND [flags]

          save                  take a snapshot now, of a running server or a datastore
          list                  show those in the directory, and in S3 with --s3
          restore NAME or FILE  fill the datastore from one, whatever engine it was taken of
          delete NAME...        delete some
          prune                 delete all but the newest of those whose names begin with --name

        Flags, configuration file and environment are those of kedge server; among them:
        """
            .formatted(command)
            .stripTrailing(),
        new Flags(
            command,
            flags.supported().stream()
                .filter(
                    flag ->
                        SHOWN.contains(flag.name())
                            || flag.name().contains("snapshot")
                            || flag.name().startsWith("etcd-s3"))
                .filter(flag -> !flag.name().equals("cluster-reset-restore-path"))
                .toList()));
  }

  /** The server's, with K3s's other names for this command, and the command's own. */
  private static List<Flag> flags(ProgramName program) {
    List<Flag> flags = new ArrayList<>();
    for (Flag flag : ServerFlags.list(program)) {
      flags.add(
          switch (flag.name()) {
            case "etcd-snapshot-dir" -> alias(flag, "dir");
            case "etcd-snapshot-compress" -> alias(flag, "snapshot-compress");
            case "etcd-snapshot-retention" -> alias(flag, "snapshot-retention");
            case "token" -> alias(flag, "etcd-token");
            // Nothing here needs root, but to read what is root's.
            case "disable-agent" -> Flag.of(SWITCH, flag.name(), "", "true", flag.help());
            default ->
                flag.name().startsWith("etcd-s3") && flag.refused().isEmpty()
                    ? alias(flag, flag.name().substring("etcd-".length()))
                    : flag;
          });
    }
    flags.add(
        Flag.of(TEXT, "name", "", Snapshots.ON_DEMAND, "what the snapshot's name begins with"));
    flags.add(Flag.of(TEXT, "output,o", "", "", "json: list as JSON"));
    flags.add(
        Flag.of(SWITCH, "force", "", "false", "restore in the place of what is there; it is kept"));
    return flags;
  }

  private static Flag alias(Flag flag, String alias) {
    List<String> aliases = new ArrayList<>(flag.aliases());
    aliases.add(alias);
    return new Flag(
        flag.name(),
        aliases,
        flag.kind(),
        flag.environment(),
        flag.absent(),
        flag.help(),
        flag.refused());
  }
}
