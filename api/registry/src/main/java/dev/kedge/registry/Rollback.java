package dev.kedge.registry;

import java.util.ArrayList;
import java.util.List;

/** What must be undone unless a write is committed. One thread. */
final class Rollback {
  private final List<Runnable> steps = new ArrayList<>();

  void add(Runnable undo) {
    steps.add(undo);
  }

  /** The write is committed: nothing is undone. */
  void forget() {
    steps.clear();
  }

  /** Undoes what was added, last first, once. */
  void run() {
    for (Runnable step : steps.reversed()) {
      step.run();
    }
    steps.clear();
  }
}
