package dev.kedge.registry.admission;

import dev.kedge.identity.Authorizer;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonPatch;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin;
import dev.kedge.registry.WebhookCalls;
import dev.kedge.registry.admission.Hook.FailedException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Asks the webhooks of MutatingWebhookConfigurations, one after the other, and patches. */
final class MutatingWebhooks implements AdmissionPlugin {
  private static final Logger LOG = System.getLogger("dev.kedge.registry");
  private static final KubeObject NONE = new KubeObject(JsonObject.EMPTY);

  private final WebhookCalls calls;
  private final Authorizer authorizer;
  private final Hooks hooks = new Hooks(Resources.MUTATING_WEBHOOK_CONFIGURATIONS, true);

  MutatingWebhooks(WebhookCalls calls, Authorizer authorizer) {
    this.authorizer = authorizer;
    this.calls = calls;
  }

  @Override
  public String name() {
    return "MutatingAdmissionWebhook";
  }

  /** Who must see an object again because somebody changed it after he had seen it. */
  private static final class Notes {
    private final Set<String> seen = new HashSet<>();
    private final Set<String> again = new HashSet<>();
    private @Nullable KubeObject left;

    void changed() {
      again.addAll(seen);
      seen.clear();
    }
  }

  @Override
  public KubeObject mutate(Review review, KubeObject object) {
    return dispatch(review, object);
  }

  @Override
  public void admit(Review review) {
    dispatch(review, NONE);
  }

  private KubeObject dispatch(Review review, KubeObject object) {
    if (Target.exempt(review)) {
      return object;
    }
    List<Hook> all = hooks.all(review.objects());
    if (all.isEmpty()) {
      return object;
    }
    Notes notes = review.round().notes(Notes.class, Notes::new);
    if (review.round().second() && !object.equals(notes.left)) {
      notes.changed();
    }
    Document document = new Document(review, object);
    for (Hook hook : all) {
      Optional<Version> version = hook.target().match(review, document.stored());
      if (version.isEmpty() || review.round().second() && !notes.again.contains(hook.id())) {
        continue;
      }
      if (!hook.wants(
          review,
          version.get(),
          document.shown(version.get()),
          document.old(version.get()),
          authorizer)) {
        continue;
      }
      if (call(hook, review, version.get(), document)) {
        notes.changed();
        review.round().askAgain();
      }
      if (hook.reinvoke()) {
        notes.seen.add(hook.id());
      }
    }
    notes.left = document.stored();
    return document.stored();
  }

  /** Asks one webhook; returns whether it changed the object. */
  private boolean call(Hook hook, Review review, Version version, Document document) {
    try {
      Optional<JsonArray> patch =
          hook.ask(calls, review, version, document.shown(version), document.old(version));
      return patch.isPresent()
          && !patch.get().isEmpty()
          && document.patch(hook.name(), version, patch.get());
    } catch (FailedException e) {
      if (!hook.failOpen()) {
        throw e.fatal();
      }
      LOG.log(Level.WARNING, "failing open: {0}", e.getMessage());
      return false;
    }
  }

  @Override
  public void close() {
    calls.close();
  }

  /** The object on its way through the webhooks, in the version of the last one. One thread. */
  private static final class Document {
    private final Review review;
    private KubeObject stored;

    Document(Review review, KubeObject stored) {
      this.review = review;
      this.stored = stored;
    }

    KubeObject stored() {
      return stored;
    }

    KubeObject shown(Version version) {
      return Target.isThere(stored) ? review.asked().show(version, stored) : stored;
    }

    KubeObject old(Version version) {
      return ValidatingWebhooks.old(review, version);
    }

    boolean patch(String hook, Version version, JsonArray patch) {
      if (!Target.isThere(stored)) {
        throw ApiException.internal(
            "admission webhook \""
                + hook
                + "\" attempted to modify the object, which is not supported for this operation");
      }
      JsonObject changed;
      try {
        changed =
            JsonPatch.apply(shown(version).json(), patch) instanceof JsonObject patched
                ? patched
                : JsonObject.EMPTY;
      } catch (ApiException e) {
        throw ApiException.internal(e.status().message(), e);
      }
      KubeObject taken = review.asked().take(version, new KubeObject(changed), stored);
      boolean differs = !taken.equals(stored);
      stored = taken;
      return differs;
    }
  }
}
