package dev.kedge.registry.kinds;

import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Names;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Strategy;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Requests for certificates. */
final class CertificateKinds {
  private static final long SHORTEST_LIFE = 600;
  private static final String[] USAGES = {
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping"
  };

  private CertificateKinds() {}

  static final class SigningRequest implements Strategy {
    @Override
    public List<Cause> validate(KubeObject request) {
      Checks checks = new Checks();
      JsonObject spec = request.spec();
      if (!isRequest(spec.text("request"))) {
        checks.invalid(
            "spec.request",
            spec.get("request").orElse(JsonString.EMPTY),
            "PEM block type must be CERTIFICATE REQUEST");
      }
      List<String> usages = spec.strings("usages");
      if (usages.isEmpty()) {
        checks.required("spec.usages", "");
      }
      Set<String> seen = new HashSet<>();
      for (int i = 0; i < usages.size(); i++) {
        checks.oneOf("spec.usages[" + i + "]", usages.get(i), USAGES);
        if (!seen.add(usages.get(i))) {
          checks.duplicate("spec.usages[" + i + "]", usages.get(i));
        }
      }
      signer(spec.text("signerName"), checks);
      if (spec.has("expirationSeconds") && spec.integer("expirationSeconds") < SHORTEST_LIFE) {
        checks.invalid(
            "spec.expirationSeconds",
            spec.integer("expirationSeconds"),
            "may not specify a duration less than 600 seconds (10 minutes)");
      }
      return checks.causes();
    }

    private static void signer(String name, Checks checks) {
      if (name.isEmpty()) {
        checks.required("spec.signerName", "");
      } else if (name.equals("kubernetes.io/legacy-unknown")) {
        checks.invalid(
            "spec.signerName", name, "the legacy signerName is not allowed via this API version");
      } else if (name.indexOf('/') < 0) {
        checks.invalid(
            "spec.signerName",
            name,
            "must be a fully qualified domain and path of the form 'example.com/signer-name'");
      } else {
        String domain = name.substring(0, name.indexOf('/'));
        checks.name("spec.signerName", domain, Names.subdomain(domain));
        if (domain.indexOf('.') < 0) {
          checks.invalid(
              "spec.signerName",
              domain,
              "should be a domain with at least two segments separated by dots");
        }
      }
    }

    private static boolean isRequest(String encoded) {
      try {
        return new String(Base64.getMimeDecoder().decode(encoded), StandardCharsets.US_ASCII)
            .contains("-----BEGIN CERTIFICATE REQUEST-----");
      } catch (IllegalArgumentException _) {
        return false; // not base64 at all
      }
    }

    @Override
    public List<Cause> validateUpdate(KubeObject request, KubeObject old) {
      Checks checks = new Checks();
      if (!request.spec().equals(old.spec())) {
        checks.invalid("spec", request.spec(), "field is immutable");
      }
      return checks.causes();
    }
  }
}
