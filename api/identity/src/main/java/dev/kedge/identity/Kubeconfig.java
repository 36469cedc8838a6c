package dev.kedge.identity;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;

/** Writes kubeconfig files whose cluster, user and context are all named {@code default}. */
public final class Kubeconfig {
  /** Name of the user's extension that tells the socket's path. */
  public static final String SOCKET = "kedge.dev/socket";

  private Kubeconfig() {}

  /** The file's text, every certificate and key embedded. */
  public static String text(String server, String authorityPem, Credential user) {
    return """
    apiVersion: v1
    clusters:
    - cluster:
        certificate-authority-data: %s
        server: %s
      name: default
    contexts:
    - context:
        cluster: default
        user: default
      name: default
    current-context: default
    kind: Config
    preferences: {}
    users:
    - name: default
      user:
        client-certificate-data: %s
        client-key-data: %s
    """
        .formatted(base64(authorityPem), server, base64(user.chainPem()), base64(user.keyPem()));
  }

  /**
   * Writes the file.
   *
   * @param permissions as {@code ls} shows them, such as {@code rw-------}
   * @throws java.io.UncheckedIOException if it cannot be written
   */
  public static void write(
      Path file, String permissions, String server, String authorityPem, Credential user) {
    ClusterCertificates.write(file, text(server, authorityPem, user), permissions);
  }

  /**
   * Writes the file, with the Unix socket that kedge's own kubectl may use in place of TLS. Others
   * pass over extensions they do not know.
   */
  public static void write(
      Path file,
      String permissions,
      String server,
      String authorityPem,
      Credential user,
      Path socket) {
    String extension =
        """
            extensions:
            - extension:
                path: %s
                server: %s
              name: %s
        """
            .formatted(socket, server, SOCKET);
    ClusterCertificates.write(file, text(server, authorityPem, user) + extension, permissions);
  }

  private static String base64(String text) {
    return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }
}
