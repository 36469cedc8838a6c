package dev.kedge.cli.kubectl;

import java.util.List;

/**
 * A command or a group of subcommands.
 *
 * @param usage the line behind {@code kubectl}, such as {@code get TYPE [NAME]}
 * @param flags its own flags, those of every command aside
 * @param children subcommands; a verb has either these or an action
 */
record Verb(
    String name,
    List<String> aliases,
    String usage,
    String summary,
    List<Flag> flags,
    Action action,
    List<Verb> children) {
  /** Carries the command out and returns its exit code. */
  interface Action {
    int run(Session session) throws Exception;
  }

  static Verb of(String name, String usage, String summary, List<Flag> flags, Action action) {
    return new Verb(name, List.of(), usage, summary, flags, action, List.of());
  }

  static Verb group(String name, String summary, List<Verb> children) {
    return new Verb(
        name,
        List.of(),
        name + " SUBCOMMAND",
        summary,
        List.of(),
        _ -> {
          throw new IllegalStateException("a group has no action");
        },
        children);
  }

  Verb alias(String... names) {
    return new Verb(name, List.of(names), usage, summary, flags, action, children);
  }
}
