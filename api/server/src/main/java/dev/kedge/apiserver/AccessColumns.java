package dev.kedge.apiserver;

import static dev.kedge.apiserver.PrinterColumn.AGE;
import static dev.kedge.apiserver.PrinterColumn.NAME;
import static dev.kedge.apiserver.PrinterColumn.NONE;
import static dev.kedge.apiserver.PrinterColumn.UNSET;
import static dev.kedge.apiserver.PrinterColumn.column;
import static dev.kedge.apiserver.PrinterColumn.text;
import static dev.kedge.apiserver.PrinterColumn.wide;
import static java.util.stream.Collectors.joining;

import dev.kedge.model.Durations;
import dev.kedge.model.KubeObject;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The columns of {@code rbac.authorization.k8s.io} and {@code certificates.k8s.io}. */
final class AccessColumns {
  private static final PrinterKind<KubeObject> BINDING =
      PrinterKind.of(
          NAME,
          column(
              "Role",
              o -> o.json().text("roleRef", "kind") + "/" + o.json().text("roleRef", "name")),
          AGE,
          wide(column("Users", o -> subjects(o, "User"))),
          wide(column("Groups", o -> subjects(o, "Group"))),
          wide(column("ServiceAccounts", o -> subjects(o, "ServiceAccount"))));

  static final Map<String, PrinterKind<?>> KINDS =
      Map.of(
          "rolebindings.rbac.authorization.k8s.io",
          BINDING,
          "clusterrolebindings.rbac.authorization.k8s.io",
          BINDING,
          "certificatesigningrequests.certificates.k8s.io",
          PrinterKind.of(
              NAME,
              AGE,
              text("SignerName", "spec", "signerName").or(UNSET),
              text("Requestor", "spec", "username"),
              column("RequestedDuration", AccessColumns::requestedDuration),
              column("Condition", AccessColumns::condition)));

  private AccessColumns() {}

  private static String subjects(KubeObject binding, String kind) {
    return binding.json().objects("subjects").stream()
        .filter(subject -> subject.text("kind").equals(kind))
        .map(
            subject ->
                kind.equals("ServiceAccount")
                    ? subject.text("namespace") + "/" + subject.text("name")
                    : subject.text("name"))
        .collect(joining(", "));
  }

  private static String requestedDuration(KubeObject request) {
    return request.spec().has("expirationSeconds")
        ? Durations.human(Duration.ofSeconds(request.spec().integer("expirationSeconds")))
        : NONE;
  }

  private static String condition(KubeObject request) {
    List<String> types =
        request.status().objects("conditions").stream().map(one -> one.text("type")).toList();
    List<String> shown = new ArrayList<>();
    if (types.contains("Denied")) {
      shown.add("Denied");
    } else {
      shown.add(types.contains("Approved") ? "Approved" : "Pending");
    }
    if (types.contains("Failed")) {
      shown.add("Failed");
    }
    if (!request.status().text("certificate").isEmpty()) {
      shown.add("Issued");
    }
    return String.join(",", shown);
  }
}
