package dev.kedge.node;

import dev.kedge.cri.ContainerdClient;
import dev.kedge.cri.ContainerdClient.Descriptor;
import dev.kedge.model.Json;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.zip.GZIPInputStream;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarFile;

/**
 * A tar of images, docker-archive or OCI layout, plain or compressed by gzip or zstd, and its
 * import into containerd's content store. Used by one thread; closing removes the unpacked copy, if
 * any.
 */
final class ImageArchive implements AutoCloseable {
  private static final String OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
  private static final String OCI_INDEX = "application/vnd.oci.image.index.v1+json";
  private static final String DOCKER_INDEX =
      "application/vnd.docker.distribution.manifest.list.v2+json";
  private static final String OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
  private static final String OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";
  private static final String PINNED = "io.cri-containerd.pinned";

  private final Path source;
  private final TarFile tar;
  private final Path temporary;
  private final Map<String, TarArchiveEntry> entries = new HashMap<>();

  private ImageArchive(Path source, TarFile tar, Path temporary) {
    this.source = source;
    this.tar = tar;
    this.temporary = temporary;
    for (TarArchiveEntry entry : tar.getEntries()) {
      entries.put(normalize(entry.getName()), entry);
    }
  }

  /**
   * Opens an archive.
   *
   * @param scratch where a compressed archive is unpacked while it is open
   * @throws IOException if it is not a tar, or compressed in a way that cannot be undone here
   */
  static ImageArchive open(Path file, Path scratch) throws IOException {
    byte[] magic;
    try (InputStream in = Files.newInputStream(file)) {
      magic = in.readNBytes(6);
    }
    Path temporary = scratch.resolve("import-" + UUID.randomUUID() + ".tar");
    Path plain = file;
    try {
      if (startsWith(magic, 0x1f, 0x8b)) {
        Files.createDirectories(scratch);
        try (InputStream in = new GZIPInputStream(Files.newInputStream(file), 1 << 16);
            OutputStream out = Files.newOutputStream(temporary)) {
          in.transferTo(out);
        }
        plain = temporary;
      } else if (startsWith(magic, 0x28, 0xb5, 0x2f, 0xfd)) {
        Files.createDirectories(scratch);
        String zstd =
            Processes.find("zstd")
                .orElseThrow(
                    () ->
                        new IOException(
                            file + " is compressed by zstd: install the package zstd, or use gzip"))
                .toString();
        Processes.run(zstd, "-q", "-d", "-f", "-o", temporary.toString(), file.toString());
        plain = temporary;
      } else if (startsWith(magic, 'B', 'Z', 'h') || startsWith(magic, 0xfd, '7', 'z', 'X', 'Z')) {
        throw new IOException(file + ": compress image archives by gzip or zstd, not bzip2 or xz");
      }
      return new ImageArchive(file, new TarFile(plain), temporary);
    } catch (IOException | RuntimeException e) {
      Files.deleteIfExists(temporary);
      throw e;
    }
  }

  private static boolean startsWith(byte[] bytes, int... magic) {
    for (int i = 0; i < magic.length; i++) {
      if (i >= bytes.length || (bytes[i] & 0xff) != magic[i]) {
        return false;
      }
    }
    return true;
  }

  @Override
  public void close() throws IOException {
    tar.close();
    Files.deleteIfExists(temporary);
  }

  /**
   * Imports every named image.
   *
   * @return the full names that now exist in containerd
   */
  List<String> importInto(ContainerdClient containerd) throws IOException {
    String lease = "kedge-import-" + UUID.randomUUID();
    // Without a lease containerd's garbage collection may take layers before the name holds them.
    containerd.createLease(
        lease,
        Map.of("containerd.io/gc.expire", java.time.Instant.now().plusSeconds(3600).toString()));
    try {
      Map<String, Descriptor> images = new LinkedHashMap<>();
      if (has("index.json")) {
        importLayout(containerd, lease, images);
      }
      if (images.isEmpty() && has("manifest.json")) {
        importDockerArchive(containerd, lease, images);
      }
      if (images.isEmpty()) {
        throw new IOException(
            source
                + " names no image: it must be a docker-archive with RepoTags, or an OCI layout"
                + " whose index.json gives org.opencontainers.image.ref.name");
      }
      // Pinned: kubelets and containerd must not collect what cannot be pulled again.
      images.forEach(
          (name, target) -> containerd.putImage(lease, name, target, Map.of(PINNED, "pinned")));
      return List.copyOf(images.keySet());
    } finally {
      containerd.deleteLease(lease);
    }
  }

  private void importDockerArchive(
      ContainerdClient containerd, String lease, Map<String, Descriptor> images)
      throws IOException {
    if (!(Json.parse(read("manifest.json")) instanceof JsonArray manifests)) {
      throw new IOException(source + ": manifest.json is not a list");
    }
    for (JsonObject manifest : manifests.objects()) {
      byte[] config = read(manifest.text("Config"));
      List<Descriptor> layers = new ArrayList<>();
      for (String layer : manifest.strings("Layers")) {
        TarArchiveEntry entry = entry(layer);
        Descriptor descriptor = describeLayer(entry);
        layers.add(descriptor);
        try (InputStream in = tar.getInputStream(entry)) {
          containerd.writeContent(lease, descriptor.digest(), descriptor.size(), Map.of(), in);
        }
      }
      Descriptor configDescriptor = new Descriptor(OCI_CONFIG, digest(config), config.length);
      containerd.writeContent(
          lease,
          configDescriptor.digest(),
          config.length,
          snapshotLabels(config),
          new ByteArrayInputStream(config));
      byte[] body =
          Json.bytes(
              JsonObject.of(
                  "schemaVersion",
                  2,
                  "mediaType",
                  OCI_MANIFEST,
                  "config",
                  json(configDescriptor),
                  "layers",
                  layers.stream().map(ImageArchive::json).toList()));
      Descriptor target = new Descriptor(OCI_MANIFEST, digest(body), body.length);
      containerd.writeContent(
          lease,
          target.digest(),
          body.length,
          references(configDescriptor, layers),
          new ByteArrayInputStream(body));
      for (String tag : manifest.strings("RepoTags")) {
        images.put(ImageName.normalize(tag), target);
      }
    }
  }

  private Descriptor describeLayer(TarArchiveEntry entry) throws IOException {
    MessageDigest sha256 = sha256();
    byte[] magic;
    try (InputStream in = new DigestInputStream(tar.getInputStream(entry), sha256)) {
      magic = in.readNBytes(4);
      in.transferTo(OutputStream.nullOutputStream());
    }
    String mediaType =
        startsWith(magic, 0x1f, 0x8b)
            ? OCI_LAYER + "+gzip"
            : startsWith(magic, 0x28, 0xb5, 0x2f, 0xfd) ? OCI_LAYER + "+zstd" : OCI_LAYER;
    return new Descriptor(
        mediaType, "sha256:" + HexFormat.of().formatHex(sha256.digest()), entry.getSize());
  }

  private void importLayout(
      ContainerdClient containerd, String lease, Map<String, Descriptor> images)
      throws IOException {
    for (JsonObject top : Json.parseObject(read("index.json")).objects("manifests")) {
      String name = top.text("annotations", "io.containerd.image.name");
      if (name.isEmpty()) {
        name = top.text("annotations", "org.opencontainers.image.ref.name");
        if (!name.contains("/") && !name.contains(":")) {
          continue; // a bare tag names no image
        }
      }
      Descriptor manifest = forPlatform(descriptor(top));
      byte[] body = blob(manifest.digest());
      JsonObject json = Json.parseObject(body);
      Descriptor config = descriptor(json.object("config"));
      List<Descriptor> layers =
          json.objects("layers").stream().map(ImageArchive::descriptor).toList();
      for (Descriptor layer : layers) {
        try (InputStream in = tar.getInputStream(entry(blobPath(layer.digest())))) {
          containerd.writeContent(lease, layer.digest(), layer.size(), Map.of(), in);
        }
      }
      byte[] configBytes = blob(config.digest());
      containerd.writeContent(
          lease,
          config.digest(),
          config.size(),
          snapshotLabels(configBytes),
          new ByteArrayInputStream(configBytes));
      containerd.writeContent(
          lease,
          manifest.digest(),
          body.length,
          references(config, layers),
          new ByteArrayInputStream(body));
      images.put(ImageName.normalize(name), manifest);
    }
  }

  /** Follows indexes to the manifest of this machine's platform. */
  private Descriptor forPlatform(Descriptor descriptor) throws IOException {
    if (!descriptor.mediaType().equals(OCI_INDEX) && !descriptor.mediaType().equals(DOCKER_INDEX)) {
      return descriptor;
    }
    String architecture = PauseImage.architecture();
    List<String> offered = new ArrayList<>();
    for (JsonObject manifest : Json.parseObject(blob(descriptor.digest())).objects("manifests")) {
      JsonObject platform = manifest.object("platform");
      offered.add(platform.text("os") + "/" + platform.text("architecture"));
      boolean fits =
          platform.isEmpty()
              || platform.text("os").equals("linux")
                  && platform.text("architecture").equals(architecture);
      if (fits && has(blobPath(manifest.text("digest")))) {
        return forPlatform(descriptor(manifest));
      }
    }
    throw new IOException(
        source + " holds no image for linux/" + architecture + ", only " + offered);
  }

  /** What keeps a manifest's blobs from being collected. */
  private static Map<String, String> references(Descriptor config, List<Descriptor> layers) {
    Map<String, String> labels = new LinkedHashMap<>();
    labels.put("containerd.io/gc.ref.content.config", config.digest());
    for (int i = 0; i < layers.size(); i++) {
      labels.put("containerd.io/gc.ref.content.l." + i, layers.get(i).digest());
    }
    return labels;
  }

  /** The unpacked layers, named by their chain, belong to the configuration. */
  private static Map<String, String> snapshotLabels(byte[] config) {
    String chain = "";
    for (String diffId : Json.parseObject(config).strings("rootfs", "diff_ids")) {
      chain =
          chain.isEmpty()
              ? diffId
              : digest((chain + " " + diffId).getBytes(java.nio.charset.StandardCharsets.UTF_8));
    }
    return chain.isEmpty() ? Map.of() : Map.of("containerd.io/gc.ref.snapshot.overlayfs", chain);
  }

  private static Descriptor descriptor(JsonObject json) {
    return new Descriptor(json.text("mediaType"), json.text("digest"), json.integer("size"));
  }

  private static JsonObject json(Descriptor descriptor) {
    return JsonObject.of(
        "mediaType",
        descriptor.mediaType(),
        "digest",
        descriptor.digest(),
        "size",
        descriptor.size());
  }

  private byte[] blob(String digest) throws IOException {
    return read(blobPath(digest));
  }

  private static String blobPath(String digest) {
    return "blobs/" + digest.replace(':', '/');
  }

  private boolean has(String name) {
    return entries.containsKey(normalize(name));
  }

  /** An entry by name, links followed: old docker-archives link equal layers to each other. */
  private TarArchiveEntry entry(String name) throws IOException {
    String path = normalize(name);
    for (int links = 0; links < 10; links++) {
      TarArchiveEntry entry = entries.get(path);
      if (entry == null) {
        throw new IOException(source + " lacks " + name);
      }
      if (entry.isSymbolicLink()) {
        path = normalize(Path.of("/" + path).resolveSibling(entry.getLinkName()).normalize() + "");
      } else if (entry.isLink()) {
        path = normalize(entry.getLinkName());
      } else {
        return entry;
      }
    }
    throw new IOException(source + ": " + name + " is a loop of links");
  }

  private byte[] read(String name) throws IOException {
    try (InputStream in = tar.getInputStream(entry(name))) {
      return in.readAllBytes();
    }
  }

  private static String normalize(String name) {
    return name.replaceFirst("^(\\./|/)+", "").replaceFirst("/$", "");
  }

  static String digest(byte[] bytes) {
    return "sha256:" + HexFormat.of().formatHex(sha256().digest(bytes));
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
