package dev.kedge.model;

import com.sun.management.ThreadMXBean;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/**
 * Feeds a decoder broken input: every seed truncated and mutated, the same inputs in each run. A
 * decoder fails when it throws anything but the refusals it declares, or takes more processor time
 * or memory than the size of its input warrants. Both are counted for the calling thread alone, so
 * that a busy machine changes nothing.
 *
 * <p>A run takes a second or two; {@code -Dkedge.fuzz.seconds=300} makes each last that long, with
 * {@code -Dkedge.fuzz.seed=…} other inputs come. A failure tells its input in base64.
 */
public final class Fuzz {
  private static final int SHORT_ROUNDS = 1000;
  private static final int LONGEST = 64 * 1024;
  private static final long MOST_NANOS = 5_000_000_000L;
  private static final long MOST_NANOS_PER_BYTE = 10_000;
  private static final long MOST_BYTES = 64L << 20;
  private static final int MOST_BYTES_PER_BYTE = 4096;

  private static final List<String> PIECES =
      List.of(
          "{",
          "}",
          "[",
          "]",
          "\"",
          "'",
          ":",
          ",",
          "null",
          "true",
          "-",
          "0",
          "1e999",
          "-1",
          "0x",
          "9223372036854775808",
          "&a ",
          "*a",
          "<<: ",
          "!!int ",
          "|",
          ">-",
          "\n",
          "\n  ",
          "- ",
          "? ",
          "\u0000",
          "\ud83d\ude00",
          "\\ud800",
          "\\u0000",
          "\u007f",
          "=",
          "!=",
          "(",
          ")",
          " in ",
          "~1",
          "/",
          "..",
          "$patch",
          "$setElementOrder/",
          "$retainKeys",
          "$deleteFromPrimitiveList",
          "f:",
          "k:{",
          "v:",
          "%",
          "%00",
          "%ff",
          ";q=",
          "*/*",
          "\r\n",
          "\t",
          "{{",
          "}}",
          "has(",
          ".all(x,",
          "[?",
          "??",
          "'''",
          "b'",
          "-----BEGIN ",
          "-----",
          "==",
          "eyJ",
          ".");

  /** What is fed: one input. May throw anything. */
  @FunctionalInterface
  public interface Decoder {
    void decode(byte[] input) throws Exception;
  }

  private Fuzz() {}

  /**
   * Runs a decoder over mutations of the seeds.
   *
   * @param name tells the run, and makes its inputs differ from those of other runs
   * @param refusals what the decoder may throw
   * @throws AssertionError at the first input that is not handled as it should be
   */
  public static void run(
      String name,
      Collection<byte[]> seeds,
      Set<Class<? extends Throwable>> refusals,
      Decoder decoder) {
    long seed = Long.getLong("kedge.fuzz.seed", 1) * 31 + name.hashCode();
    long end = System.nanoTime() + Long.getLong("kedge.fuzz.seconds", 0) * 1_000_000_000L;
    SplittableRandom random = new SplittableRandom(seed);
    List<byte[]> corpus = List.copyOf(seeds);
    for (byte[] each : corpus) {
      feed(name, each, refusals, decoder);
    }
    int rounds = 0;
    while (rounds < SHORT_ROUNDS || System.nanoTime() < end) {
      feed(name, mutated(corpus, random), refusals, decoder);
      rounds++;
    }
    System.out.printf("fuzz %s: %d seeds, %d mutations%n", name, corpus.size(), rounds);
  }

  /** As {@link #run}, over texts. */
  public static void texts(
      String name,
      Collection<String> seeds,
      Set<Class<? extends Throwable>> refusals,
      Decoder decoder) {
    run(
        name,
        seeds.stream().map(text -> text.getBytes(StandardCharsets.UTF_8)).toList(),
        refusals,
        decoder);
  }

  /** The files below a folder of this clone or beside it with a certain ending; none if absent. */
  public static List<byte[]> files(String folder, String ending) {
    Path path = Path.of(System.getProperty("kedge.root")).resolve(folder);
    if (!Files.isDirectory(path)) {
      return List.of();
    }
    try (Stream<Path> all = Files.walk(path)) {
      return all.filter(file -> file.toString().endsWith(ending))
          .sorted()
          .map(Fuzz::bytes)
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static byte[] bytes(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * One input through a decoder, as {@link #run} does with each.
   *
   * @throws AssertionError if it is not handled as it should be
   */
  public static void feed(
      String name, byte[] input, Set<Class<? extends Throwable>> refusals, Decoder decoder) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long bytes = threads.getCurrentThreadAllocatedBytes();
    long nanos = threads.getCurrentThreadCpuTime();
    try {
      decoder.decode(input);
    } catch (Throwable e) {
      if (refusals.stream().noneMatch(refusal -> refusal.isInstance(e))) {
        throw new AssertionError(name + ": " + e + described(input), e);
      }
    }
    nanos = threads.getCurrentThreadCpuTime() - nanos;
    bytes = threads.getCurrentThreadAllocatedBytes() - bytes;
    if (nanos > MOST_NANOS + MOST_NANOS_PER_BYTE * input.length) {
      throw new AssertionError(name + ": took " + nanos / 1_000_000 + " ms" + described(input));
    }
    if (bytes > MOST_BYTES + (long) MOST_BYTES_PER_BYTE * input.length) {
      throw new AssertionError(name + ": took " + (bytes >> 20) + " MiB" + described(input));
    }
  }

  private static String described(byte[] input) {
    String text = Base64.getEncoder().encodeToString(input);
    return " on "
        + input.length
        + " bytes "
        + (text.length() <= 4_000 ? text : text.substring(0, 4_000) + "…");
  }

  private static byte[] mutated(List<byte[]> corpus, SplittableRandom random) {
    byte[] input = corpus.get(random.nextInt(corpus.size()));
    for (int i = 1 + (int) Math.min(8, -2 * Math.log(random.nextDouble())); i > 0; i--) {
      input = mutated(input, corpus, random);
    }
    return input.length <= LONGEST ? input : Arrays.copyOf(input, LONGEST);
  }

  private static byte[] mutated(byte[] input, List<byte[]> corpus, SplittableRandom random) {
    int at = random.nextInt(input.length + 1);
    int length = Math.min(input.length - at, 1 + random.nextInt(1 << random.nextInt(1, 10)));
    byte[] rest = Arrays.copyOfRange(input, at, input.length);
    byte[] head = Arrays.copyOf(input, at);
    byte[] after = Arrays.copyOfRange(input, at + length, input.length);
    return switch (random.nextInt(11)) {
      case 0 -> head;
      case 1 -> rest;
      case 2 -> joined(head, after);
      case 3 -> {
        byte[] piece = new byte[random.nextInt(1, 9)];
        random.nextBytes(piece);
        yield joined(head, piece, rest);
      }
      case 4, 5 -> {
        byte[] changed = input.clone();
        if (at < changed.length) {
          changed[at] =
              random.nextBoolean()
                  ? (byte) (changed[at] ^ 1 << random.nextInt(8))
                  : (byte) (random.nextBoolean() ? random.nextInt(-2, 3) : random.nextInt());
        }
        yield changed;
      }
      case 6, 7 -> {
        String piece = PIECES.get(random.nextInt(PIECES.size()));
        yield joined(
            head, piece.getBytes(StandardCharsets.UTF_8), random.nextBoolean() ? rest : after);
      }
      case 8 -> {
        byte[] piece = Arrays.copyOfRange(input, at, at + length);
        byte[][] parts = new byte[2 + random.nextInt(1, 1 << random.nextInt(1, 12))][];
        Arrays.fill(parts, piece);
        parts[0] = head;
        parts[parts.length - 1] = rest;
        yield joined(parts);
      }
      case 9 -> {
        byte[] other = corpus.get(random.nextInt(corpus.size()));
        yield joined(
            head, Arrays.copyOfRange(other, random.nextInt(other.length + 1), other.length));
      }
      default -> {
        byte[] other = corpus.get(random.nextInt(corpus.size()));
        int from = random.nextInt(other.length + 1);
        int to = Math.min(other.length, from + random.nextInt(1, 256));
        yield joined(head, Arrays.copyOfRange(other, from, to), after);
      }
    };
  }

  private static byte[] joined(byte[]... parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      if (out.size() > LONGEST) {
        break;
      }
      out.writeBytes(part);
    }
    return out.toByteArray();
  }
}
