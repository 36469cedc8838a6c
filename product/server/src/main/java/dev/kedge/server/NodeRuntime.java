package dev.kedge.server;

import dev.kedge.lifecycle.Closer;
import dev.kedge.lifecycle.UserException;
import dev.kedge.node.Containerd;
import dev.kedge.node.ImageImporter;
import dev.kedge.node.NodeSettings;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What a node needs before it can be told about pods: the machine's packages, containerd, and the
 * images that lie in {@code agent/images}. None of it needs the API, so it starts beside it.
 */
record NodeRuntime(NodeSettings settings, Containerd containerd, Optional<ImageImporter> images) {
  static NodeRuntime start(ServerConfig config, Runnable packages, Closer parts)
      throws InterruptedException {
    packages.run();
    NodeSettings settings = settings(config);
    try {
      Containerd containerd = parts.add("containerd client", Containerd.start(settings));
      // Another runtime's images are its own business.
      Optional<ImageImporter> images =
          settings.runtimeEndpoint().isPresent()
              ? Optional.empty()
              : Optional.of(parts.add("image importer", new ImageImporter(settings, containerd)));
      if (images.isPresent()) {
        images.get().start();
      }
      return new NodeRuntime(settings, containerd, images);
    } catch (IOException e) {
      throw new UserException(String.valueOf(e.getMessage()), e);
    }
  }

  private static NodeSettings settings(ServerConfig config) {
    ServerConfig.Node node = config.node();
    return NodeSettings.builder(node.name(), config.dataDir())
        .runDirectory(runDirectory(config.dataDir()))
        .server(true)
        .addresses(List.of(node.ip()))
        .externalAddresses(node.externalIps())
        .labels(node.labels())
        .taints(node.taints())
        .clusterDns(List.of(config.clusterDns()))
        .clusterDomain(config.clusterDomain())
        .resolvConf(node.resolvConf())
        .registries(node.registries())
        .version(KedgeVersion.GIT_VERSION)
        .runtimeEndpoint(node.containerRuntimeEndpoint().map(NodeRuntime::socket))
        .snapshotter(node.snapshotter())
        .localStorage(node.localStorage())
        .build();
  }

  /**
   * Where sockets and mounts lie that do not survive a reboot. Each data directory has its own, so
   * that two servers on one machine, in network namespaces of their own, do not meet.
   */
  static Path runDirectory(Path dataDir) {
    Path usual = Path.of("/run/kedge");
    boolean standard =
        List.of(Path.of("/var/lib/kedge"), Path.of("/var/lib/rancher/k3s")).contains(dataDir);
    return standard
        ? usual
        : usual.resolve("%08x".formatted(dataDir.toAbsolutePath().toString().hashCode()));
  }

  private static Path socket(String endpoint) {
    return Path.of(
        endpoint.startsWith("unix://") ? endpoint.substring("unix://".length()) : endpoint);
  }

  @Override
  public String toString() {
    return containerd.toString();
  }
}
