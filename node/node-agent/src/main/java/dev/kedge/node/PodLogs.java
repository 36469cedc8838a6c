package dev.kedge.node;

import dev.kedge.cri.Cri.ContainerStatus;
import dev.kedge.model.KubeObject;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** The log files of one pod's containers, and the links to them that log collectors follow. */
final class PodLogs {
  private static final Logger LOG = System.getLogger("dev.kedge.node");

  private final NodeSettings settings;
  private final String uid;

  PodLogs(NodeSettings settings, String uid) {
    this.settings = settings;
    this.uid = uid;
  }

  /** A link as log collectors look for it. */
  void link(KubeObject pod, String name, String id, int attempt) throws IOException {
    Files.createDirectories(settings.containerLogs());
    Path link = linkOf(pod, name, id);
    Files.deleteIfExists(link);
    Files.createSymbolicLink(link, logOf(pod, name, attempt));
  }

  private Path linkOf(KubeObject pod, String name, String id) {
    return settings.containerLogs().resolve(prefix(pod) + name + "-" + id + ".log");
  }

  private static String prefix(KubeObject pod) {
    return pod.name() + "_" + pod.namespace() + "_";
  }

  private Path logOf(KubeObject pod, String name, int attempt) {
    return ContainerSpecs.logDirectory(settings, pod).resolve(name).resolve(attempt + ".log");
  }

  /** Removes what all containers of the pod have written. */
  void removeAll(KubeObject pod) throws IOException {
    Path links = settings.containerLogs();
    if (Files.isDirectory(links)) {
      String prefix = prefix(pod);
      try (Stream<Path> all = Files.list(links)) {
        for (Path link :
            all.filter(path -> path.getFileName().toString().startsWith(prefix)).toList()) {
          if (Files.isSymbolicLink(link)
              && Files.readSymbolicLink(link)
                  .startsWith(ContainerSpecs.logDirectory(settings, pod))) {
            Files.delete(link);
          }
        }
      }
    }
    Mounts.deleteTree(ContainerSpecs.logDirectory(settings, pod));
  }

  /** Removes what one container has written. */
  void remove(KubeObject pod, ContainerStatus container) {
    String name = container.metadata().name();
    int attempt = container.metadata().attempt();
    Path log = logOf(pod, name, attempt);
    try {
      Files.deleteIfExists(log);
      Files.deleteIfExists(linkOf(pod, name, container.id()));
      Files.deleteIfExists(ContainerSpecs.terminationLog(settings, uid, name, attempt));
    } catch (IOException e) {
      LOG.log(Level.WARNING, "old log " + log + " cannot be removed", e);
    }
  }
}
