package dev.kedge.endtoend;

import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.Base64;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Trust in the cluster's CA alone, read from a kubeconfig. */
final class Trust {
  private static final Pattern CA =
      Pattern.compile("certificate-authority-data: *\"?([A-Za-z0-9+/=]+)");

  private Trust() {}

  static SSLContext ofKubeconfig(Path kubeconfig) throws Exception {
    Matcher matcher = CA.matcher(Files.readString(kubeconfig));
    if (!matcher.find()) {
      throw new IllegalStateException("no CA in " + kubeconfig);
    }
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    store.setCertificateEntry(
        "ca",
        CertificateFactory.getInstance("X.509")
            .generateCertificate(
                new ByteArrayInputStream(Base64.getDecoder().decode(matcher.group(1)))));
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    return context;
  }
}
