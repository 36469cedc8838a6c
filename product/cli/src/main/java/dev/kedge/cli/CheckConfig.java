package dev.kedge.cli;

import dev.kedge.server.NodeCheck;
import java.util.List;

/** {@code kedge check-config}: what this machine offers to containers, one line each. */
final class CheckConfig {
  private CheckConfig() {}

  static int run(List<String> arguments) {
    new Flags("check-config", List.of()).parse(arguments);
    boolean usable = true;
    for (NodeCheck.Finding finding : NodeCheck.all()) {
      String mark =
          switch (finding.result()) {
            case OK -> "ok      ";
            case WARNING -> "warning ";
            case MISSING -> "MISSING ";
          };
      System.out.println(mark + finding.subject() + ": " + finding.text());
      usable &= finding.result() != NodeCheck.Result.MISSING;
    }
    System.out.println(
        usable
            ? "This machine can run kedge server."
            : "This machine cannot run kedge server yet.");
    return usable ? 0 : 1;
  }
}
