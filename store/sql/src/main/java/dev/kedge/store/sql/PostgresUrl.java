package dev.kedge.store.sql;

import dev.kedge.store.StoreException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A database's address as libpq and K3s write it: {@code
 * postgres://user:password@host:port,host2:port2/database?sslmode=verify-full}. User and password
 * end at the last {@code @}; in them {@code %XX} is one byte and every other character itself.
 *
 * @param hosts {@code host:port}, one or several with commas
 */
record PostgresUrl(
    String user, String password, String hosts, String database, Map<String, String> parameters) {
  private static final Pattern FORM =
      Pattern.compile(
          "postgres(?:ql)?://(?:(?<user>.*)@)?(?<hosts>[^@/?]*)(?:/(?<database>[^?]*))?(?:\\?(?<query>.*))?");
  private static final Set<String> MODES =
      Set.of("disable", "allow", "prefer", "require", "verify-ca", "verify-full");
  private static final Set<String> KNOWN =
      Set.of("sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "application_name");

  /**
   * Reads a URL; what it leaves out is as K3s has it: user and password {@code postgres}, host
   * {@code localhost}, database {@code kubernetes}.
   *
   * @throws StoreException with a sentence for the user
   */
  static PostgresUrl parse(String url, TlsFiles files) {
    Matcher matcher = FORM.matcher(url);
    if (!matcher.matches()) {
      throw new StoreException(
          "the datastore endpoint must look like postgres://user:password@host:5432/database");
    }
    String user = "postgres";
    String password = "postgres";
    if (matcher.group("user") != null) {
      String both = matcher.group("user");
      int colon = both.indexOf(':');
      user = decode(colon < 0 ? both : both.substring(0, colon));
      password = colon < 0 ? "" : decode(both.substring(colon + 1));
    }
    String hosts = orElse(matcher.group("hosts"), "localhost");
    StringBuilder withPorts = new StringBuilder();
    for (String host : hosts.split(",", -1)) {
      if (!host.matches("([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+])(:[0-9]{1,5})?")) {
        throw new StoreException(
            "the datastore endpoint names the host \""
                + host
                + "\"; write host:port, and special characters of the password as %XX");
      }
      withPorts
          .append(withPorts.isEmpty() ? "" : ",")
          .append(host)
          .append(host.matches(".*:[0-9]+") ? "" : ":5432");
    }
    Map<String, String> parameters = parameters(matcher.group("query"));
    if (files.given()) {
      files.ca().ifPresent(ca -> parameters.putIfAbsent("sslrootcert", ca.toString()));
      files.certificate().ifPresent(file -> parameters.putIfAbsent("sslcert", file.toString()));
      files.key().ifPresent(key -> parameters.putIfAbsent("sslkey", key.toString()));
      parameters.putIfAbsent("sslmode", "verify-full");
    }
    new TlsFiles(
            path(parameters, "sslrootcert"),
            path(parameters, "sslcert"),
            path(parameters, "sslkey"))
        .check();
    return new PostgresUrl(
        user,
        password,
        withPorts.toString(),
        decode(orElse(matcher.group("database"), "kubernetes")),
        Map.copyOf(parameters));
  }

  /** The same, at the database that every server has. */
  PostgresUrl maintenance() {
    return new PostgresUrl(user, password, hosts, "postgres", parameters);
  }

  String jdbc() {
    return "jdbc:postgresql://"
        + hosts
        + "/"
        + URLEncoder.encode(database, StandardCharsets.UTF_8).replace("+", "%20");
  }

  Properties properties() {
    Properties properties = new Properties();
    properties.setProperty("user", user);
    properties.setProperty("password", password);
    properties.setProperty("ApplicationName", parameters.getOrDefault("application_name", "kedge"));
    properties.setProperty("connectTimeout", parameters.getOrDefault("connect_timeout", "10"));
    for (String name : Set.of("sslmode", "sslrootcert", "sslcert", "sslkey")) {
      if (parameters.containsKey(name)) {
        properties.setProperty(name, parameters.get(name));
      }
    }
    properties.setProperty("sslfactory", PostgresTls.class.getName());
    return properties;
  }

  private static Map<String, String> parameters(String query) {
    Map<String, String> parameters = new LinkedHashMap<>();
    if (query == null || query.isEmpty()) {
      return parameters;
    }
    for (String pair : query.split("&", -1)) {
      int equals = pair.indexOf('=');
      String name = equals < 0 ? pair : pair.substring(0, equals);
      if (!KNOWN.contains(name)) {
        throw new StoreException(
            "the datastore endpoint's parameter "
                + name
                + " is not supported for PostgreSQL; known are "
                + String.join(", ", KNOWN.stream().sorted().toList()));
      }
      parameters.put(name, equals < 0 ? "" : decode(pair.substring(equals + 1)));
    }
    String mode = parameters.get("sslmode");
    if (mode != null && !MODES.contains(mode)) {
      throw new StoreException(
          "the datastore endpoint's sslmode "
              + mode
              + " does not exist; choose disable, allow, prefer, require, verify-ca or"
              + " verify-full");
    }
    String timeout = parameters.get("connect_timeout");
    if (timeout != null && !timeout.matches("[0-9]{1,5}")) {
      throw new StoreException(
          "the datastore endpoint's connect_timeout must be a number of seconds, not " + timeout);
    }
    return parameters;
  }

  private static Optional<Path> path(Map<String, String> parameters, String name) {
    return Optional.ofNullable(parameters.get(name)).map(Path::of);
  }

  private static String orElse(String text, String otherwise) {
    return text == null || text.isEmpty() ? otherwise : text;
  }

  /** {@code %XX} as bytes of UTF-8; a percent sign before anything else stands for itself. */
  private static String decode(String text) {
    java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();
    byte[] raw = text.getBytes(StandardCharsets.UTF_8);
    for (int i = 0; i < raw.length; i++) {
      if (raw[i] == '%'
          && i + 2 < raw.length
          && HexFormat.isHexDigit(raw[i + 1])
          && HexFormat.isHexDigit(raw[i + 2])) {
        bytes.write(HexFormat.fromHexDigits(new String(raw, i + 1, 2, StandardCharsets.US_ASCII)));
        i += 2;
      } else {
        bytes.write(raw[i]);
      }
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }
}
