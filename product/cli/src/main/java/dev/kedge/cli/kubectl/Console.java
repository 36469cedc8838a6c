package dev.kedge.cli.kubectl;

import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** What a command talks to its user through; tests give their own. */
record Console(InputStream in, PrintStream out, PrintStream err, Map<String, String> environment) {
  /** The process's own streams; output is buffered, so it must be flushed. */
  static Console system() {
    return new Console(
        System.in,
        new PrintStream(
            new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 8192),
            false,
            StandardCharsets.UTF_8),
        new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8),
        System.getenv());
  }

  String variable(String name) {
    return environment.getOrDefault(name, "");
  }
}
