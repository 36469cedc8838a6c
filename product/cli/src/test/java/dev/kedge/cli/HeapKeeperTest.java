package dev.kedge.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** On a real heap, in a process of its own with the server's collector. */
class HeapKeeperTest {
  private static final long MIB = 1L << 20;

  /** Garbage that grew old is collected long before the heap's limit is reached. */
  @Test
  void theHeapStaysNearWhatLives() throws Exception {
    assertThat(mostTaken("kept")).isLessThan(400);
    // What it is there for: if this fails the collector has learned it, and the class can go.
    assertThat(mostTaken("alone")).isGreaterThan(800);
  }

  @ParameterizedTest
  @CsvSource({"0, 32", "20, 52", "32, 64", "100, 200", "1000, 2000"})
  void theLimitIsTwiceWhatLivesAndRoom(long live, long limit) {
    assertThat(HeapKeeper.limit(live * MIB)).isEqualTo(limit * MIB);
  }

  private static long mostTaken(String how) throws Exception {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "-Xms24m",
                "-Xmn12m",
                "-Xmx1g",
                "-cp",
                place(HeapKeeper.class) + File.pathSeparator + place(Churn.class),
                Churn.class.getName(),
                how)
            .redirectErrorStream(true)
            .start();
    String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as(said).isZero();
    return Long.parseLong(said.strip());
  }

  private static Path place(Class<?> type) throws URISyntaxException {
    return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
  }

  /** Makes two gigabytes that live for a while each, 64 MB at a time; prints the most MB taken. */
  static final class Churn {
    static void main(String... arguments) {
      if (arguments[0].equals("kept")) {
        HeapKeeper.start();
      }
      Deque<byte[]> living = new ArrayDeque<>();
      long most = 0;
      for (int i = 0; i < 32_768; i++) {
        living.addLast(new byte[64 * 1024]);
        if (living.size() > 1024) {
          living.removeFirst();
        }
        most = Math.max(most, Runtime.getRuntime().totalMemory());
      }
      System.out.println(most / MIB);
    }
  }
}
