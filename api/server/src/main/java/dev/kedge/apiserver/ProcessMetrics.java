package dev.kedge.apiserver;

import java.io.IOException;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryUsage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** What the process uses, under the names that every Prometheus client has. Stateless. */
final class ProcessMetrics implements MetricSource {
  private static final Path SELF = Path.of("/proc/self");
  private static final long PAGE = 4096;

  @Override
  public void write(Exposition out) {
    ProcessHandle.Info info = ProcessHandle.current().info();
    info.totalCpuDuration()
        .ifPresent(
            time ->
                out.family(
                        "process_cpu_seconds_total",
                        "counter",
                        "Total user and system CPU time spent in seconds.")
                    .sample(time.toMillis() / 1e3));
    info.startInstant()
        .ifPresent(
            start ->
                out.family(
                        "process_start_time_seconds",
                        "gauge",
                        "Start time of the process since unix epoch in seconds.")
                    .sample(start.toEpochMilli() / 1e3));
    memory(out);
    descriptors(out);
    MemoryUsage heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage();
    MemoryUsage other = ManagementFactory.getMemoryMXBean().getNonHeapMemoryUsage();
    out.family("jvm_memory_used_bytes", "gauge", "Memory in use, garbage included.")
        .sample(heap.getUsed(), "area", "heap")
        .sample(other.getUsed(), "area", "nonheap");
    out.family("jvm_memory_committed_bytes", "gauge", "Memory taken from the system.")
        .sample(heap.getCommitted(), "area", "heap")
        .sample(other.getCommitted(), "area", "nonheap");
    out.family("jvm_threads_current", "gauge", "Platform threads that run.")
        .sample(ManagementFactory.getThreadMXBean().getThreadCount());
    out.family("jvm_gc_collection_seconds", "summary", "Time spent in garbage collections.");
    for (GarbageCollectorMXBean collector : ManagementFactory.getGarbageCollectorMXBeans()) {
      var labels = java.util.List.of("gc", collector.getName());
      out.sample("_count", collector.getCollectionCount(), labels);
      out.sample("_sum", collector.getCollectionTime() / 1e3, labels);
    }
  }

  private static void memory(Exposition out) {
    try {
      String[] pages = Files.readString(SELF.resolve("statm")).split(" ");
      out.family("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.")
          .sample(Long.parseLong(pages[1]) * PAGE);
      out.family("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.")
          .sample(Long.parseLong(pages[0]) * PAGE);
    } catch (IOException e) {
      absent("statm", e);
    }
  }

  private static void descriptors(Exposition out) {
    try (Stream<Path> open = Files.list(SELF.resolve("fd"))) {
      out.family("process_open_fds", "gauge", "Number of open file descriptors.")
          .sample(open.count());
      for (String line : Files.readAllLines(SELF.resolve("limits"))) {
        if (line.startsWith("Max open files")) {
          String soft = line.split(" {2,}")[1];
          out.family("process_max_fds", "gauge", "Maximum number of open file descriptors.")
              .sample(soft.equals("unlimited") ? -1 : Long.parseLong(soft));
        }
      }
    } catch (IOException e) {
      absent("fd", e);
    }
  }

  private static void absent(String file, IOException cause) {
    System.getLogger("dev.kedge.apiserver")
        .log(System.Logger.Level.DEBUG, "cannot read " + SELF.resolve(file), cause);
  }
}
