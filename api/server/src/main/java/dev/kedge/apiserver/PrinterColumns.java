package dev.kedge.apiserver;

import static dev.kedge.apiserver.PrinterColumn.NAME;
import static dev.kedge.apiserver.PrinterColumn.column;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The columns of built-in kinds, as upstream's {@code printers.go} has them, one class per family
 * of API groups. Any thread.
 */
final class PrinterColumns {
  private static final Map<String, PrinterKind<?>> KINDS = new HashMap<>();

  /** Name and creation time, as upstream shows kinds it has no columns for. */
  private static final PrinterKind<?> OTHER =
      PrinterKind.of(
          NAME,
          column("Created At", "date", object -> object.metadata().text("creationTimestamp")));

  static {
    List.of(
            AccessColumns.KINDS,
            AdmissionColumns.KINDS,
            CoreColumns.KINDS,
            EventColumns.KINDS,
            NetworkColumns.KINDS,
            NodeColumns.KINDS,
            PodColumns.KINDS,
            SchedulingColumns.KINDS,
            StorageColumns.KINDS,
            WorkloadColumns.KINDS)
        .forEach(KINDS::putAll);
  }

  private PrinterColumns() {}

  /** The columns of a {@code plural.group}. */
  static PrinterKind<?> of(String groupResource) {
    return KINDS.getOrDefault(groupResource, OTHER);
  }
}
