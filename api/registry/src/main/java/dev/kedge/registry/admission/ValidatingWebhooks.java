package dev.kedge.registry.admission;

import dev.kedge.identity.Authorizer;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin;
import dev.kedge.registry.WebhookCalls;
import dev.kedge.registry.admission.Hook.FailedException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Asks the webhooks of ValidatingWebhookConfigurations, all at once. */
final class ValidatingWebhooks implements AdmissionPlugin {
  private static final Logger LOG = System.getLogger("dev.kedge.registry");
  private static final KubeObject NONE = new KubeObject(JsonObject.EMPTY);

  private final WebhookCalls calls;
  private final Authorizer authorizer;
  private final Hooks hooks = new Hooks(Resources.VALIDATING_WEBHOOK_CONFIGURATIONS, false);

  ValidatingWebhooks(WebhookCalls calls, Authorizer authorizer) {
    this.authorizer = authorizer;
    this.calls = calls;
  }

  @Override
  public String name() {
    return "ValidatingAdmissionWebhook";
  }

  private record Invocation(Hook hook, Version version) {}

  private record Forms(KubeObject shown, KubeObject old) {}

  /** The object before, in a version; without fields for a creation and for other documents. */
  static KubeObject old(Review review, Version version) {
    return Target.before(review) ? review.asked().show(version, review.old()) : NONE;
  }

  @Override
  public void validate(Review review, KubeObject object) {
    if (Target.exempt(review)) {
      return;
    }
    List<Hook> all = hooks.all(review.objects());
    if (all.isEmpty()) {
      return;
    }
    KubeObject stored = review.operation() == Operation.DELETE ? NONE : object;
    List<Invocation> invocations = new ArrayList<>();
    Map<Version, Forms> forms = new HashMap<>();
    for (Hook hook : all) {
      Optional<Version> version = hook.target().match(review, stored);
      if (version.isPresent()) {
        Forms form =
            forms.computeIfAbsent(
                version.get(),
                wanted ->
                    new Forms(
                        Target.isThere(stored) ? review.asked().show(wanted, stored) : stored,
                        old(review, wanted)));
        if (hook.wants(review, version.get(), form.shown(), form.old(), authorizer)) {
          invocations.add(new Invocation(hook, version.get()));
        }
      }
    }
    switch (invocations.size()) {
      case 0 -> {}
      case 1 -> call(review, invocations.getFirst(), forms);
      default -> callAll(review, invocations, forms);
    }
  }

  private void callAll(Review review, List<Invocation> invocations, Map<Version, Forms> forms) {
    List<String> warnings = Collections.synchronizedList(new ArrayList<>());
    Review shared = review.withWarnings(warnings);
    List<Future<?>> asked = new ArrayList<>();
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (Invocation invocation : invocations) {
        asked.add(threads.submit(() -> call(shared, invocation, forms)));
      }
    }
    review.warnings().addAll(warnings);
    for (Future<?> one : asked) {
      try {
        one.get();
      } catch (ExecutionException e) {
        if (e.getCause() instanceof ApiException refusal) {
          throw refusal;
        }
        throw new IllegalStateException("a webhook could not be asked", e.getCause());
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw ApiException.timeout("request did not complete within requested timeout");
      }
    }
  }

  private void call(Review review, Invocation invocation, Map<Version, Forms> forms) {
    Hook hook = invocation.hook();
    Forms form = java.util.Objects.requireNonNull(forms.get(invocation.version()));
    try {
      hook.ask(calls, review, invocation.version(), form.shown(), form.old());
    } catch (FailedException e) {
      if (!hook.failOpen()) {
        throw e.fatal();
      }
      LOG.log(Level.WARNING, "failing open: {0}", e.getMessage());
    }
  }

  @Override
  public void close() {
    calls.close();
  }
}
