package dev.kedge.node;

import dev.kedge.cri.Cri;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Removes images that no container uses when the disk is more than 85 % full, those unused for
 * longest first, until it is below 80 %. Imported and pinned images stay: they cannot be pulled
 * again.
 */
final class ImageCollection {
  private static final double HIGH = 0.85;
  private static final double LOW = 0.80;

  private final NodeServices node;
  private final Optional<ImageImporter> importer;
  private final Map<String, Long> lastUsed = new HashMap<>();

  ImageCollection(NodeServices node, Optional<ImageImporter> importer) {
    this.node = node;
    this.importer = importer;
  }

  void pass() throws IOException {
    FileStore store = Files.getFileStore(node.settings().dataDirectory());
    if (used(store) < HIGH) {
      return;
    }
    long now = System.nanoTime();
    Set<String> inUse = new HashSet<>();
    for (Cri.Container container : node.cri().listContainers(Cri.ContainerFilter.ALL)) {
      inUse.add(container.imageRef());
      inUse.add(container.image().image());
    }
    Set<String> keep = importer.map(ImageImporter::importedNames).orElse(Set.of());
    List<Cri.Image> images = node.cri().listImages();
    for (Cri.Image image : images) {
      boolean busy =
          inUse.contains(image.id())
              || image.repoTags().stream().anyMatch(inUse::contains)
              || image.repoDigests().stream().anyMatch(inUse::contains);
      lastUsed.merge(image.id(), now, (before, _) -> busy ? now : before);
      if (busy) {
        inUse.add(image.id());
      }
    }
    for (Cri.Image image :
        images.stream()
            .filter(image -> !image.pinned())
            .filter(image -> !inUse.contains(image.id()))
            .filter(image -> !image.repoTags().contains(NodeSettings.PAUSE_IMAGE))
            .filter(image -> image.repoTags().stream().noneMatch(keep::contains))
            .sorted(Comparator.comparingLong(image -> lastUsed.getOrDefault(image.id(), now)))
            .toList()) {
      if (used(store) < LOW) {
        return;
      }
      System.getLogger("dev.kedge.node")
          .log(Level.INFO, "the disk is full: removing unused image {0}", image.repoTags());
      node.cri().removeImage(image.id());
      lastUsed.remove(image.id());
    }
  }

  private static double used(FileStore store) throws IOException {
    return 1 - (double) store.getUsableSpace() / Math.max(1, store.getTotalSpace());
  }
}
