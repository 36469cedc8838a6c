package dev.kedge.controllers;

import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.controllers.ControllerContext.LegacyTokens;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Optional;

/**
 * Fills Secrets of type {@code kubernetes.io/service-account-token} with a token of the account
 * they name, and removes them when the account is gone.
 */
final class LegacyTokenController implements Reconciler {
  private static final String TYPE = "kubernetes.io/service-account-token";
  private static final String ACCOUNT_NAME = "kubernetes.io/service-account.name";
  private static final String ACCOUNT_UID = "kubernetes.io/service-account.uid";

  private final KubeClient client;
  private final LegacyTokens tokens;
  private final String certificates;
  private final Informer secrets;
  private final Informer accounts;

  private LegacyTokenController(ControllerContext context, LegacyTokens tokens) {
    this.client = context.client();
    this.tokens = tokens;
    this.certificates = context.settings().rootCertificates();
    this.secrets =
        context
            .informers()
            .of(
                Resources.SECRETS,
                "",
                dev.kedge.client.KubeClient.Selection.fields("type=" + TYPE));
    this.accounts = context.informer(Resources.SERVICE_ACCOUNTS);
  }

  static List<Controller> create(ControllerContext context) {
    return context.settings().legacyTokens().stream()
        .map(tokens -> create(context, new LegacyTokenController(context, tokens)))
        .toList();
  }

  private static Controller create(ControllerContext context, LegacyTokenController reconciler) {
    return Controller.builder("legacy-token", context.timeline(), reconciler)
        .watches(reconciler.secrets)
        .watches(
            reconciler.accounts,
            account ->
                reconciler.secrets.inNamespace(account.namespace()).stream()
                    .filter(
                        secret -> secret.annotation(ACCOUNT_NAME).orElse("").equals(account.name()))
                    .map(KubeObject::key)
                    .toList())
        .build();
  }

  @Override
  public Result reconcile(ObjectKey key) {
    Optional<KubeObject> found = secrets.get(key);
    if (found.isEmpty()
        || found.get().deleting()
        || !found.get().json().text("type").equals(TYPE)) {
      return Result.DONE;
    }
    KubeObject secret = found.get();
    String accountName = secret.annotation(ACCOUNT_NAME).orElse("");
    String uid = secret.annotation(ACCOUNT_UID).orElse("");
    // Asked afresh: a Secret must not be removed because a view is behind.
    Optional<KubeObject> account =
        client.find(Resources.SERVICE_ACCOUNTS, key.namespace(), accountName);
    if (account.isEmpty() || !uid.isEmpty() && !uid.equals(account.get().uid())) {
      Writes.delete(client, Resources.SECRETS, secret);
      return Result.DONE;
    }
    JsonObject data = secret.json().object("data");
    JsonObject wanted = data;
    if (data.text("token").isEmpty()) {
      wanted = wanted.with("token", base64(tokens.token(account.get(), secret)));
    }
    wanted = wanted.with("ca.crt", base64(certificates)).with("namespace", base64(key.namespace()));
    if (!wanted.equals(data) || uid.isEmpty()) {
      client.update(
          Resources.SECRETS,
          secret
              .with("data", wanted)
              .withPath(List.of("metadata", "annotations", ACCOUNT_UID), account.get().uid()));
    }
    return Result.DONE;
  }

  private static String base64(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }
}
