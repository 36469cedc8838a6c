package dev.kedge.cli.kubectl;

import java.util.ArrayList;
import java.util.List;

/** Puts flag tables together. */
final class Flags {
  private Flags() {}

  static List<Flag> with(List<Flag> shared, Flag... own) {
    List<Flag> all = new ArrayList<>(List.of(own));
    all.addAll(shared);
    return List.copyOf(all);
  }
}
