package dev.kedge.node;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/** The mount table and changes to it. */
final class Mounts {
  private Mounts() {}

  private record Entry(String id, String parent, Path point) {}

  /**
   * All mount points that can be reached, in the kernel's order. One that a later mount on a
   * directory above it hides is left out: it can be neither seen nor unmounted.
   */
  static List<Path> all() throws IOException {
    Map<String, Entry> byId = new LinkedHashMap<>();
    for (String line :
        Files.readString(Path.of("/proc/self/mountinfo"), StandardCharsets.UTF_8).split("\n")) {
      String[] fields = line.split(" ");
      if (fields.length > 4) {
        byId.put(fields[0], new Entry(fields[0], fields[1], Path.of(unescape(fields[4]))));
      }
    }
    List<Path> points = new ArrayList<>();
    for (Entry entry : byId.values()) {
      Set<String> family = new HashSet<>();
      for (Entry up = entry; up != null && family.add(up.id()); ) {
        up = byId.get(up.parent());
      }
      boolean hidden =
          byId.values().stream()
              .anyMatch(
                  other ->
                      !family.contains(other.id())
                          && !other.point().equals(entry.point())
                          && entry.point().startsWith(other.point()));
      if (!hidden) {
        points.add(entry.point());
      }
    }
    return points;
  }

  /** Whether something is mounted exactly here. */
  static boolean isMounted(Path point) throws IOException {
    return all().contains(point.toAbsolutePath().normalize());
  }

  static void tmpfs(Path point, String options) throws IOException {
    Files.createDirectories(point);
    Processes.run("mount", "-t", "tmpfs", "-o", options, "tmpfs", point.toString());
  }

  /** A file system of huge pages of a size such as {@code 2Mi}. */
  static void hugepages(Path point, String size) throws IOException {
    Files.createDirectories(point);
    Processes.run(
        "mount",
        "-t",
        "hugetlbfs",
        "-o",
        "pagesize=" + size.replace("i", ""),
        "nodev",
        point.toString());
  }

  /**
   * Makes a directory a mount of its own that passes mounts on in both directions: where the root
   * is private, mount propagation into containers would fail otherwise.
   */
  static void shareWithContainers(Path directory) throws IOException {
    Files.createDirectories(directory);
    if (!isMounted(directory)) {
      Processes.run("mount", "--bind", directory.toString(), directory.toString());
    }
    Processes.run("mount", "--make-rshared", directory.toString());
  }

  /** Unmounts everything at and below a path, the latest first. */
  static void unmountBelow(Path root) throws IOException {
    Path absolute = root.toAbsolutePath().normalize();
    List<Path> points = new ArrayList<>(all());
    for (Path point : points.reversed()) {
      if (point.startsWith(absolute)) {
        Processes.run("umount", "-l", point.toString());
      }
    }
  }

  /** Deletes a tree without crossing into other mounts; symbolic links are not followed. */
  static void deleteTree(Path root) throws IOException {
    if (!Files.exists(root, java.nio.file.LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    Path absolute = root.toAbsolutePath().normalize();
    for (Path point : all()) {
      if (point.startsWith(absolute)) {
        throw new IOException(point + " is still mounted");
      }
    }
    try (Stream<Path> tree = Files.walk(root)) {
      for (Path path : tree.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(path);
      }
    }
  }

  private static String unescape(String text) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      if (text.charAt(i) == '\\' && i + 3 < text.length()) {
        out.append((char) Integer.parseInt(text.substring(i + 1, i + 4), 8));
        i += 3;
      } else {
        out.append(text.charAt(i));
      }
    }
    return out.toString();
  }
}
