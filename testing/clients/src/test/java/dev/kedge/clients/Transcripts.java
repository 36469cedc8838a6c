package dev.kedge.clients;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.DynamicTest;

/** Runs transcripts against a cluster, each in a namespace of its own, named after its file. */
public final class Transcripts {
  private static final Path ALL = Programs.MODULE.resolve("src/test/transcripts");

  /** The minors of kubectl to run: {@code -Dkedge.clients.kubectl=1.34,1.35,1.36}. */
  private static final List<String> MINORS =
      List.of(System.getProperty("kedge.clients.kubectl", "1.36").split(","));

  private final Path kubeconfig;
  private final Optional<String> image;
  private final Path work;

  /**
   * Transcripts against one cluster.
   *
   * @param image an image with a shell, tar and nginx that the cluster's node has; absent if there
   *     is no node
   * @param work a directory for what the commands leave behind
   */
  public Transcripts(Path kubeconfig, Optional<String> image, Path work) {
    this.kubeconfig = kubeconfig;
    this.image = image;
    this.work = work;
  }

  /**
   * The transcripts of folders below {@code kubectl}, with each minor asked for. A folder's own
   * folder {@code all} is taken too where {@code -Dkedge.clients.all=true} asks for it.
   */
  public Stream<DynamicNode> kubectl(String... folders) {
    List<Path> files = new ArrayList<>();
    for (String folder : folders) {
      files.addAll(files(ALL.resolve("kubectl").resolve(folder)));
      if (Boolean.getBoolean("kedge.clients.all")) {
        files.addAll(files(ALL.resolve("kubectl").resolve(folder).resolve("all")));
      }
    }
    return MINORS.stream()
        .map(
            minor ->
                DynamicContainer.dynamicContainer(
                    "kubectl " + minor, files.stream().map(file -> test(file, minor, false))));
  }

  Stream<DynamicNode> helm() {
    return files(ALL.resolve("helm")).stream().map(file -> test(file, "1.36", true));
  }

  private static List<Path> files(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(Files::isRegularFile).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private DynamicNode test(Path file, String minor, boolean helm) {
    Transcript transcript = Transcript.read(file);
    return DynamicTest.dynamicTest(
        transcript.name(),
        () -> {
          String path = Programs.folder("go", "kubectl", minor) + ":" + System.getenv("PATH");
          if (helm) {
            path = Programs.folder("go", "helm") + ":" + path;
          }
          run(transcript, path);
        });
  }

  private void run(Transcript transcript, String path) throws IOException {
    assumeTrue(Files.isExecutable(Path.of("/bin/bash")), "no bash");
    Path directory = Files.createTempDirectory(work, transcript.name());
    Path own = directory.resolve("kubeconfig");
    Files.copy(kubeconfig, own);
    Map<String, String> environment = new LinkedHashMap<>();
    environment.put("PATH", path);
    environment.put("KUBECONFIG", own.toString());
    environment.put("HOME", work.toString());
    environment.put("TMPDIR", directory.toString());
    environment.put("CLIENTS", Programs.MODULE.toString());
    environment.put("LC_ALL", "C.UTF-8");
    image.ifPresent(name -> environment.put("IMAGE", name));
    String name = transcript.name();
    long start = System.nanoTime();
    Programs.Result ready =
        bash(
            "kubectl create namespace "
                + name
                + " && kubectl config set-context --current --namespace="
                + name,
            environment,
            directory);
    assertThat(ready.code()).as(ready.output()).isZero();
    List<String> differences = new ArrayList<>();
    for (Transcript.Step step : transcript.steps()) {
      Programs.Result result = bash(step.command(), environment, directory);
      if (!step.matches(result.code(), result.output())) {
        differences.add(
            "line %d: $ %s%nexpected (exit code %d):%n%s%nbut was (exit code %d):%n%s"
                .formatted(
                    step.line(),
                    step.command(),
                    step.code(),
                    String.join("\n", step.output()),
                    result.code(),
                    result.output()));
      }
    }
    bash("kubectl delete namespace " + name, environment, directory);
    System.out.printf(
        "%s: %d commands, %d as upstream, %.1f s%n",
        name,
        transcript.steps().size(),
        transcript.steps().size() - differences.size(),
        (System.nanoTime() - start) / 1e9);
    assertThat(differences).as(String.join("\n\n", differences)).isEmpty();
  }

  private static Programs.Result bash(
      String command, Map<String, String> environment, Path directory) {
    return Programs.run(List.of("bash", "-c", command), environment, directory, 120);
  }
}
