package dev.kedge.cli.kubectl;

import static dev.kedge.cli.kubectl.DescriptionWriter.or;

import dev.kedge.model.JsonObject;
import java.util.List;

/** Describes ingresses. */
final class IngressDescription {
  private IngressDescription() {}

  static void write(Described ingress) {
    DescriptionWriter out = ingress.out();
    JsonObject spec = ingress.spec();
    ingress.name();
    ingress.labels();
    out.field(
        "Address",
        String.join(
            ",",
            ingress.status().objects("loadBalancer", "ingress").stream()
                .map(ServiceDescription::address)
                .toList()));
    out.field("Ingress Class", or(spec.text("ingressClassName"), "<none>"));
    out.field(
        "Default backend",
        spec.has("defaultBackend") ? backend(spec.object("defaultBackend")) : "<default>");
    List<JsonObject> certificates = spec.objects("tls");
    if (!certificates.isEmpty()) {
      DescriptionWriter in = out.heading("TLS");
      for (JsonObject certificate : certificates) {
        String secret = certificate.text("secretName");
        in.line(
            (secret.isEmpty() ? "SNI routes " : secret + " terminates ")
                + String.join(",", certificate.strings("hosts")));
      }
    }
    DescriptionWriter rules = out.heading("Rules");
    rules.columns("Host", "Path", "Backends");
    for (JsonObject rule : spec.objects("rules")) {
      rules.line(or(rule.text("host"), "*"), "");
      for (JsonObject path : rule.objects("http", "paths")) {
        rules.line("", path.text("path"), backend(path.object("backend")));
      }
    }
    ingress.annotations();
    ingress.events();
  }

  private static String backend(JsonObject backend) {
    if (backend.has("resource")) {
      JsonObject resource = backend.object("resource");
      return "APIGroup: "
          + resource.text("apiGroup")
          + ", Kind: "
          + resource.text("kind")
          + ", Name: "
          + resource.text("name");
    }
    JsonObject port = backend.object("service", "port");
    return backend.text("service", "name")
        + ":"
        + (port.has("number") ? Long.toString(port.integer("number")) : port.text("name"));
  }
}
