package dev.kedge.cli.kubectl;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Base64;
import java.util.TreeMap;

/** Describes secrets: how long what they hold is, not what it is, but for tokens of accounts. */
final class SecretDescription {
  private SecretDescription() {}

  static void write(Described secret) {
    DescriptionWriter out = secret.out();
    String type = secret.object().text("type");
    secret.head();
    out.blank();
    out.field("Type", type);
    out.blank();
    out.line("Data");
    out.line("====");
    boolean isToken = type.equals("kubernetes.io/service-account-token");
    new TreeMap<>(secret.object().map("data"))
        .forEach(
            (name, value) ->
                out.field(
                    name,
                    isToken && name.equals("token")
                        ? new String(Base64.getDecoder().decode(value), UTF_8)
                        : size(value)));
  }

  /** {@code 12 bytes}, of what a text in Base64 stands for. */
  static String size(String base64) {
    try {
      return Base64.getDecoder().decode(base64).length + " bytes";
    } catch (IllegalArgumentException _) {
      return base64.length() + " bytes";
    }
  }
}
