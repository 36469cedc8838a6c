package dev.kedge.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** What a server's process on this machine uses, from {@code /proc} (proc(5)). */
record ServerProcess(long pid) {
  private static final double TICKS_PER_SECOND = 100; // USER_HZ, the same on every Linux

  /** Processor time so far, in seconds. */
  double processorSeconds() throws IOException {
    String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
    String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
    return (Long.parseLong(fields[11]) + Long.parseLong(fields[12])) / TICKS_PER_SECOND;
  }

  /** Proportional set size, in bytes. */
  long memory() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/" + pid + "/smaps_rollup"))) {
      if (line.startsWith("Pss:")) {
        return Long.parseLong(line.replaceAll("[^0-9]", "")) * 1024;
      }
    }
    throw new IOException("/proc/" + pid + "/smaps_rollup has no Pss");
  }
}
