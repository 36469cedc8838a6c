package dev.kedge.cli;

import dev.kedge.server.KedgeVersion;
import java.io.PrintStream;

/** {@code kedge version}. */
final class Version {
  private Version() {}

  static void print(PrintStream out) {
    out.println("kedge version " + KedgeVersion.KEDGE);
    out.println("kubernetes version " + KedgeVersion.GIT_VERSION);
    out.println("java version " + Runtime.version());
  }
}
