import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Enumeration;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.regex.Pattern;

/** Takes the signatures out of signed jar files: {@code java Unsign.java FILE...}. */
class Unsign {
  private static final Pattern SIGNATURE =
      Pattern.compile("META-INF/[^/]*\\.(SF|DSA|RSA|EC)", Pattern.CASE_INSENSITIVE);

  static void main(String... files) throws IOException {
    for (String name : files) {
      Path file = Path.of(name);
      Path unsigned = file.resolveSibling(file.getFileName() + ".unsigned");
      try (JarFile jar = new JarFile(file.toFile(), false)) {
        if (jar.stream().noneMatch(entry -> SIGNATURE.matcher(entry.getName()).matches())) {
          continue;
        }
        try (OutputStream out = Files.newOutputStream(unsigned)) {
          copy(jar, out);
        }
      }
      Files.move(unsigned, file, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  private static void copy(JarFile jar, OutputStream out) throws IOException {
    Manifest manifest = new Manifest(jar.getManifest());
    manifest.getEntries().clear(); // the digests of single entries
    try (JarOutputStream copy = new JarOutputStream(out, manifest)) {
      for (Enumeration<JarEntry> all = jar.entries(); all.hasMoreElements(); ) {
        JarEntry entry = all.nextElement();
        if (entry.getName().equals(JarFile.MANIFEST_NAME)
            || SIGNATURE.matcher(entry.getName()).matches()) {
          continue;
        }
        copy.putNextEntry(new JarEntry(entry.getName()));
        jar.getInputStream(entry).transferTo(copy);
        copy.closeEntry();
      }
    }
  }
}
