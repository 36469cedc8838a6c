package dev.kedge.node;

import dev.kedge.grpc.GrpcException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Keeps containerd's images in step with {@code agent/images/}: archives ({@code .tar}, {@code
 * .tar.gz}, {@code .tgz}, {@code .tar.zst}) are imported, lists ({@code .txt}, one image a line)
 * are pulled, on start and when a file appears or changes. What was imported is remembered by size
 * and time in {@code .cache.json}, so that a restart reads nothing twice; an image that has
 * vanished from containerd since is imported again.
 *
 * <p>One virtual thread does the work. A file that cannot be imported is logged and tried again
 * when it changes.
 */
public final class ImageImporter implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.node");
  private static final String CACHE = ".cache.json";
  // A file that is being copied changes all the time; after so long without change it is whole.
  private static final long QUIET_MILLIS = 300;

  private final NodeSettings settings;
  private final Containerd containerd;
  private final Path directory;
  private final CountDownLatch firstPass = new CountDownLatch(1);
  private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
  private final Set<String> names = ConcurrentHashMap.newKeySet();
  private final Map<String, JsonObject> cache = new LinkedHashMap<>();
  private final Map<String, Long> failed = new LinkedHashMap<>();
  private final WatchService watch;
  private @Nullable Thread thread;

  /** An importer; {@link #start} begins its work. */
  public ImageImporter(NodeSettings settings, Containerd containerd) throws IOException {
    this.settings = settings;
    this.containerd = containerd;
    directory = settings.imagesDirectory();
    watch = FileSystems.getDefault().newWatchService();
  }

  /** Makes sure of the pause image, then imports in the background. */
  public void start() throws IOException {
    Files.createDirectories(directory);
    directory.register(
        watch,
        StandardWatchEventKinds.ENTRY_CREATE,
        StandardWatchEventKinds.ENTRY_MODIFY,
        StandardWatchEventKinds.ENTRY_DELETE);
    if (settings.runtimeEndpoint().isEmpty()) {
      ensurePauseImage();
    }
    thread = Thread.ofVirtual().name("image-importer").start(this::run);
  }

  /** Calls the action, on the importer's thread, whenever images have arrived. */
  public void onImport(Runnable action) {
    listeners.add(action);
  }

  /** Waits until everything that was there at the start has been imported or has failed. */
  public void awaitFirstPass() throws InterruptedException {
    firstPass.await();
  }

  /** Whether the files that were there at the start have been dealt with. */
  boolean firstPassDone() {
    return firstPass.getCount() == 0;
  }

  /** Full names of the images that came from files: not to be collected. */
  Set<String> importedNames() {
    return Set.copyOf(names);
  }

  @Override
  public void close() throws IOException {
    Thread running = thread;
    if (running != null) {
      running.interrupt();
    }
    watch.close();
  }

  private void ensurePauseImage() throws IOException {
    if (containerd.client().image(NodeSettings.PAUSE_IMAGE).isPresent()) {
      return;
    }
    Path scratch = settings.agentDirectory().resolve("containerd");
    Path file = scratch.resolve("pause.tar");
    Files.write(file, PauseImage.archive());
    try (ImageArchive archive = ImageArchive.open(file, scratch)) {
      archive.importInto(containerd.client());
    }
    Files.delete(file);
  }

  private void run() {
    try {
      readCache();
      pass(false);
      firstPass.countDown();
      // Those who held back from pulling while files were read may now try.
      listeners.forEach(Runnable::run);
      while (true) {
        WatchKey key = watch.take();
        do {
          key.pollEvents();
          key.reset();
          key = watch.poll(QUIET_MILLIS, TimeUnit.MILLISECONDS);
        } while (key != null);
        pass(true);
      }
    } catch (InterruptedException | java.nio.file.ClosedWatchServiceException e) {
      LOG.log(Level.DEBUG, "image import ends", e);
    } catch (IOException | RuntimeException e) {
      LOG.log(Level.ERROR, "watching " + directory + " for images failed", e);
    } finally {
      firstPass.countDown();
    }
  }

  private void readCache() throws IOException {
    Path file = directory.resolve(CACHE);
    if (!Files.exists(file)) {
      return;
    }
    try {
      Json.parseObject(Files.readAllBytes(file))
          .forEach(
              (name, entry) -> {
                if (entry instanceof JsonObject object) {
                  cache.put(name, object);
                }
              });
    } catch (dev.kedge.model.JsonSyntaxException e) {
      LOG.log(Level.WARNING, "{0} is damaged; all images are imported again", file);
    }
  }

  /** Looks at every file once; a failure of one does not keep the others. */
  private void pass(boolean settle) throws IOException, InterruptedException {
    Set<String> present = new TreeSet<>();
    try (Stream<Path> files = Files.list(directory)) {
      files
          .filter(Files::isRegularFile)
          .map(file -> file.getFileName().toString())
          .filter(ImageImporter::isImageFile)
          .forEach(present::add);
    }
    boolean changed = cache.keySet().retainAll(present);
    failed.keySet().retainAll(present);
    boolean arrived = false;
    for (String name : present) {
      Path file = directory.resolve(name);
      long size = Files.size(file);
      long time = Files.getLastModifiedTime(file).toMillis();
      JsonObject known = cache.get(name);
      if (known != null
          && known.integer("size") == size
          && known.integer("modifiedMillis") == time
          && known.strings("images").stream().allMatch(this::exists)) {
        names.addAll(known.strings("images"));
        continue;
      }
      Long before = failed.get(name);
      if (settle && before != null && before == size * 31 + time) {
        continue; // as it was when it failed
      }
      long begun = System.nanoTime();
      try {
        List<String> images = name.endsWith(".txt") ? pull(file) : load(file);
        failed.remove(name);
        names.addAll(images);
        cache.put(name, JsonObject.of("size", size, "modifiedMillis", time, "images", images));
        changed = true;
        arrived = true;
        LOG.log(
            Level.INFO,
            "imported {0} from {1} in {2} ms",
            String.join(", ", images),
            name,
            (System.nanoTime() - begun) / 1_000_000);
      } catch (IOException | RuntimeException e) {
        if (Thread.interrupted()) {
          throw new InterruptedException();
        }
        failed.put(name, size * 31 + time);
        LOG.log(Level.ERROR, "images of {0} are not imported: {1}", file, e.getMessage());
      }
    }
    if (changed) {
      JsonObject.Builder all = JsonObject.builder();
      cache.forEach(all::put);
      Path temporary = directory.resolve(CACHE + ".new");
      Files.write(temporary, Json.bytes(all.build()));
      Files.move(temporary, directory.resolve(CACHE), StandardCopyOption.ATOMIC_MOVE);
    }
    if (arrived) {
      listeners.forEach(Runnable::run);
    }
  }

  private static boolean isImageFile(String name) {
    return !name.startsWith(".")
        && (name.endsWith(".tar")
            || name.endsWith(".tar.gz")
            || name.endsWith(".tgz")
            || name.endsWith(".tar.zst")
            || name.endsWith(".tar.zstd")
            || name.endsWith(".txt"));
  }

  private boolean exists(String image) {
    try {
      return settings.runtimeEndpoint().isPresent()
          ? containerd.cri().imageStatus(image).isPresent()
          : containerd.client().image(image).isPresent();
    } catch (GrpcException e) {
      LOG.log(Level.WARNING, "image " + image + " cannot be looked up", e);
      return false;
    }
  }

  private List<String> load(Path file) throws IOException {
    List<String> images;
    try (ImageArchive archive =
        ImageArchive.open(file, settings.agentDirectory().resolve("containerd"))) {
      images = archive.importInto(containerd.client());
    }
    // CRI hears of new images by events; only when it knows them may pods be told.
    for (String image : images) {
      awaitKnown(image);
    }
    return images;
  }

  private void awaitKnown(String image) throws IOException {
    for (int attempt = 0; attempt < 500; attempt++) {
      if (containerd.cri().imageStatus(image).isPresent()) {
        return;
      }
      try {
        TimeUnit.MILLISECONDS.sleep(10);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IOException("interrupted", e);
      }
    }
    throw new IOException("the container runtime does not see " + image + " after its import");
  }

  private List<String> pull(Path list) throws IOException {
    List<String> images = new ArrayList<>();
    for (String line : Files.readAllLines(list)) {
      String image = line.strip();
      if (!image.isEmpty() && !image.startsWith("#")) {
        String name = ImageName.normalize(image);
        if (containerd.cri().imageStatus(name).isEmpty()) {
          containerd.cri().pullImage(name, Optional.empty());
        }
        images.add(name);
      }
    }
    return images;
  }
}
