package dev.kedge.store.sql;

import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.Optional;
import java.util.Properties;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import org.postgresql.ssl.WrappedFactory;

/**
 * TLS to PostgreSQL with the PEM files and key formats that the rest of kedge takes; the driver
 * makes one by name, with the connection's properties. The driver checks the host's name.
 */
public final class PostgresTls extends WrappedFactory {
  /**
   * @param properties {@code sslmode}, {@code sslrootcert}, {@code sslcert}, {@code sslkey} as
   *     libpq has them
   */
  public PostgresTls(Properties properties) throws GeneralSecurityException {
    TlsFiles files =
        new TlsFiles(
            file(properties, "sslrootcert"),
            file(properties, "sslcert"),
            file(properties, "sslkey"));
    boolean verifies =
        properties.getProperty("sslmode", "").startsWith("verify-") || files.ca().isPresent();
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(
        files.keyManagers(),
        verifies ? files.trustManagers() : new TrustManager[] {new Anyone()},
        null);
    factory = context.getSocketFactory();
  }

  private static Optional<Path> file(Properties properties, String name) {
    return Optional.ofNullable(properties.getProperty(name)).map(Path::of);
  }
}
