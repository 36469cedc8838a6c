package dev.kedge.cli.kubectl;

import java.util.ArrayList;
import java.util.List;

/** Every command of kedge's kubectl. */
final class Verbs {
  /** What upstream has and kedge has not; refused by name. */
  private static final List<String> REFUSED = List.of("alpha", "kuberc");

  private Verbs() {}

  static List<Verb> all() {
    List<Verb> all = new ArrayList<>();
    all.add(
        Verb.of(
            "get",
            "get TYPE [NAME...] | TYPE/NAME...",
            "Display one or many resources",
            GetCommand.FLAGS,
            GetCommand::run));
    all.add(
        Verb.of(
            "apply",
            "apply -f FILENAME",
            "Apply a configuration to a resource by file name or stdin",
            ApplyCommand.FLAGS,
            ApplyCommand::run));
    all.add(
        Verb.of(
            "delete",
            "delete TYPE NAME... | -f FILENAME",
            "Delete resources",
            DeleteCommand.FLAGS,
            DeleteCommand::run));
    all.add(CreateCommand.verb());
    all.add(
        Verb.of(
            "describe",
            "describe TYPE [NAME_PREFIX] | TYPE/NAME",
            "Show details of resources",
            DescribeCommand.FLAGS,
            DescribeCommand::run));
    all.add(
        Verb.of(
                "logs",
                "logs POD [-c CONTAINER]",
                "Print the logs of a container in a pod",
                LogsCommand.FLAGS,
                LogsCommand::run)
            .alias("log"));
    all.add(
        Verb.of(
            "exec",
            "exec POD [-it] [-c CONTAINER] -- COMMAND [ARGS...]",
            "Execute a command in a container",
            ExecCommand.FLAGS,
            ExecCommand::exec));
    all.add(
        Verb.of(
            "attach",
            "attach POD [-it] [-c CONTAINER]",
            "Attach to a running container",
            ExecCommand.FLAGS,
            ExecCommand::attach));
    all.add(
        Verb.of(
            "debug",
            "debug (POD | TYPE/NAME) --image=IMAGE [-it] [-- COMMAND [ARGS...]]",
            "Debug a pod or a node by a container beside what runs there",
            DebugCommand.FLAGS,
            DebugCommand::run));
    all.add(
        Verb.of(
            "cp",
            "cp SRC DEST",
            "Copy files and directories to and from containers",
            CopyCommand.FLAGS,
            CopyCommand::run));
    all.add(
        Verb.of(
            "port-forward",
            "port-forward TYPE/NAME [LOCAL:]REMOTE...",
            "Forward local ports to a pod",
            PortForwardCommand.FLAGS,
            PortForwardCommand::run));
    all.add(RolloutCommand.verb());
    all.add(
        Verb.of(
            "wait",
            "wait TYPE/NAME --for=condition=NAME",
            "Wait for a condition on resources",
            WaitCommand.FLAGS,
            WaitCommand::run));
    all.add(
        Verb.of(
            "run",
            "run NAME --image=IMAGE [-- ARGS...]",
            "Run an image in a pod",
            RunCommand.FLAGS,
            RunCommand::run));
    all.add(
        Verb.of(
            "expose",
            "expose TYPE NAME --port=PORT",
            "Expose a workload as a service",
            RunCommand.EXPOSE,
            RunCommand::expose));
    all.add(
        Verb.of(
            "events",
            "events [--for TYPE/NAME]",
            "List events",
            EventsCommand.FLAGS,
            EventsCommand::run));
    all.add(
        Verb.of(
            "diff",
            "diff -f FILENAME",
            "Show what an apply would change",
            DiffCommand.FLAGS,
            DiffCommand::run));
    all.add(
        Verb.of(
            "proxy",
            "proxy [--port=PORT]",
            "Run a proxy to the Kubernetes API server",
            ProxyCommand.FLAGS,
            ProxyCommand::run));
    all.add(
        Verb.of(
            "kustomize",
            "kustomize DIR",
            "Build a kustomization by the kustomize program",
            List.of(),
            Programs::kustomize));
    all.add(
        Verb.group(
            "plugin",
            "Tell about kubectl plugins",
            List.of(
                Verb.of(
                    "list",
                    "list",
                    "List the plugins in PATH",
                    List.of(Flag.toggle("name-only", "Names without folders")),
                    Programs::list))));
    all.add(
        Verb.of(
            "options",
            "options",
            "List the flags that every command takes",
            List.of(),
            session -> {
              session.out().print("The following options can be passed to any command:\n\n");
              for (Flag flag : Session.GLOBAL) {
                session
                    .out()
                    .print(
                        "    "
                            + (flag.shorthand() == 0 ? "" : "-" + flag.shorthand() + ", ")
                            + "--"
                            + flag.name()
                            + "='"
                            + flag.initial()
                            + "':\n\t"
                            + flag.description()
                            + "\n\n");
              }
              return 0;
            }));
    all.add(CompletionCommand.verb());
    all.add(CertificateCommand.verb());
    all.add(AutoscaleCommand.verb());
    all.addAll(ChangeCommands.verbs());
    all.add(SetCommands.verb());
    all.addAll(NodeCommands.verbs());
    all.add(TopCommand.verb());
    all.addAll(InfoCommands.verbs());
    return all;
  }

  static Verb find(String name) {
    return all().stream().filter(verb -> verb.name().equals(name)).findFirst().orElseThrow();
  }

  static boolean refused(String name) {
    return REFUSED.contains(name);
  }
}
