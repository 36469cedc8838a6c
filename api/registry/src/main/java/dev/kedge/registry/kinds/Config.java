package dev.kedge.registry.kinds;

import dev.kedge.model.FieldFault;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Names;
import dev.kedge.model.Status.Cause;
import dev.kedge.registry.Strategy;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;

/** ConfigMaps and Secrets. */
final class Config {
  private static final int MOST_BYTES = 1 << 20;

  private Config() {}

  private static void key(String field, String key, Checks checks) {
    checks.name(field + "[" + key + "]", key, Names.configKey(key));
  }

  /** Upstream's rules for objects that were made immutable. */
  private static void immutable(
      JsonObject object, JsonObject old, Checks checks, String... fields) {
    if (!old.flag("immutable")) {
      return;
    }
    String why = "field is immutable when `immutable` is set";
    if (!object.flag("immutable")) {
      checks.forbidden("immutable", why);
    }
    for (String field : fields) {
      if (!object.object(field).equals(old.object(field))) {
        checks.forbidden(field, why);
      }
    }
  }

  static final class ConfigMap implements Strategy {
    @Override
    public List<Cause> validate(KubeObject map) {
      Checks checks = new Checks();
      JsonObject data = map.json().object("data");
      JsonObject binary = map.json().object("binaryData");
      long size = 0;
      for (String key : data.names()) {
        key("data", key, checks);
        if (binary.has(key)) {
          checks.invalid("data[" + key + "]", key, "duplicate of key present in binaryData");
        }
        size += data.text(key).getBytes(StandardCharsets.UTF_8).length;
      }
      for (String key : binary.names()) {
        key("binaryData", key, checks);
        size += binary.text(key).length() / 4 * 3L;
      }
      if (size > MOST_BYTES) {
        checks.add(FieldFault.tooLong("", MOST_BYTES));
      }
      return checks.causes();
    }

    @Override
    public List<Cause> validateUpdate(KubeObject map, KubeObject old) {
      Checks checks = new Checks();
      immutable(map.json(), old.json(), checks, "data", "binaryData");
      return checks.causes();
    }
  }

  static final class Secret implements Strategy {
    /** {@code stringData} is for writing only: its values go into {@code data}. */
    @Override
    public KubeObject applyDefaults(KubeObject secret) {
      JsonObject texts = secret.json().object("stringData");
      JsonObject data = secret.json().object("data");
      for (int i = 0; i < texts.size(); i++) {
        String text = texts.valueAt(i) instanceof JsonString value ? value.value() : "";
        data =
            data.with(
                texts.nameAt(i),
                Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8)));
      }
      KubeObject made =
          secret.json().has("stringData")
              ? new KubeObject(secret.json().without("stringData"))
              : secret;
      return texts.isEmpty() ? made : made.with("data", data);
    }

    @Override
    public List<Cause> validate(KubeObject secret) {
      Checks checks = new Checks();
      JsonObject data = secret.json().object("data");
      long size = 0;
      for (String key : data.names()) {
        key("data", key, checks);
        size += data.text(key).length() / 4 * 3L;
      }
      if (size > MOST_BYTES) {
        checks.add(FieldFault.tooLong("data", MOST_BYTES));
      }
      switch (secret.json().text("type")) {
        case "kubernetes.io/service-account-token" -> {
          if (secret.annotation("kubernetes.io/service-account.name").orElse("").isEmpty()) {
            checks.required("metadata.annotations[kubernetes.io/service-account.name]", "");
          }
        }
        case "kubernetes.io/dockercfg" -> document(data, ".dockercfg", checks);
        case "kubernetes.io/dockerconfigjson" -> document(data, ".dockerconfigjson", checks);
        case "kubernetes.io/basic-auth" -> {
          if (!data.has("username") && !data.has("password")) {
            checks.required("data[%username]", "");
            checks.required("data[%password]", "");
          }
        }
        case "kubernetes.io/ssh-auth" -> {
          if (data.text("ssh-privatekey").isEmpty()) {
            checks.required("data[%ssh-privatekey]", "");
          }
        }
        case "kubernetes.io/tls" -> {
          for (String key : List.of("tls.crt", "tls.key")) {
            if (!data.has(key)) {
              checks.required("data[" + key + "]", "");
            }
          }
        }
        default -> {}
      }
      return checks.causes();
    }

    private static void document(JsonObject data, String key, Checks checks) {
      if (!data.has(key)) {
        checks.required("data[" + key + "]", "");
        return;
      }
      try {
        Json.parseObject(Base64.getMimeDecoder().decode(data.text(key)));
      } catch (JsonSyntaxException e) {
        checks.invalid(
            "data[" + key + "]", "<secret contents redacted>", String.valueOf(e.getMessage()));
      }
    }

    @Override
    public List<Cause> validateUpdate(KubeObject secret, KubeObject old) {
      Checks checks = new Checks();
      checks.immutable("", secret.json(), old.json(), "type");
      immutable(secret.json(), old.json(), checks, "data");
      return checks.causes();
    }
  }
}
