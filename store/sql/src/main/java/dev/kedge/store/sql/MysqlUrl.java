package dev.kedge.store.sql;

import dev.kedge.store.StoreException;
import java.util.Properties;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A database's address as Go's MySQL driver and K3s write it: {@code
 * mysql://user:password@tcp(host:3306)/database?tls=true}. The database begins after the last
 * slash, the address after the last {@code @} before it; whatever stands in front of that is user
 * and password, literally.
 *
 * @param address {@code host:port}, or the path of a socket
 * @param tls {@code false}, {@code true}, {@code skip-verify} or {@code preferred}
 */
record MysqlUrl(
    String user,
    String password,
    boolean socket,
    String address,
    String database,
    String tls,
    TlsFiles files) {
  private static final Pattern FORM =
      Pattern.compile(
          "mysql://(?:(?<user>[^:]*?)(?::(?<password>.*))?@)?"
              + "(?:(?<net>tcp|unix)(?:\\((?<address>[^()]*)\\))?)?"
              + "(?:/(?<database>[^/?]*)(?:\\?(?<query>[^/]*))?)?");

  /**
   * Reads a URL; what it leaves out is as K3s has it: user {@code root} over the local socket where
   * there is no address, port 3306, database {@code kubernetes}.
   *
   * @throws StoreException with a sentence for the user
   */
  static MysqlUrl parse(String url, TlsFiles files) {
    Matcher matcher = FORM.matcher(url);
    if (!matcher.matches()) {
      throw new StoreException(
          "the datastore endpoint must look like mysql://user:password@tcp(host:3306)/database");
    }
    String net = matcher.group("net");
    String address = orElse(matcher.group("address"), "");
    boolean bare = matcher.group("user") == null && net == null;
    boolean socket = bare || "unix".equals(net);
    if (socket) {
      address = address.isEmpty() ? "/var/run/mysqld/mysqld.sock" : address;
    } else if (address.isEmpty()) {
      address = "127.0.0.1:3306";
    } else if (!address.matches("([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+])(:[0-9]{1,5})?")) {
      throw new StoreException(
          "the datastore endpoint names the host \"" + address + "\"; write tcp(host:3306)");
    } else if (!address.matches(".*:[0-9]+")) {
      address += ":3306";
    }
    String tls = files.given() ? "true" : "false";
    String query = orElse(matcher.group("query"), "");
    for (String pair : query.isEmpty() ? new String[0] : query.split("&", -1)) {
      String name = pair.replaceFirst("=.*", "");
      if (!name.equals("tls")) {
        throw new StoreException(
            "the datastore endpoint's parameter "
                + name
                + " is not supported for MySQL; known is tls");
      }
      tls = pair.substring(pair.indexOf('=') + 1);
      if (!tls.matches("true|false|skip-verify|preferred")) {
        throw new StoreException(
            "the datastore endpoint's tls="
                + tls
                + " does not exist; choose true, false, skip-verify or preferred");
      }
    }
    files.check();
    return new MysqlUrl(
        orElse(matcher.group("user"), "root"),
        orElse(matcher.group("password"), ""),
        socket,
        address,
        orElse(matcher.group("database"), "kubernetes"),
        tls,
        files);
  }

  /** For messages: where the server is. */
  String where() {
    return address;
  }

  /**
   * For the driver.
   *
   * @param database whether to use the database; without, the server is spoken to
   */
  String jdbc(boolean database) {
    return "jdbc:mariadb://" + (socket ? "localhost" : address) + "/" + (database ? name() : "");
  }

  private String name() {
    if (!database.matches("[A-Za-z0-9_$.-]+")) {
      throw new StoreException(
          "the datastore endpoint names the database \""
              + database
              + "\"; choose a name of letters, digits, _ and -");
    }
    return database;
  }

  Properties properties() {
    Properties properties = new Properties();
    properties.setProperty("user", user);
    properties.setProperty("password", password);
    if (socket) {
      properties.setProperty("localSocket", address);
    }
    properties.setProperty(
        "sslMode",
        switch (tls) {
          case "true" -> "verify-full";
          case "skip-verify" -> "trust";
          case "preferred" -> "allow";
          default -> "disable";
        });
    properties.setProperty("tlsSocketType", MysqlTls.TYPE);
    files.ca().ifPresent(file -> properties.setProperty(MysqlTls.CA, file.toString()));
    files.certificate().ifPresent(file -> properties.setProperty(MysqlTls.CERTIFICATE, file + ""));
    files.key().ifPresent(file -> properties.setProperty(MysqlTls.KEY, file.toString()));
    // A password is never sent in the clear: without TLS it is encrypted by the server's key.
    properties.setProperty("allowPublicKeyRetrieval", "true");
    return properties;
  }

  private static String orElse(@Nullable String text, String otherwise) {
    return text == null || text.isEmpty() ? otherwise : text;
  }
}
