package dev.kedge.node;

import dev.kedge.cri.Cri;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Quantity;
import dev.kedge.model.Resources;
import dev.kedge.model.Times;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The volumes of one pod. Those made of API objects live on a memory file system shared by all pods
 * of the node, so that secrets never reach a disk and no pod costs a mount; they are replaced as a
 * whole by switching a link, so that a reader sees all of an update or nothing. Used by the pod's
 * worker only.
 */
final class Volumes {
  private final NodeServices node;
  private final Path disk;
  private final Path memory;
  private final Map<String, Path> ready = new HashMap<>();
  private final Map<String, Map<String, File>> written = new HashMap<>();
  private final Map<String, Token> tokens = new HashMap<>();

  /** A file of a volume; mode as in chmod. */
  private record File(byte[] content, int mode) {
    boolean same(@Nullable File other) {
      return other != null && mode == other.mode && java.util.Arrays.equals(content, other.content);
    }
  }

  private record Token(String value, Instant refresh) {}

  /** A volume cannot be set up; the message is for the FailedMount event. */
  static final class MountException extends Exception {
    MountException(String volume, String why) {
      super("MountVolume.SetUp failed for volume \"" + volume + "\" : " + why);
    }

    MountException(String message) {
      super(message);
    }
  }

  Volumes(NodeServices node, String uid) {
    this.node = node;
    disk = node.settings().podsDirectory().resolve(uid).resolve("volumes");
    memory = memoryRoot(node.settings()).resolve(uid);
  }

  /** The memory file system of all pods' API-object volumes. */
  static Path memoryRoot(NodeSettings settings) {
    return settings.runDirectory().resolve("volumes");
  }

  /** Mounts what all pods share. May be repeated. */
  static void prepareNode(NodeSettings settings) throws IOException {
    Path root = memoryRoot(settings);
    Files.createDirectories(root);
    if (!Mounts.isMounted(root)) {
      Mounts.tmpfs(root, "mode=0755,nosuid,nodev");
    }
    Mounts.shareWithContainers(settings.podsDirectory());
  }

  /**
   * Sets up what is not set up yet and brings API-object volumes up to date.
   *
   * @return when a token must be renewed, if there is one
   */
  Optional<Instant> sync(KubeObject pod, Environment environment)
      throws MountException, InterruptedException {
    Instant next = null;
    for (JsonObject volume : pod.spec().objects("volumes")) {
      String name = volume.text("name");
      try {
        Optional<Map<String, File>> files = files(pod, volume, environment);
        if (files.isPresent()) {
          Path target = memory.resolve(name);
          write(name, target, files.get(), fsGroup(pod));
          ready.put(name, target);
        } else if (!ready.containsKey(name)) {
          ready.put(name, setUp(pod, volume));
        }
      } catch (IOException | ApiException e) {
        throw new MountException(name, message(e));
      } catch (Environment.ConfigException e) {
        throw new MountException(name, message(e));
      }
      for (Map.Entry<String, Token> token : tokens.entrySet()) {
        if (token.getKey().startsWith(name + "/")
            && (next == null || token.getValue().refresh.isBefore(next))) {
          next = token.getValue().refresh;
        }
      }
    }
    return Optional.ofNullable(next);
  }

  private static String message(Exception e) {
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }

  private static Optional<Long> fsGroup(KubeObject pod) {
    JsonObject context = pod.spec().object("securityContext");
    return context.has("fsGroup") ? Optional.of(context.integer("fsGroup")) : Optional.empty();
  }

  /** Whether a volume's content comes from this object, so that its change must be looked at. */
  static boolean uses(KubeObject pod, boolean secret, String name) {
    for (JsonObject volume : pod.spec().objects("volumes")) {
      if (secret
          ? volume.text("secret", "secretName").equals(name)
          : volume.text("configMap", "name").equals(name)) {
        return true;
      }
      for (JsonObject source : volume.objects("projected", "sources")) {
        if (source.text(secret ? "secret" : "configMap", "name").equals(name)) {
          return true;
        }
      }
    }
    return false;
  }

  // ---- volumes made of API objects

  private Optional<Map<String, File>> files(
      KubeObject pod, JsonObject volume, Environment environment)
      throws IOException, MountException, InterruptedException, Environment.ConfigException {
    Map<String, File> files = new TreeMap<>();
    String name = volume.text("name");
    if (volume.has("configMap")) {
      JsonObject source = volume.object("configMap");
      object(
          files, pod, false, source.text("name"), source, mode(source, "defaultMode", 0644), name);
    } else if (volume.has("secret")) {
      JsonObject source = volume.object("secret");
      object(
          files,
          pod,
          true,
          source.text("secretName"),
          source,
          mode(source, "defaultMode", 0644),
          name);
    } else if (volume.has("downwardAPI")) {
      JsonObject source = volume.object("downwardAPI");
      downward(files, pod, source, mode(source, "defaultMode", 0644), environment);
    } else if (volume.has("projected")) {
      JsonObject projected = volume.object("projected");
      int mode = mode(projected, "defaultMode", 0644);
      for (JsonObject source : projected.objects("sources")) {
        if (source.has("configMap")) {
          object(
              files,
              pod,
              false,
              source.text("configMap", "name"),
              source.object("configMap"),
              mode,
              name);
        } else if (source.has("secret")) {
          object(
              files, pod, true, source.text("secret", "name"), source.object("secret"), mode, name);
        } else if (source.has("downwardAPI")) {
          downward(files, pod, source.object("downwardAPI"), mode, environment);
        } else if (source.has("serviceAccountToken")) {
          token(files, pod, name, source.object("serviceAccountToken"), mode);
        } else {
          throw new MountException(
              name, "projected source " + source.names() + " is not supported by this node");
        }
      }
    } else {
      return Optional.empty();
    }
    return Optional.of(files);
  }

  private static int mode(JsonObject source, String field, int otherwise) {
    return (int) source.integerOr(otherwise, field);
  }

  private void object(
      Map<String, File> files,
      KubeObject pod,
      boolean secret,
      String objectName,
      JsonObject source,
      int mode,
      String volume)
      throws MountException, InterruptedException {
    Optional<KubeObject> object =
        node.object(
            secret ? Resources.SECRETS : Resources.CONFIG_MAPS, pod.namespace(), objectName);
    if (object.isEmpty()) {
      if (source.flag("optional")) {
        return;
      }
      throw new MountException(
          volume, (secret ? "secret" : "configmap") + " \"" + objectName + "\" not found");
    }
    Map<String, byte[]> data = new LinkedHashMap<>();
    object
        .get()
        .json()
        .map("data")
        .forEach(
            (key, value) ->
                data.put(
                    key,
                    secret
                        ? Base64.getDecoder().decode(value)
                        : value.getBytes(StandardCharsets.UTF_8)));
    object
        .get()
        .json()
        .map("binaryData")
        .forEach((key, value) -> data.put(key, Base64.getDecoder().decode(value)));
    List<JsonObject> items = source.objects("items");
    if (items.isEmpty()) {
      data.forEach((key, value) -> files.put(key, new File(value, mode)));
      return;
    }
    for (JsonObject item : items) {
      byte[] value = data.get(item.text("key"));
      if (value == null) {
        if (source.flag("optional")) {
          continue;
        }
        throw new MountException(
            volume,
            (secret
                    ? "references non-existent secret key: "
                    : "references non-existent config key: ")
                + item.text("key"));
      }
      files.put(item.text("path"), new File(value, mode(item, "mode", mode)));
    }
  }

  private void downward(
      Map<String, File> files, KubeObject pod, JsonObject source, int mode, Environment environment)
      throws Environment.ConfigException {
    for (JsonObject item : source.objects("items")) {
      String value =
          item.has("fieldRef")
              ? environment.field(item.text("fieldRef", "fieldPath"))
              : environment.resourceField(
                  item.object("resourceFieldRef"), Pods.containers(pod).getFirst());
      files.put(
          item.text("path"),
          new File(value.getBytes(StandardCharsets.UTF_8), mode(item, "mode", mode)));
    }
  }

  private void token(
      Map<String, File> files, KubeObject pod, String volume, JsonObject source, int mode) {
    String key = volume + "/" + source.text("path");
    Instant now = node.clock().instant();
    Token token = tokens.get(key);
    if (token == null || !now.isBefore(token.refresh)) {
      long seconds = source.integerOr(3600, "expirationSeconds");
      JsonObject.Builder spec =
          JsonObject.builder()
              .put(
                  "audiences",
                  source.text("audience").isEmpty() ? List.of() : List.of(source.text("audience")))
              .put("expirationSeconds", seconds)
              .put(
                  "boundObjectRef",
                  Map.of("apiVersion", "v1", "kind", "Pod", "name", pod.name(), "uid", pod.uid()));
      String account = pod.spec().text("serviceAccountName");
      KubeObject answer =
          node.client()
              .createSubresource(
                  Resources.SERVICE_ACCOUNTS,
                  pod.namespace(),
                  account.isEmpty() ? "default" : account,
                  "token",
                  new KubeObject(
                      JsonObject.of(
                          "apiVersion",
                          "authentication.k8s.io/v1",
                          "kind",
                          "TokenRequest",
                          "spec",
                          spec.build())));
      Instant end =
          Times.instant(answer.status().text("expirationTimestamp"))
              .orElse(now.plusSeconds(seconds));
      // Renewed after four fifths of its life, or after a day.
      Duration life = Duration.between(now, end);
      Duration keep = life.multipliedBy(4).dividedBy(5);
      token =
          new Token(
              answer.status().text("token"),
              now.plus(keep.compareTo(Duration.ofDays(1)) > 0 ? Duration.ofDays(1) : keep));
      tokens.put(key, token);
    }
    // Like upstream: readable by the one user where all containers run as the same.
    boolean group = pod.spec().object("securityContext").has("fsGroup");
    files.put(
        source.text("path"),
        new File(token.value.getBytes(StandardCharsets.UTF_8), group ? 0640 : mode));
  }

  /**
   * Writes the files below a fresh directory and switches {@code ..data} to it; the names in the
   * volume are links into {@code ..data}.
   */
  private void write(String name, Path target, Map<String, File> files, Optional<Long> group)
      throws IOException, MountException {
    Map<String, File> before = written.get(name);
    if (before != null
        && before.keySet().equals(files.keySet())
        && files.entrySet().stream().allMatch(e -> e.getValue().same(before.get(e.getKey())))) {
      return;
    }
    Files.createDirectories(target);
    Path data = Files.createDirectory(target.resolve(".." + UUID.randomUUID()));
    Files.setPosixFilePermissions(data, permissions(0755));
    for (Map.Entry<String, File> entry : files.entrySet()) {
      Path file = data.resolve(entry.getKey()).normalize();
      if (!file.startsWith(data) || entry.getKey().startsWith("..")) {
        throw new MountException(name, "invalid path: must not contain '..': " + entry.getKey());
      }
      Files.createDirectories(file.getParent() == null ? data : file.getParent());
      Files.write(file, entry.getValue().content);
      Files.setPosixFilePermissions(
          file,
          permissions(group.isPresent() ? entry.getValue().mode | 0440 : entry.getValue().mode));
      if (group.isPresent()) {
        Files.setAttribute(file, "unix:gid", group.get().intValue());
      }
    }
    Path link = target.resolve("..data");
    Path old = Files.isSymbolicLink(link) ? target.resolve(Files.readSymbolicLink(link)) : null;
    Path temporary = target.resolve("..data_tmp");
    Files.deleteIfExists(temporary);
    Files.createSymbolicLink(temporary, data.getFileName());
    Files.move(
        temporary, link, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    Set<String> visible = new java.util.TreeSet<>();
    files.keySet().forEach(path -> visible.add(path.split("/")[0]));
    try (Stream<Path> present = Files.list(target)) {
      for (Path path : present.toList()) {
        String file = path.getFileName().toString();
        if (!file.startsWith("..") && !visible.contains(file)) {
          Files.delete(path);
        }
      }
    }
    for (String file : visible) {
      Path path = target.resolve(file);
      if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
        Files.createSymbolicLink(path, Path.of("..data", file));
      }
    }
    if (old != null) {
      Mounts.deleteTree(old);
    }
    written.put(name, Map.copyOf(files));
  }

  static Set<PosixFilePermission> permissions(int mode) {
    Set<PosixFilePermission> permissions = EnumSet.noneOf(PosixFilePermission.class);
    PosixFilePermission[] all = {
      PosixFilePermission.OTHERS_EXECUTE,
      PosixFilePermission.OTHERS_WRITE,
      PosixFilePermission.OTHERS_READ,
      PosixFilePermission.GROUP_EXECUTE,
      PosixFilePermission.GROUP_WRITE,
      PosixFilePermission.GROUP_READ,
      PosixFilePermission.OWNER_EXECUTE,
      PosixFilePermission.OWNER_WRITE,
      PosixFilePermission.OWNER_READ
    };
    for (int bit = 0; bit < all.length; bit++) {
      if ((mode >> bit & 1) == 1) {
        permissions.add(all[bit]);
      }
    }
    return permissions;
  }

  // ---- volumes of files

  private Path setUp(KubeObject pod, JsonObject volume)
      throws IOException, MountException, InterruptedException {
    String name = volume.text("name");
    if (volume.has("emptyDir")) {
      return emptyDir(pod, name, volume.object("emptyDir"));
    }
    if (volume.has("hostPath")) {
      JsonObject source = volume.object("hostPath");
      return hostPath(name, source.text("path"), source.text("type"));
    }
    if (volume.has("persistentVolumeClaim")) {
      return claim(pod, name, volume.object("persistentVolumeClaim").text("claimName"));
    }
    if (volume.has("ephemeral")) {
      return claim(pod, name, pod.name() + "-" + name);
    }
    List<String> kinds = volume.names().stream().filter(field -> !field.equals("name")).toList();
    if (kinds.isEmpty()) {
      return emptyDir(pod, name, JsonObject.EMPTY); // what a volume without a source means
    }
    throw new MountException(
        name, "volume type " + kinds.getFirst() + " is not supported by this node");
  }

  private Path emptyDir(KubeObject pod, String name, JsonObject source)
      throws IOException, MountException {
    Path path = disk.resolve("kubernetes.io~empty-dir").resolve(name);
    String medium = source.text("medium");
    boolean fresh = !Files.exists(path);
    Files.createDirectories(path);
    if (medium.equals("Memory")) {
      if (!Mounts.isMounted(path)) {
        long size = source.get("sizeLimit").map(Quantity::of).map(Quantity::units).orElse(0L);
        Mounts.tmpfs(path, "mode=0777" + (size > 0 ? ",size=" + size : ""));
        fresh = true;
      }
    } else if (medium.startsWith("HugePages")) {
      if (!Mounts.isMounted(path)) {
        Mounts.hugepages(path, pageSize(pod, name, medium));
        fresh = true;
      }
    } else if (!medium.isEmpty()) {
      throw new MountException(
          name, "emptyDir medium " + medium + " is not supported by this node");
    }
    if (fresh) {
      Files.setPosixFilePermissions(path, permissions(0777));
      applyGroup(path, pod);
    }
    return path;
  }

  /** The size in a medium such as {@code HugePages-2Mi}, or else the one that the pod asks for. */
  private static String pageSize(KubeObject pod, String name, String medium) throws MountException {
    if (medium.startsWith("HugePages-")) {
      return medium.substring("HugePages-".length());
    }
    Set<String> sizes = new HashSet<>();
    for (JsonObject container : Pods.all(pod)) {
      for (String resource : container.object("resources", "requests").names()) {
        if (resource.startsWith("hugepages-")) {
          sizes.add(resource.substring("hugepages-".length()));
        }
      }
    }
    if (sizes.size() != 1) {
      throw new MountException(
          name,
          sizes.isEmpty()
              ? "medium HugePages needs a container that requests huge pages"
              : "medium HugePages must name the page size where several are requested");
    }
    return sizes.iterator().next();
  }

  /** Where the contents of an emptyDir lie that is not in memory. */
  static Path emptyDirectory(NodeSettings settings, String uid, String name) {
    return settings
        .podsDirectory()
        .resolve(uid)
        .resolve("volumes/kubernetes.io~empty-dir")
        .resolve(name);
  }

  private static void applyGroup(Path path, KubeObject pod) throws IOException {
    Optional<Long> group = fsGroup(pod);
    if (group.isEmpty()) {
      return;
    }
    if (pod.spec().text("securityContext", "fsGroupChangePolicy").equals("OnRootMismatch")
        && ((Integer) Files.getAttribute(path, "unix:gid")).longValue() == group.get()) {
      return;
    }
    Files.walkFileTree(
        path,
        new SimpleFileVisitor<>() {
          private void change(Path file, boolean directory) throws IOException {
            Files.setAttribute(file, "unix:gid", group.get().intValue(), LinkOption.NOFOLLOW_LINKS);
            if (!Files.isSymbolicLink(file)) {
              int mode = (Integer) Files.getAttribute(file, "unix:mode") & 07777;
              Files.setAttribute(file, "unix:mode", mode | (directory ? 02770 : 0660));
            }
          }

          @Override
          public FileVisitResult preVisitDirectory(Path file, BasicFileAttributes attributes)
              throws IOException {
            change(file, true);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            change(file, false);
            return FileVisitResult.CONTINUE;
          }
        });
  }

  private static Path hostPath(String name, String text, String type)
      throws IOException, MountException {
    Path path = Path.of(text);
    switch (type) {
      case "" -> {
        if (!Files.exists(path)) {
          // As runtimes do for a path that nobody vouches for.
          Files.createDirectories(path);
        }
      }
      case "DirectoryOrCreate" -> {
        if (Files.exists(path) && !Files.isDirectory(path)) {
          throw new MountException(
              name, "hostPath type check failed: " + path + " is not a directory");
        }
        Files.createDirectories(path);
      }
      case "Directory" -> check(name, Files.isDirectory(path), path, "a directory");
      case "FileOrCreate" -> {
        if (Files.isDirectory(path)) {
          throw new MountException(name, "hostPath type check failed: " + path + " is not a file");
        }
        if (!Files.exists(path)) {
          Files.createFile(path);
        }
      }
      case "File" -> check(name, Files.isRegularFile(path), path, "a file");
      case "Socket" -> check(name, kind(path) == 0140000, path, "a socket file");
      case "CharDevice" -> check(name, kind(path) == 0020000, path, "a character device");
      case "BlockDevice" -> check(name, kind(path) == 0060000, path, "a block device");
      default -> throw new MountException(name, "hostPath type " + type + " is unknown");
    }
    return path;
  }

  private static int kind(Path path) throws IOException {
    return Files.exists(path) ? (Integer) Files.getAttribute(path, "unix:mode") & 0170000 : 0;
  }

  private static void check(String name, boolean fits, Path path, String what)
      throws MountException {
    if (!fits) {
      throw new MountException(name, "hostPath type check failed: " + path + " is not " + what);
    }
  }

  private Path claim(KubeObject pod, String name, String claimName)
      throws IOException, MountException {
    KubeObject claim =
        node.client()
            .find(Resources.PERSISTENT_VOLUME_CLAIMS, pod.namespace(), claimName)
            .orElseThrow(
                () ->
                    new MountException(
                        name, "persistentvolumeclaim \"" + claimName + "\" not found"));
    String volumeName = claim.spec().text("volumeName");
    if (!claim.status().text("phase").equals("Bound") || volumeName.isEmpty()) {
      throw new MountException(
          "Unable to attach or mount volumes: PVC "
              + pod.namespace()
              + "/"
              + claimName
              + " is not bound");
    }
    KubeObject volume = node.client().get(Resources.PERSISTENT_VOLUMES, "", volumeName);
    JsonObject spec = volume.spec();
    Path path;
    if (spec.has("local")) {
      path = Path.of(spec.text("local", "path"));
      if (!Files.isDirectory(path)) {
        throw new MountException(name, "path \"" + path + "\" does not exist");
      }
    } else if (spec.has("hostPath")) {
      path = hostPath(name, spec.text("hostPath", "path"), spec.text("hostPath", "type"));
    } else {
      throw new MountException(
          name,
          "PersistentVolume " + volumeName + " is of a type that is not supported by this node");
    }
    applyGroup(path, pod);
    return path;
  }

  // ---- mounts of a container

  /**
   * The mounts of a container.
   *
   * @throws Environment.ConfigException when a mount names a volume or a sub-path that is not there
   */
  List<Cri.Mount> mounts(KubeObject pod, JsonObject container, Map<String, String> variables)
      throws Environment.ConfigException, IOException {
    List<Cri.Mount> mounts = new ArrayList<>();
    for (JsonObject mount : container.objects("volumeMounts")) {
      String name = mount.text("name");
      Path source = ready.get(name);
      if (source == null) {
        throw new Environment.ConfigException(
            "cannot find volume \""
                + name
                + "\" to mount into container \""
                + container.text("name")
                + "\"");
      }
      String subPath = mount.text("subPath");
      if (!mount.text("subPathExpr").isEmpty()) {
        subPath = Environment.expand(mount.text("subPathExpr"), variables);
      }
      if (!subPath.isEmpty()) {
        source = subPath(name, source, subPath, isWritable(pod, name));
      }
      String path = mount.text("mountPath");
      mounts.add(
          new Cri.Mount(
              path.startsWith("/") ? path : "/" + path,
              source.toString(),
              mount.flag("readOnly") || readOnlySource(pod, name),
              false,
              switch (mount.text("mountPropagation")) {
                case "HostToContainer" -> Cri.MountPropagation.HOST_TO_CONTAINER;
                case "Bidirectional" -> Cri.MountPropagation.BIDIRECTIONAL;
                default -> Cri.MountPropagation.PRIVATE;
              },
              recursiveReadOnly(mount)));
    }
    return mounts;
  }

  private boolean recursiveReadOnly(JsonObject mount) throws Environment.ConfigException {
    String wanted = mount.text("recursiveReadOnly");
    if (!wanted.equals("Enabled") && !wanted.equals("IfPossible")) {
      return false;
    }
    boolean possible = node.cri().status(false).recursiveReadOnly();
    if (!possible && wanted.equals("Enabled")) {
      throw new Environment.ConfigException(
          "volume \""
              + mount.text("name")
              + "\" requested recursive read-only mode, but it is not supported by the runtime");
    }
    return possible;
  }

  private static boolean readOnlySource(KubeObject pod, String name) {
    return pod.spec().objects("volumes").stream()
        .filter(volume -> volume.text("name").equals(name))
        .anyMatch(
            volume ->
                volume.has("configMap")
                    || volume.has("secret")
                    || volume.has("downwardAPI")
                    || volume.has("projected")
                    || volume.flag("persistentVolumeClaim", "readOnly"));
  }

  private static boolean isWritable(KubeObject pod, String name) {
    return !readOnlySource(pod, name);
  }

  /** A path inside a volume; links that lead out of it are refused. */
  private static Path subPath(String name, Path volume, String subPath, boolean create)
      throws Environment.ConfigException, IOException {
    Path relative = Path.of(subPath);
    if (relative.isAbsolute() || List.of(subPath.split("/")).contains("..")) {
      throw new Environment.ConfigException(
          "subPath \""
              + subPath
              + "\" of volume \""
              + name
              + "\" must be relative and without '..'");
    }
    Path root = volume.toRealPath();
    Path wanted = root.resolve(relative);
    if (!Files.exists(wanted)) {
      if (!create) {
        throw new Environment.ConfigException(
            "failed to prepare subPath for volumeMount \""
                + name
                + "\": "
                + subPath
                + " not found");
      }
      // Directories are made step by step below real paths, so that no link can lead them out.
      Path current = root;
      for (Path step : relative) {
        Path next = current.resolve(step);
        if (!Files.exists(next)) {
          Files.createDirectory(next);
          Files.setPosixFilePermissions(next, permissions(0755));
        }
        current = next.toRealPath();
        if (!current.startsWith(root)) {
          break;
        }
      }
    }
    Path real = wanted.toRealPath();
    if (!real.startsWith(root)) {
      throw new Environment.ConfigException(
          "subPath \"" + subPath + "\" of volume \"" + name + "\" leads out of the volume");
    }
    return real;
  }

  /** Takes everything down; contents of claims and host paths stay. */
  void tearDown() throws IOException {
    if (Files.isDirectory(disk)) {
      Mounts.unmountBelow(disk);
      Mounts.deleteTree(disk);
    }
    Mounts.deleteTree(memory);
    ready.clear();
    written.clear();
    tokens.clear();
  }

  /** Takes down what is left of pods that are gone. */
  static void cleanUp(NodeSettings settings, Set<String> keep) throws IOException {
    for (Path root : List.of(settings.podsDirectory(), memoryRoot(settings))) {
      if (!Files.isDirectory(root)) {
        continue;
      }
      try (Stream<Path> pods = Files.list(root)) {
        for (Path pod : pods.toList()) {
          if (!keep.contains(pod.getFileName().toString())) {
            Mounts.unmountBelow(pod);
            Mounts.deleteTree(pod);
          }
        }
      }
    }
  }
}
