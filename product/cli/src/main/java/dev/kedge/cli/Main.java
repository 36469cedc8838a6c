package dev.kedge.cli;

import dev.kedge.cli.kubectl.Kubectl;
import dev.kedge.lifecycle.UserException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * The program's entry: picks the command. Each command's classes are loaded only when it runs, so
 * that {@code kedge kubectl} never pays for the server.
 */
public final class Main {
  private static final List<String> COMMANDS =
      List.of(
          "server",
          "kubectl",
          "snapshot",
          "etcd-snapshot",
          "killall",
          "uninstall",
          "check-config",
          "version",
          "help");

  /** What K3s has and this version has not. */
  private static final List<String> LATER =
      List.of("agent", "crictl", "ctr", "token", "secrets-encrypt", "certificate", "completion");

  private Main() {}

  public static void main(String[] arguments) {
    System.exit(run(System.getProperty("kedge.name", "kedge"), List.of(arguments)));
  }

  /** Runs a command; the exit code. */
  static int run(String calledAs, List<String> arguments) {
    if (calledAs.equals("kubectl")) {
      return Kubectl.run(arguments.toArray(String[]::new));
    }
    String command = arguments.isEmpty() ? "help" : arguments.getFirst();
    List<String> rest = arguments.isEmpty() ? List.of() : arguments.subList(1, arguments.size());
    ProgramName program = ProgramName.of(calledAs);
    try {
      return switch (command) {
        case "server" -> ServerCommand.run(program, rest);
        case "kubectl" -> Kubectl.run(rest.toArray(String[]::new));
        case "snapshot", "etcd-snapshot" -> SnapshotCommand.run(program, command, rest, System.out);
        case "killall" -> Cleanup.killAll(program, rest);
        case "uninstall" -> Cleanup.uninstall(program, rest);
        case "check-config" -> CheckConfig.run(rest);
        case "version", "--version", "-v" -> {
          Version.print(System.out);
          yield 0;
        }
        case "train-server" -> Training.server(Path.of(rest.getFirst()));
        case "train-cli" -> Training.commands(rest.getFirst());
        case "help", "--help", "-h" -> {
          help();
          yield 0;
        }
        default -> throw unknown(command);
      };
    } catch (UserException e) {
      System.err.println("kedge: " + e.getMessage());
      return 1;
    }
  }

  private static UserException unknown(String command) {
    if (LATER.contains(command)) {
      return new UserException(command + " is not supported yet");
    }
    String near =
        COMMANDS.stream()
            .filter(known -> Distance.between(known, command) <= 2)
            .findFirst()
            .map(known -> "; did you mean " + known + "?")
            .orElse("");
    return new UserException("unknown command " + command + near + " (kedge help lists all)");
  }

  private static void help() {
    System.out.println(
        """
        kedge - Kubernetes for the edge in one program

        Usage: kedge COMMAND [flags]

          server         run the control plane and this node (kedge server --help)
          kubectl        talk to the cluster
          snapshot       save, list, restore, delete or prune snapshots of the datastore
          killall        stop every container and remove what they left on this machine
          uninstall      killall, then remove all data and configuration
          check-config   check whether this machine can run containers
          version        print the version
        """
            .stripTrailing());
  }

  /** Prints the flags of a command. */
  static void printFlags(String usage, Flags flags) {
    System.out.println(usage + "\n");
    for (Flags.Flag flag : flags.supported()) {
      String names =
          "--"
              + flag.name()
              + String.join(
                  "",
                  flag.aliases().stream()
                      .map(alias -> (alias.length() == 1 ? ", -" : ", --") + alias)
                      .toList());
      String notes =
          flag.help()
              + (flag.absent().isEmpty() || flag.absent().equals("false")
                  ? ""
                  : " (" + flag.absent() + ")")
              + (flag.environment().isEmpty()
                  ? ""
                  : " [" + String.join(", ", flag.environment()) + "]");
      System.out.printf("  %-34s %s%n", names, notes);
    }
  }

  /** Whether help was asked for. */
  static boolean wantsHelp(List<String> arguments) {
    return arguments.stream().anyMatch(a -> Arrays.asList("--help", "-h").contains(a));
  }
}
