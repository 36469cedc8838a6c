package dev.kedge.store.sql;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.kedge.store.Store;
import dev.kedge.store.StoreException;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.DynamicTest;

/** Endpoints that cannot be used, and the sentence that each gets. */
public final class BadDays {
  /**
   * One of them.
   *
   * @param sentences what the message must say
   */
  record Case(String name, String url, TlsFiles files, String... sentences) {}

  interface Opening {
    Store open(String url, TlsFiles files);
  }

  private BadDays() {}

  static List<DynamicTest> tests(List<Case> cases, Opening opening) {
    return cases.stream()
        .map(each -> DynamicTest.dynamicTest(each.name(), () -> check(each, opening)))
        .toList();
  }

  private static void check(Case each, Opening opening) {
    try (Store store = opening.open(each.url(), each.files())) {
      throw new AssertionError("opened at revision " + store.currentRevision());
    } catch (StoreException e) {
      assertThat(e.getMessage())
          .contains(each.sentences())
          .doesNotContain("s3cr")
          .doesNotContain("\n")
          .hasSizeLessThan(400);
    }
  }

  /** A port of loopback on which nobody listens. */
  public static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  /** Two authorities, and certificates by the first, in PEM files that anybody may read. */
  public record Certificates(Path directory) {
    public static Certificates make(Path directory) throws Exception {
      Certificates made = new Certificates(directory);
      Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwxr-xr-x"));
      made.authority("ca");
      made.authority("other");
      made.signed("server", "db", "IP:127.0.0.1");
      made.signed("client", "kube", "DNS:kube");
      return made;
    }

    public Path file(String name) {
      return directory.resolve(name);
    }

    TlsFiles ca(String name) {
      return new TlsFiles(Optional.of(file(name)), Optional.empty(), Optional.empty());
    }

    TlsFiles client() {
      return new TlsFiles(
          Optional.of(file("ca.crt")),
          Optional.of(file("client.crt")),
          Optional.of(file("client.key")));
    }

    private void authority(String name) throws Exception {
      openssl(
          "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=%1$s"
              + " -keyout %1$s.key -out %1$s.crt",
          name);
    }

    private void signed(String name, String subject, String names) throws Exception {
      Files.writeString(file(name + ".ext"), "subjectAltName=" + names);
      openssl(
          "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=%2$s -keyout %1$s.key"
              + " -out %1$s.csr",
          name, subject);
      openssl(
          "x509 -req -in %1$s.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile"
              + " %1$s.ext -out %1$s.crt",
          name);
      Files.setPosixFilePermissions(
          file(name + ".key"), PosixFilePermissions.fromString("rw-r--r--"));
    }

    private void openssl(String arguments, Object... names) throws Exception {
      List<String> command = new ArrayList<>();
      command.add(DatabaseProcess.program("openssl", "/usr/bin", "/usr/local/bin").toString());
      command.addAll(List.of(arguments.formatted(names).split(" ", -1)));
      Process process =
          new ProcessBuilder(command)
              .directory(directory.toFile())
              .redirectErrorStream(true)
              .start();
      String output = new String(process.getInputStream().readAllBytes(), UTF_8);
      if (process.waitFor() != 0) {
        throw new IOException(command + ": " + output);
      }
    }
  }
}
