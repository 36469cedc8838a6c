package dev.kedge.apiserver;

import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * The columns of a kind.
 *
 * @param <T> what the cells are made from
 * @param summary reads from an object, once per row, what the cells are made from
 */
record PrinterKind<T>(Function<KubeObject, T> summary, List<PrinterColumn<T>> columns) {
  /** A kind whose cells are made from its objects. */
  @SafeVarargs
  static PrinterKind<KubeObject> of(PrinterColumn<KubeObject>... columns) {
    return new PrinterKind<>(Function.identity(), List.of(columns));
  }

  /** A kind whose cells are made from a summary of its objects. */
  @SafeVarargs
  static <T> PrinterKind<T> of(Function<KubeObject, T> summary, PrinterColumn<T>... columns) {
    return new PrinterKind<>(summary, List.of(columns));
  }

  /** The cells of an object, one per column. */
  List<JsonValue> cells(KubeObject object, Instant now) {
    T shown = summary.apply(object);
    List<JsonValue> cells = new ArrayList<>(columns.size());
    for (PrinterColumn<T> column : columns) {
      cells.add(JsonValue.of(column.cell().apply(shown, now)));
    }
    return cells;
  }
}
