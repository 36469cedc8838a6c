package dev.kedge.cli.kubectl;

import java.util.List;

/** Every command of kedge's kubectl. Actions are method references, so nothing is loaded early. */
final class Verbs {
  private Verbs() {}

  static List<Verb> all() {
    return List.of(
        Verb.of(
            "get",
            "get TYPE [NAME...] | TYPE/NAME...",
            "Display one or many resources",
            GetCommand.FLAGS,
            GetCommand::run));
  }
}
