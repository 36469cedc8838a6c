package dev.kedge.server;

import dev.kedge.lifecycle.UserException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import javax.crypto.AEADBadTagException;
import javax.crypto.Cipher;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * What all servers of a cluster must share beside its objects: the authorities and keys under
 * {@code server/tls}, and the settings that must be the same everywhere.
 *
 * @param files contents by path below the directory
 * @param settings values by flag
 */
record BootstrapData(Map<String, String> files, Map<String, String> settings) {
  /** Where it lies in a store that servers share, sealed. */
  static final String KEY = "/bootstrap/cluster";

  private static final List<String> FILES =
      List.of(
          "server-ca.crt",
          "server-ca.key",
          "client-ca.crt",
          "client-ca.key",
          "request-header-ca.crt",
          "request-header-ca.key",
          "etcd-ca.crt",
          "etcd-ca.key",
          "service.key");
  private static final byte FORMAT = 1;
  private static final int SALT = 16;
  private static final int NONCE = 12;
  private static final int ROUNDS = 100_000;

  BootstrapData {
    files = Map.copyOf(files);
    settings = Map.copyOf(settings);
  }

  /** What this server has; files that are not there are left out. */
  static BootstrapData of(ServerConfig config) {
    Map<String, String> files = new LinkedHashMap<>();
    for (String name : FILES) {
      read(config.tlsDir().resolve(name)).ifPresent(text -> files.put(name, text));
    }
    return new BootstrapData(files, settings(config));
  }

  private static Map<String, String> settings(ServerConfig config) {
    return Map.of(
        "cluster-cidr", config.clusterCidr(),
        "service-cidr", config.serviceCidr(),
        "cluster-dns", config.clusterDns(),
        "cluster-domain", config.clusterDomain(),
        "service-node-port-range", config.nodePortFirst() + "-" + config.nodePortLast());
  }

  /**
   * Makes this server one of the cluster: writes what it misses.
   *
   * @throws UserException if it is one of another cluster already, or set up differently
   */
  void install(ServerConfig config) {
    Map<String, String> here = settings(config);
    settings.forEach(
        (flag, value) -> {
          String own = here.get(flag);
          if (own != null && !own.equals(value)) {
            throw new UserException(
                "--%s is %s in the cluster and %s here; give the cluster's, it must be the same on"
                        .formatted(flag, value, own)
                    + " all servers");
          }
        });
    requireSameCluster(config);
    installFiles(config);
  }

  /**
   * Refuses a data directory of another cluster.
   *
   * @throws UserException if one of the files is there with other content
   */
  void requireSameCluster(ServerConfig config) {
    Path directory = config.tlsDir();
    files.forEach(
        (name, text) -> {
          Optional<String> present = read(directory.resolve(name));
          if (present.isPresent() && !present.get().equals(text)) {
            throw new UserException(
                "the data directory "
                    + config.dataDir()
                    + " belongs to another cluster ("
                    + directory.resolve(name)
                    + " differs); choose another with --data-dir");
          }
        });
  }

  /** Writes the authorities and keys. */
  void installFiles(ServerConfig config) {
    files.forEach((name, text) -> write(config.tlsDir(), name, text));
  }

  private static Optional<String> read(Path file) {
    try {
      return Files.exists(file) ? Optional.of(Files.readString(file)) : Optional.empty();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + file, e);
    }
  }

  private static void write(Path directory, String name, String text) {
    try {
      Files.createDirectories(
          directory,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
      SecretFiles.write(directory.resolve(name), text);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + directory.resolve(name), e);
    }
  }

  JsonObject toJson() {
    return JsonObject.of("files", json(files), "settings", json(settings));
  }

  private static JsonObject json(Map<String, String> values) {
    JsonObject.Builder out = JsonObject.builder();
    values.forEach(out::put);
    return out.build();
  }

  static BootstrapData fromJson(JsonObject json) {
    return new BootstrapData(json.map("files"), json.map("settings"));
  }

  /**
   * Encrypts with a key drawn from the token: AES-256-GCM, PBKDF2. One byte of format, then salt,
   * nonce and ciphertext.
   */
  byte[] seal(ClusterToken token) {
    byte[] head = new byte[1 + SALT + NONCE];
    new SecureRandom().nextBytes(head);
    head[0] = FORMAT;
    try {
      byte[] text = toJson().toString().getBytes(StandardCharsets.UTF_8);
      byte[] sealed = cipher(Cipher.ENCRYPT_MODE, token, head).doFinal(text);
      return ByteBuffer.allocate(head.length + sealed.length).put(head).put(sealed).array();
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("the bootstrap data cannot be encrypted", e);
    }
  }

  /**
   * Decrypts.
   *
   * @throws UserException if it was sealed with another token, or by a newer kedge
   */
  static BootstrapData unseal(byte[] sealed, ClusterToken token) {
    int start = 1 + SALT + NONCE;
    if (sealed.length < start || sealed[0] != FORMAT) {
      throw new UserException(
          "the cluster's bootstrap data in the datastore is of a kedge newer than this; update it");
    }
    try {
      byte[] text =
          cipher(Cipher.DECRYPT_MODE, token, sealed).doFinal(sealed, start, sealed.length - start);
      return fromJson((JsonObject) Json.parse(text));
    } catch (AEADBadTagException e) {
      throw new UserException(
          "the cluster in this datastore was made with another token; give that with --token (it is"
              + " in server/token in the data directory of its first server)",
          e);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("the bootstrap data cannot be decrypted", e);
    }
  }

  private static Cipher cipher(int mode, ClusterToken token, byte[] head)
      throws GeneralSecurityException {
    byte[] salt = java.util.Arrays.copyOfRange(head, 1, 1 + SALT);
    PBEKeySpec spec = new PBEKeySpec(token.password().toCharArray(), salt, ROUNDS, 256);
    byte[] key =
        SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256").generateSecret(spec).getEncoded();
    Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
    cipher.init(
        mode, new SecretKeySpec(key, "AES"), new GCMParameterSpec(128, head, 1 + SALT, NONCE));
    return cipher;
  }
}
