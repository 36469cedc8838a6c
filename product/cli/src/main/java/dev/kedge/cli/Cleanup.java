package dev.kedge.cli;

import static dev.kedge.cli.Flags.Kind.TEXT;

import dev.kedge.cli.Flags.Flag;
import dev.kedge.lifecycle.Logging;
import dev.kedge.lifecycle.UserException;
import dev.kedge.server.Machine;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** {@code kedge killall} and {@code kedge uninstall}: what a server left on a machine goes. */
final class Cleanup {
  private Cleanup() {}

  static int killAll(ProgramName program, List<String> arguments) {
    Flags flags = new Flags("killall", List.of(dataDir(program)));
    if (Main.wantsHelp(arguments)) {
      Main.printFlags(
          "Usage: kedge killall [flags]\n\n"
              + "Stops the server and every container; removes mounts, links, rules and leases.",
          flags);
      return 0;
    }
    stop(
        Path.of(flags.parse(arguments).withEnvironment(System.getenv()).text("data-dir"))
            .toAbsolutePath());
    return 0;
  }

  static int uninstall(ProgramName program, List<String> arguments) {
    Flags flags =
        new Flags(
            "uninstall",
            List.of(
                dataDir(program),
                Flag.of(
                    TEXT,
                    "config-dir",
                    "",
                    program.configDir(),
                    "directory of configuration and kubeconfig")));
    if (Main.wantsHelp(arguments)) {
      Main.printFlags(
          "Usage: kedge uninstall [flags]\n\n"
              + "Does what killall does, then removes all data and configuration.",
          flags);
      return 0;
    }
    Flags.Values values = flags.parse(arguments).withEnvironment(System.getenv());
    Path dataDir = Path.of(values.text("data-dir")).toAbsolutePath();
    Path configDir = Path.of(values.text("config-dir")).toAbsolutePath();
    stop(dataDir);
    try {
      Machine.remove(dataDir, configDir).forEach(System.out::println);
    } catch (IOException e) {
      throw new UserException("not everything could be removed: " + e.getMessage(), e);
    }
    return 0;
  }

  private static void stop(Path dataDir) {
    if (!"root".equals(System.getProperty("user.name"))) {
      throw new UserException(
          "stopping containers and removing what they left needs root; run it with sudo");
    }
    Logging.configure(false, Optional.empty());
    try {
      List<String> done = Machine.stopAll(dataDir);
      done.forEach(System.out::println);
      if (done.isEmpty()) {
        System.out.println("nothing was running");
      }
    } catch (IOException e) {
      throw new UserException("not everything could be stopped: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UserException("interrupted; run it again", e);
    }
  }

  private static Flag dataDir(ProgramName program) {
    return Flag.of(
        TEXT,
        "data-dir,d",
        "KEDGE_DATA_DIR,K3S_DATA_DIR",
        program.dataDir(),
        "directory of all state");
  }
}
