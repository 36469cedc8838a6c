package dev.kedge.registry.kinds;

import dev.kedge.model.FieldFault;
import dev.kedge.model.JsonObject;
import dev.kedge.model.Names;
import dev.kedge.model.Status.Cause;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.ArrayList;
import java.util.List;

/**
 * Faults of a {@code WebhookClientConfig}, in upstream's words (apiserver {@code
 * util/webhook/validation.go}). Stateless.
 */
public final class WebhookClientConfig {
  private static final String FORM = "; desired format: https://host[/path]";

  private WebhookClientConfig() {}

  /** Faults of what stands at a field's path. */
  public static List<Cause> faults(String field, JsonObject config) {
    List<Cause> causes = new ArrayList<>();
    if (config.has("url") == config.has("service")) {
      causes.add(FieldFault.required(field, "exactly one of url or service is required"));
    } else if (config.has("url")) {
      url(field + ".url", config.text("url"), causes);
    } else {
      service(field + ".service", config.object("service"), causes);
    }
    return causes;
  }

  private static void url(String field, String text, List<Cause> causes) {
    URI url;
    try {
      url = new URI(text);
    } catch (URISyntaxException e) {
      causes.add(FieldFault.required(field, "url must be a valid URL: " + e.getMessage() + FORM));
      return;
    }
    String scheme = url.getScheme() == null ? "" : url.getScheme();
    if (!scheme.equals("https")) {
      causes.add(
          FieldFault.invalid(field, scheme, "'https' is the only allowed URL scheme" + FORM));
    }
    if (url.getHost() == null) {
      causes.add(FieldFault.invalid(field, "", "host must be specified" + FORM));
    }
    if (url.getRawUserInfo() != null) {
      causes.add(
          FieldFault.invalid(
              field, url.getRawUserInfo(), "user information is not permitted in the URL"));
    }
    if (url.getRawFragment() != null) {
      causes.add(
          FieldFault.invalid(
              field, url.getRawFragment(), "fragments are not permitted in the URL"));
    }
    if (url.getRawQuery() != null) {
      causes.add(
          FieldFault.invalid(
              field, url.getRawQuery(), "query parameters are not permitted in the URL"));
    }
  }

  private static void service(String field, JsonObject service, List<Cause> causes) {
    for (String name : List.of("name", "namespace")) {
      if (service.text(name).isEmpty()) {
        causes.add(FieldFault.required(field + "." + name, ""));
      }
    }
    long port = service.integerOr(443, "port");
    if (port < 1 || port > 65535) {
      causes.add(
          FieldFault.invalid(
              field + ".port", port, "port is not valid: must be between 1 and 65535, inclusive"));
    }
    path(field + ".path", service.text("path"), causes);
  }

  private static void path(String field, String path, List<Cause> causes) {
    if (path.isEmpty() || path.equals("/")) {
      return;
    }
    if (path.equals("//")) {
      causes.add(FieldFault.invalid(field, path, "segment[0] may not be empty"));
      return;
    }
    if (!path.startsWith("/")) {
      causes.add(FieldFault.invalid(field, path, "must start with a '/'"));
    }
    String rest = path.substring(1);
    String[] steps =
        (rest.endsWith("/") ? rest.substring(0, rest.length() - 1) : rest).split("/", -1);
    for (int i = 0; i < steps.length; i++) {
      if (steps[i].isEmpty()) {
        causes.add(FieldFault.invalid(field, path, "segment[" + i + "] may not be empty"));
        continue;
      }
      for (String fault : Names.subdomain(steps[i])) {
        causes.add(FieldFault.invalid(field, path, "segment[" + i + "]: " + fault));
      }
    }
  }
}
