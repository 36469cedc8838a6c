package dev.kedge.apiserver;

import static dev.kedge.apiserver.PrinterColumn.AGE;
import static dev.kedge.apiserver.PrinterColumn.NAME;
import static dev.kedge.apiserver.PrinterColumn.UNSET;
import static dev.kedge.apiserver.PrinterColumn.column;
import static dev.kedge.apiserver.PrinterColumn.count;
import static dev.kedge.apiserver.PrinterColumn.or;
import static dev.kedge.apiserver.PrinterColumn.text;
import static java.util.Map.entry;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.util.Map;

/** The columns of {@code admissionregistration.k8s.io} and {@code apiregistration.k8s.io}. */
final class AdmissionColumns {
  private static final PrinterKind<KubeObject> WEBHOOKS =
      PrinterKind.of(NAME, count("Webhooks", "webhooks"), AGE);
  private static final PrinterColumn<KubeObject> PARAMETER_KIND =
      column("ParamKind", AdmissionColumns::parameterKind);
  private static final PrinterKind<KubeObject> POLICY_BINDING =
      PrinterKind.of(
          NAME,
          text("PolicyName", "spec", "policyName"),
          column("ParamRef", AdmissionColumns::parameters),
          AGE);

  static final Map<String, PrinterKind<?>> KINDS =
      Map.ofEntries(
          entry("mutatingwebhookconfigurations.admissionregistration.k8s.io", WEBHOOKS),
          entry("validatingwebhookconfigurations.admissionregistration.k8s.io", WEBHOOKS),
          entry(
              "mutatingadmissionpolicies.admissionregistration.k8s.io",
              PrinterKind.of(NAME, count("Mutations", "spec", "mutations"), PARAMETER_KIND, AGE)),
          entry(
              "validatingadmissionpolicies.admissionregistration.k8s.io",
              PrinterKind.of(
                  NAME, count("Validations", "spec", "validations"), PARAMETER_KIND, AGE)),
          entry("mutatingadmissionpolicybindings.admissionregistration.k8s.io", POLICY_BINDING),
          entry("validatingadmissionpolicybindings.admissionregistration.k8s.io", POLICY_BINDING),
          entry(
              "apiservices.apiregistration.k8s.io",
              PrinterKind.of(
                  NAME,
                  column("Service", AdmissionColumns::service),
                  column("Available", AdmissionColumns::available),
                  AGE)));

  private AdmissionColumns() {}

  private static String parameterKind(KubeObject policy) {
    JsonObject kind = policy.spec().object("paramKind");
    return kind.isEmpty() ? UNSET : kind.text("apiVersion") + "/" + kind.text("kind");
  }

  private static String parameters(KubeObject binding) {
    JsonObject reference = binding.spec().object("paramRef");
    String namespace = reference.text("namespace");
    return reference.isEmpty()
        ? UNSET
        : (namespace.isEmpty() ? "" : namespace + "/") + or(reference.text("name"), "*");
  }

  private static String service(KubeObject api) {
    JsonObject service = api.spec().object("service");
    return service.isEmpty() ? "Local" : service.text("namespace") + "/" + service.text("name");
  }

  private static String available(KubeObject api) {
    return api.status().objects("conditions").stream()
        .filter(condition -> condition.text("type").equals("Available"))
        .findFirst()
        .map(
            condition ->
                condition.text("status").equals("True")
                    ? "True"
                    : condition.text("status") + " (" + condition.text("reason") + ")")
        .orElse("Unknown");
  }
}
