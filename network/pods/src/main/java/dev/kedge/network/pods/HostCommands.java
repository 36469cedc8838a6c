package dev.kedge.network.pods;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs the machine's own network tools: nft, ip, conntrack. One short-lived process per call, a few
 * milliseconds each; calls block the thread. With a prefix such as {@code ip netns exec NAME} they
 * act in another network namespace.
 */
public final class HostCommands {
  /** In the namespace of this process. */
  public static final HostCommands HERE = new HostCommands(List.of());

  private final List<String> prefix;

  public HostCommands(List<String> prefix) {
    this.prefix = List.copyOf(prefix);
  }

  /** What a command said. */
  public record Output(int exitCode, String out, String error) {
    public boolean succeeded() {
      return exitCode == 0;
    }
  }

  /**
   * Runs a command to its end, whatever its exit code.
   *
   * @throws UncheckedIOException if it is not installed
   */
  public Output run(String input, String... command) throws InterruptedException {
    List<String> all = new ArrayList<>(prefix);
    all.addAll(List.of(command));
    ProcessBuilder builder = new ProcessBuilder(all);
    // A server started by hand may lack the administrator's directories in its PATH.
    builder
        .environment()
        .merge("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin", (a, b) -> a + ":" + b);
    builder.environment().put("LC_ALL", "C");
    Process process;
    try {
      process = builder.start();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot run " + command[0] + ": is its package installed?", e);
    }
    try (OutputStream in = process.getOutputStream()) {
      in.write(input.getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      // It ended without reading all of its input; its exit code and words tell why.
      return finish(process, List.of(command), String.valueOf(e.getMessage()));
    }
    return finish(process, List.of(command), "");
  }

  /**
   * Runs a command that must succeed.
   *
   * @return its output
   * @throws IllegalStateException with the command and its words, if it fails
   */
  public String require(String input, String... command) throws InterruptedException {
    Output output = run(input, command);
    if (!output.succeeded()) {
      String words = output.error().isBlank() ? output.out() : output.error();
      throw new IllegalStateException(String.join(" ", command) + " failed: " + words.strip());
    }
    return output.out();
  }

  /**
   * Sets a kernel parameter, such as {@code net/ipv4/ip_forward}.
   *
   * @return whether the kernel has it and took the value
   */
  public boolean sysctl(String path, String value) throws InterruptedException {
    return run("", "sh", "-c", "echo " + value + " > /proc/sys/" + path).succeeded();
  }

  private static Output finish(Process process, List<String> command, String trouble)
      throws InterruptedException {
    try (InputStream out = process.getInputStream();
        InputStream error = process.getErrorStream()) {
      StringBuilder words = new StringBuilder(trouble);
      // Both streams are read at once, or a talkative command would block on the other one.
      Thread reader =
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      words.append(new String(error.readAllBytes(), StandardCharsets.UTF_8));
                    } catch (IOException e) {
                      words.append(e.getMessage());
                    }
                  });
      String said = new String(out.readAllBytes(), StandardCharsets.UTF_8);
      reader.join();
      return new Output(process.waitFor(), said, words.toString());
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read from " + command.getFirst(), e);
    }
  }
}
