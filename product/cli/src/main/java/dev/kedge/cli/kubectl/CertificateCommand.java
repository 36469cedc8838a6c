package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonObject;
import dev.kedge.model.Times;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** {@code certificate approve} and {@code certificate deny}. */
final class CertificateCommand {
  private static final int ATTEMPTS = 5;

  private CertificateCommand() {}

  static Verb verb() {
    List<Flag> flags =
        Flags.with(
            Manifests.FLAGS,
            Output.FLAG,
            Output.MANAGED_FIELDS,
            Flag.toggle("force", "Update the CSR even if it is already approved or denied"));
    return Verb.group(
        "certificate",
        "Modify certificate signing requests",
        List.of(
            Verb.of(
                "approve",
                "approve NAME...",
                "Approve a certificate signing request",
                flags,
                session -> decide(session, "Approved", "approve", "approved")),
            Verb.of(
                "deny",
                "deny NAME...",
                "Deny a certificate signing request",
                flags,
                session -> decide(session, "Denied", "deny", "denied"))));
  }

  private static int decide(Session session, String type, String verb, String done) {
    Served requests = session.discovery().find("certificatesigningrequests");
    List<Item> items = new ArrayList<>();
    if (Manifests.given(session)) {
      items.addAll(Manifests.items(session));
    }
    for (String word : session.words()) {
      String name = word.substring(word.indexOf('/') + 1);
      items.add(new Item(requests, "", name, JsonObject.EMPTY, ""));
    }
    if (items.isEmpty()) {
      throw new UsageException("one or more CSRs must be specified as <name> or -f <filename>");
    }
    Output output = Output.of(session);
    for (Item item : items) {
      output.done(item, decide(session, item, type, verb), done);
    }
    return 0;
  }

  private static JsonObject decide(Session session, Item item, String type, String verb) {
    for (int attempt = 1; ; attempt++) {
      JsonObject request = session.get(item.served(), "", item.name());
      List<JsonObject> conditions = new ArrayList<>();
      for (JsonObject condition : request.objects("status", "conditions")) {
        String held = condition.text("type");
        if (held.equals(type) && !session.arguments().on("force")) {
          return request;
        }
        if (!held.equals("Approved") && !held.equals("Denied")) {
          conditions.add(condition);
        } else if (!held.equals(type)) {
          throw new UsageException(
              "certificate signing request \"" + item.name() + "\" is already " + held);
        }
      }
      String now = Times.text(Instant.now());
      conditions.add(
          JsonObject.of(
              "type",
              type,
              "status",
              "True",
              "reason",
              type.equals("Approved") ? "KubectlApprove" : "KubectlDeny",
              "message",
              "This CSR was " + done(verb) + " by kubectl certificate " + verb + ".",
              "lastUpdateTime",
              now));
      try {
        return session
            .transport()
            .put(
                session.path(item.served(), "", item.name()) + "/approval",
                request.withPath(List.of("status", "conditions"), conditions));
      } catch (ApiException e) {
        if (!e.isConflict() || attempt == ATTEMPTS) {
          throw e;
        }
      }
    }
  }

  private static String done(String verb) {
    return verb.equals("deny") ? "denied" : "approved";
  }
}
