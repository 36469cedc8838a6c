package dev.kedge.store.sql;

import java.nio.file.Path;
import java.util.Optional;
import java.util.Properties;
import javax.net.ssl.KeyManager;
import javax.net.ssl.TrustManager;
import org.mariadb.jdbc.Configuration;
import org.mariadb.jdbc.HostAddress;
import org.mariadb.jdbc.export.ExceptionFactory;
import org.mariadb.jdbc.export.SslMode;
import org.mariadb.jdbc.plugin.TlsSocketPlugin;

/**
 * TLS to MySQL and MariaDB with the PEM files and key formats that the rest of kedge takes; the
 * driver finds it as a service. The driver checks the host's name.
 */
public final class MysqlTls implements TlsSocketPlugin {
  static final String TYPE = "kedge";
  static final String CA = "kedgeCa";
  static final String CERTIFICATE = "kedgeCertificate";
  static final String KEY = "kedgeKey";

  @Override
  public String type() {
    return TYPE;
  }

  @Override
  public TrustManager[] getTrustManager(
      Configuration configuration, ExceptionFactory exceptions, HostAddress address) {
    boolean verifies =
        configuration.sslMode() == SslMode.VERIFY_FULL
            || configuration.sslMode() == SslMode.VERIFY_CA;
    return verifies ? files(configuration).trustManagers() : new TrustManager[] {new Anyone()};
  }

  @Override
  public KeyManager[] getKeyManager(Configuration configuration, ExceptionFactory exceptions) {
    return files(configuration).keyManagers();
  }

  private static TlsFiles files(Configuration configuration) {
    Properties options = configuration.nonMappedOptions();
    return new TlsFiles(file(options, CA), file(options, CERTIFICATE), file(options, KEY));
  }

  private static Optional<Path> file(Properties options, String name) {
    return Optional.ofNullable(options.getProperty(name)).map(Path::of);
  }
}
