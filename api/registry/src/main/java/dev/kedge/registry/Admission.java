package dev.kedge.registry;

import dev.kedge.model.ApiException;
import dev.kedge.model.KubeObject;
import dev.kedge.registry.AdmissionPlugin.Review;
import java.util.List;

/** The chain of admission plugins: who changes, who judges, and the second round. Any thread. */
final class Admission {
  private final List<AdmissionPlugin> plugins;

  Admission(List<AdmissionPlugin> plugins) {
    this.plugins = List.copyOf(plugins);
  }

  /** What the changing plugins make of an object. */
  KubeObject mutate(Review review, KubeObject object) {
    try {
      KubeObject changed = object;
      do {
        for (AdmissionPlugin plugin : plugins) {
          changed = plugin.mutate(review, changed);
        }
      } while (review.round().next());
      return changed;
    } catch (ApiException e) {
      throw warned(e, review);
    }
  }

  /** Asks the changing plugins about an operation without an object. */
  void admit(Review review) {
    try {
      for (AdmissionPlugin plugin : plugins) {
        plugin.admit(review);
      }
    } catch (ApiException e) {
      throw warned(e, review);
    }
  }

  /** Asks the judging plugins. */
  void validate(Review review, KubeObject object) {
    try {
      for (AdmissionPlugin plugin : plugins) {
        plugin.validate(review, object);
      }
    } catch (ApiException e) {
      throw warned(e, review);
    }
  }

  /** Who is refused sees the warnings too. */
  private static ApiException warned(ApiException refusal, Review review) {
    return review.warnings().isEmpty() ? refusal : refusal.withWarnings(review.warnings());
  }

  void close() {
    plugins.forEach(AdmissionPlugin::close);
  }
}
