import com.google.googlejavaformat.java.Formatter;
import com.google.googlejavaformat.java.ImportOrderer;
import com.google.googlejavaformat.java.JavaFormatterOptions.Style;
import com.google.googlejavaformat.java.RemoveUnusedImports;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;

/**
 * Formats every Java file of the repository with google-java-format, or checks that it is
 * formatted. Runs as a source file on the build's JDK, because the formatter parses with the JDK it
 * runs on and Maven itself may run on an older one. Files older than the stamp of the last run are
 * passed over.
 *
 * <p>Arguments: {@code apply} or {@code check}, the root directory, the stamp file.
 */
class Format {
  public static void main(String[] arguments) throws Exception {
    boolean check = arguments[0].equals("check");
    Path stamp = Path.of(arguments[2]);
    long last = !check && Files.exists(stamp) ? Files.getLastModifiedTime(stamp).toMillis() : 0;
    List<Path> files = new ArrayList<>();
    Files.walkFileTree(
        Path.of(arguments[1]),
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes) {
            String name = directory.getFileName().toString();
            return name.equals("target") || name.equals(".git") || name.equals(".mvn")
                ? FileVisitResult.SKIP_SUBTREE
                : FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            if (file.toString().endsWith(".java")
                && attributes.lastModifiedTime().toMillis() > last) {
              files.add(file);
            }
            return FileVisitResult.CONTINUE;
          }
        });
    Formatter formatter = new Formatter();
    List<Path> wrong = new ArrayList<>();
    for (Path file : files) {
      String source = Files.readString(file);
      String formatted =
          formatter.formatSource(
              ImportOrderer.reorderImports(
                  RemoveUnusedImports.removeUnusedImports(source), Style.GOOGLE));
      if (!formatted.equals(source)) {
        wrong.add(file);
        if (!check) {
          Files.writeString(file, formatted);
        }
      }
    }
    Files.createDirectories(stamp.getParent());
    Files.writeString(stamp, "");
    if (check && !wrong.isEmpty()) {
      wrong.forEach(file -> System.err.println("not formatted: " + file));
      System.err.println("run the build without -Dformat=check to format");
      System.exit(1);
    }
  }
}
