package dev.kedge.store.snapshot;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.lifecycle.UserException;
import dev.kedge.store.snapshot.SnapshotKey.Kind;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.function.Function;
import java.util.stream.Stream;
import javax.crypto.SecretKey;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** The format, its encryption, and what is refused. */
class SnapshotFormatTest {
  private static final SnapshotKey TOKEN = new SnapshotKey(Kind.TOKEN, "a-token");
  private static final SnapshotKey PASSPHRASE = new SnapshotKey(Kind.PASSPHRASE, "ein Geheimnis");
  private static final SnapshotName NAME =
      new SnapshotName("etcd-snapshot-one", Instant.ofEpochSecond(1_795_420_800));

  @TempDir private Path directory;

  private static SnapshotHeader header(boolean compressed) {
    return new SnapshotHeader(
        "c0ffee",
        4711,
        Instant.parse("2026-11-23T12:00:00Z"),
        "sqlite",
        "0.1.0",
        compressed,
        Optional.empty());
  }

  private static Map<String, byte[]> objects(int count, int size) {
    Random random = new Random(7);
    Map<String, byte[]> objects = new LinkedHashMap<>();
    for (int i = 0; i < count; i++) {
      byte[] value = new byte[random.nextInt(size + 1)];
      random.nextBytes(value);
      objects.put("/registry/things/%05d-ä☃".formatted(i), value);
    }
    return objects;
  }

  static Records records(Map<String, byte[]> objects) {
    var left = objects.entrySet().iterator();
    return new Records() {
      @Override
      public Optional<Entry> next() {
        if (!left.hasNext()) {
          return Optional.empty();
        }
        var next = left.next();
        return Optional.of(new Entry(next.getKey(), next.getValue()));
      }

      @Override
      public void close() {
        // Nothing is open.
      }
    };
  }

  static Map<String, byte[]> read(Records records) throws IOException {
    Map<String, byte[]> objects = new LinkedHashMap<>();
    try (records) {
      for (var next = records.next(); next.isPresent(); next = records.next()) {
        objects.put(next.get().key(), next.get().value());
      }
    }
    return objects;
  }

  private static Function<Kind, Optional<SnapshotKey>> keys(SnapshotKey... keys) {
    return kind -> Stream.of(keys).filter(key -> key.kind() == kind).findFirst();
  }

  private Path save(boolean compressed, Optional<SnapshotKey> key, Map<String, byte[]> objects) {
    return new SnapshotDirectory(directory).save(NAME, header(compressed), key, records(objects));
  }

  private static Stream<Arguments> kinds() {
    return Stream.of(
        Arguments.of(true, Optional.empty()),
        Arguments.of(false, Optional.empty()),
        Arguments.of(true, Optional.of(TOKEN)),
        Arguments.of(false, Optional.of(PASSPHRASE)));
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void whatWasWrittenIsRead(boolean compressed, Optional<SnapshotKey> key) throws IOException {
    Map<String, byte[]> objects = objects(300, 5000);
    objects.put("/registry/zz/large", new byte[3 << 20]);
    Path file = save(compressed, key, objects);

    try (SnapshotReader reader = SnapshotDirectory.open(file, keys(TOKEN, PASSPHRASE))) {
      assertThat(reader.header().kept(compressed)).isEqualTo(header(compressed));
      assertThat(read(reader)).containsExactlyEntriesOf(objects);
    }
    assertThat(Files.size(file)).isLessThan(compressed ? 2 << 20 : 5 << 20);
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
        .isEqualTo("rw-------");
    if (key.isPresent()) {
      assertThat(new String(Files.readAllBytes(file), UTF_8)).doesNotContain("/registry");
    }
  }

  @Test
  void anEmptyStoreIsASnapshotToo() throws IOException {
    Path file = save(true, Optional.empty(), Map.of());

    assertThat(read(SnapshotDirectory.open(file, keys()))).isEmpty();
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void everyCutIsRefused(boolean compressed, Optional<SnapshotKey> key) throws IOException {
    byte[] whole = Files.readAllBytes(save(compressed, key, objects(3, 40)));
    Path cut = directory.resolve("cut");
    for (int length = 0; length < whole.length; length++) {
      Files.write(cut, Arrays.copyOf(whole, length));
      assertThatThrownBy(() -> SnapshotDirectory.open(cut, keys(TOKEN, PASSPHRASE)))
          .as("cut to %d of %d bytes", length, whole.length)
          .isInstanceOf(UserException.class)
          .hasMessageContaining("is damaged: it was cut short or altered");
    }
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void everyAlteredByteIsRefused(boolean compressed, Optional<SnapshotKey> key) throws IOException {
    byte[] whole = Files.readAllBytes(save(compressed, key, objects(3, 40)));
    Path altered = directory.resolve("altered");
    for (int i = 0; i < whole.length; i++) {
      byte[] bytes = whole.clone();
      bytes[i] ^= 1;
      Files.write(altered, bytes);
      assertThatThrownBy(() -> SnapshotDirectory.open(altered, keys(TOKEN, PASSPHRASE)))
          .as("byte %d", i)
          .isInstanceOf(UserException.class);
    }
  }

  /** What comes over a connection is verified on the way, without being there twice. */
  @Test
  void aStreamThatBreaksOffIsRefusedAtTheLatestAtItsEnd() throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    SnapshotWriter.write(out, header(false), Optional.empty(), records(objects(20, 40)));
    byte[] whole = out.toByteArray();
    for (int length = 0; length < whole.length; length++) {
      InputStream in = new ByteArrayInputStream(whole, 0, length);
      assertThatThrownBy(() -> read(SnapshotReader.open(in, "stream", keys())))
          .as("cut to %d of %d bytes", length, whole.length)
          .isInstanceOf(UserException.class);
    }
    assertThat(read(SnapshotReader.open(new ByteArrayInputStream(whole), "stream", keys())))
        .hasSize(20);
  }

  @Test
  void anotherSecretIsToldFromDamage() throws IOException {
    Path token = save(true, Optional.of(TOKEN), objects(5, 10));

    assertThatThrownBy(
            () -> SnapshotDirectory.open(token, keys(new SnapshotKey(Kind.TOKEN, "other"))))
        .isInstanceOf(UserException.class)
        .hasMessageContaining("is encrypted with another token; give that of its cluster");
    assertThatThrownBy(() -> SnapshotDirectory.open(token, keys(PASSPHRASE)))
        .hasMessageContaining("is encrypted with its cluster's token; give that with --token");

    Path passphrase = save(false, Optional.of(PASSPHRASE), objects(5, 10));

    assertThatThrownBy(
            () ->
                read(
                    SnapshotDirectory.open(
                        passphrase, keys(new SnapshotKey(Kind.PASSPHRASE, "other")))))
        .hasMessageContaining("is encrypted with another passphrase");
    assertThatThrownBy(() -> SnapshotDirectory.open(passphrase, keys(TOKEN)))
        .hasMessageContaining("give its file with --snapshot-passphrase-file");
  }

  @ParameterizedTest
  @CsvSource({
    "kedge snapshot 2,is of a newer kedge (format 2",
    "hello,is no snapshot of kedge's",
    "'',is damaged",
    "kedge snap,is damaged"
  })
  void otherFilesAreNamed(String text, String message) throws IOException {
    Path file = directory.resolve("file");
    Files.writeString(file, text.isEmpty() || text.endsWith("p") ? text : text + "\n{}\n");

    assertThatThrownBy(() -> SnapshotDirectory.open(file, keys()))
        .isInstanceOf(UserException.class)
        .hasMessageContaining(message);
  }

  /** The seal holds by itself: whoever alters the file can make its checksum fit. */
  @Test
  void sealedChunksCannotBeAlteredMovedOrCutOff() throws IOException {
    SecretKey key = new SecretKeySpec(new byte[32], "AES");
    byte[] associated = {1, 2, 3};
    byte[] plain = new byte[200_000];
    new Random(3).nextBytes(plain);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (OutputStream sealing = new Sealing.Output(out, key, associated)) {
      sealing.write(plain);
    }
    byte[] sealed = out.toByteArray();
    int chunk = 4 + 65536 + 16;
    assertThat(unsealed(sealed, key, associated)).isEqualTo(plain);

    List<byte[]> broken = new ArrayList<>();
    broken.add(Arrays.copyOf(sealed, 0));
    broken.add(Arrays.copyOf(sealed, chunk));
    broken.add(Arrays.copyOf(sealed, 3 * chunk));
    broken.add(Arrays.copyOf(sealed, sealed.length - 1));
    byte[] swapped = sealed.clone();
    System.arraycopy(sealed, chunk, swapped, 2 * chunk, chunk);
    System.arraycopy(sealed, 2 * chunk, swapped, chunk, chunk);
    broken.add(swapped);
    byte[] lastToo = Arrays.copyOf(sealed, chunk);
    lastToo[0] |= (byte) 0x80;
    broken.add(lastToo);
    for (int at : new int[] {0, 4, 70_000, sealed.length - 1}) {
      byte[] altered = sealed.clone();
      altered[at] ^= 4;
      broken.add(altered);
    }
    for (byte[] each : broken) {
      assertThatThrownBy(() -> unsealed(each, key, associated)).isInstanceOf(IOException.class);
    }
    assertThatThrownBy(() -> unsealed(sealed, key, new byte[] {1, 2, 4}))
        .isInstanceOfSatisfying(
            Sealing.BrokenSealException.class, e -> assertThat(e.atOnce()).isTrue());
  }

  private static byte[] unsealed(byte[] sealed, SecretKey key, byte[] associated)
      throws IOException {
    return new Sealing.Input(new ByteArrayInputStream(sealed), key, associated).readAllBytes();
  }

  @Test
  void theDirectoryShowsWhatIsWhole() throws IOException {
    SnapshotDirectory snapshots = new SnapshotDirectory(directory.resolve("sub/snapshots"));
    assertThat(snapshots.list()).isEmpty();
    for (int i : new int[] {3, 1, 2}) {
      SnapshotHeader at =
          new SnapshotHeader(
              "c", i, Instant.ofEpochSecond(i), "etcd", "0.1.0", true, Optional.empty());
      snapshots.save(
          new SnapshotName("a-one", Instant.ofEpochSecond(i)),
          at,
          Optional.empty(),
          records(Map.of()));
    }
    Files.writeString(directory.resolve("sub/snapshots/notes.txt"), "mine");

    assertThat(snapshots.list())
        .extracting(SnapshotPlace.Kept::name)
        .containsExactly("a-one-1", "a-one-2", "a-one-3");
    assertThatThrownBy(() -> snapshots.delete("../sub/snapshots/a-one-1"))
        .isInstanceOf(UserException.class)
        .hasMessageContaining("there is no snapshot");
    snapshots.delete("a-one-2");
    assertThat(snapshots.list()).hasSize(2);
  }

  @Test
  void aSourceThatFailsLeavesNothing() {
    Records failing =
        new Records() {
          @Override
          public Optional<Entry> next() {
            throw new UserException("broke off");
          }

          @Override
          public void close() {
            // Nothing is open.
          }
        };
    assertThatThrownBy(
            () ->
                new SnapshotDirectory(directory)
                    .save(NAME, header(true), Optional.empty(), failing))
        .hasMessage("broke off");
    assertThat(directory).isEmptyDirectory();
  }

  @Test
  void pruningKeepsTheNewestOfASeriesAlone() {
    SnapshotDirectory snapshots = new SnapshotDirectory(directory);
    List<String> others = List.of("etcd-snapshot-one-two", "on-demand-one", "etcd-snapshot-two");
    for (int i = 1; i <= 4; i++) {
      for (String series :
          Stream.concat(Stream.of("etcd-snapshot-one"), others.stream()).toList()) {
        // The number counts, not its digits.
        snapshots.save(
            new SnapshotName(series, Instant.ofEpochSecond(7 + i)),
            header(true),
            Optional.empty(),
            records(Map.of()));
      }
    }
    snapshots.save(
        new SnapshotName("etcd-snapshot", Instant.EPOCH),
        header(true),
        Optional.empty(),
        records(Map.of()));

    assertThat(snapshots.prune("etcd-snapshot-one", 2))
        .containsExactly("etcd-snapshot-one-8", "etcd-snapshot-one-9");
    assertThat(snapshots.prune("etcd-snapshot-one", 2)).isEmpty();
    assertThat(snapshots.list())
        .hasSize(15)
        .extracting(SnapshotPlace.Kept::name)
        .contains("etcd-snapshot-one-10", "etcd-snapshot-one-11", "etcd-snapshot-0");
    assertThat(snapshots.prune("etcd-snapshot-one", 0)).hasSize(2);
  }
}
