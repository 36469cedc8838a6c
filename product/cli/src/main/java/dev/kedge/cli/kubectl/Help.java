package dev.kedge.cli.kubectl;

import java.util.Comparator;
import java.util.List;

/** Usage texts, made from the tables of commands and flags. */
final class Help {
  private Help() {}

  static String overview(List<Verb> verbs) {
    TabWriter table = new TabWriter(0, 3);
    table.append("kubectl controls a Kubernetes cluster.\n\nCommands:\n");
    verbs.stream()
        .sorted(Comparator.comparing(Verb::name))
        .forEach(verb -> table.line("  " + verb.name(), verb.summary()));
    return table
        .append("\nUsage:\n  kubectl [flags] COMMAND\n\n")
        .append("Use \"kubectl COMMAND --help\" for a command's flags.\n")
        .toString();
  }

  static String of(String path, Verb verb) {
    TabWriter table = new TabWriter(0, 3);
    table.append(verb.summary() + ".\n\nUsage:\n");
    String parent = path.contains(" ") ? path.substring(0, path.lastIndexOf(' ') + 1) : "";
    table.append("  kubectl " + parent + verb.usage() + "\n");
    if (!verb.children().isEmpty()) {
      table.append("\nCommands:\n");
      verb.children().forEach(child -> table.line("  " + child.name(), child.summary()));
    }
    if (!verb.flags().isEmpty()) {
      table.append("\nFlags:\n");
      flags(verb.flags(), table);
    }
    table.append("\nFlags of every command:\n");
    flags(Session.GLOBAL, table);
    return table.toString();
  }

  private static void flags(List<Flag> flags, TabWriter table) {
    flags.stream()
        .sorted(Comparator.comparing(Flag::name))
        .forEach(
            flag ->
                table.line(
                    "  "
                        + (flag.shorthand() == 0 ? "    " : "-" + flag.shorthand() + ", ")
                        + "--"
                        + flag.name()
                        + (flag.kind() == Flag.Kind.SWITCH ? "" : "=" + initial(flag)),
                    flag.description()));
  }

  private static String initial(Flag flag) {
    return switch (flag.kind()) {
      case LIST, REPEATED -> "[]";
      case TEXT, OPTIONAL, SWITCH -> flag.initial().isEmpty() ? "''" : flag.initial();
    };
  }
}
