package dev.kedge.store.snapshot;

import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonSyntaxException;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Base64;
import java.util.Optional;

/**
 * What a snapshot says of itself, in clear.
 *
 * @param cluster whose it is: the SHA-256 of the authority that signs its servers, as in its token
 * @param revision of the store that it was taken of
 * @param engine that it was taken of: sqlite, postgres, mysql or etcd
 * @param kedge the version that took it
 */
public record SnapshotHeader(
    String cluster,
    long revision,
    Instant taken,
    String engine,
    String kedge,
    boolean compressed,
    Optional<Encryption> encryption) {

  /** Many, since tokens may be chosen by people; a fraction of a second. */
  static final int ROUNDS = 600_000;

  private static final int MOST_ROUNDS = 10_000_000;

  /**
   * How the key is made: PBKDF2 with HMAC-SHA-256.
   *
   * @param secret which of the operator's secrets it is made of
   */
  public record Encryption(SnapshotKey.Kind secret, byte[] salt, int rounds) {}

  /** The same, for another way to keep it. */
  public SnapshotHeader kept(boolean compressed) {
    return new SnapshotHeader(
        cluster, revision, taken, engine, kedge, compressed, Optional.empty());
  }

  SnapshotHeader encrypted(Encryption with) {
    return new SnapshotHeader(
        cluster, revision, taken, engine, kedge, compressed, Optional.of(with));
  }

  JsonObject toJson() {
    JsonObject json =
        JsonObject.of(
            "cluster",
            cluster,
            "revision",
            revision,
            "taken",
            taken.toString(),
            "engine",
            engine,
            "kedge",
            kedge,
            "compressed",
            compressed);
    return encryption
        .map(
            with ->
                json.with(
                    "encryption",
                    JsonObject.of(
                        "cipher",
                        "AES-256-GCM",
                        "key",
                        "PBKDF2-HMAC-SHA-256",
                        "secret",
                        with.secret().text(),
                        "salt",
                        Base64.getEncoder().encodeToString(with.salt()),
                        "rounds",
                        with.rounds())))
        .orElse(json);
  }

  /** Empty where the text is no header. */
  static Optional<SnapshotHeader> parse(byte[] text) {
    try {
      if (!(Json.parse(text) instanceof JsonObject json)) {
        return Optional.empty();
      }
      Optional<Encryption> encryption = Optional.empty();
      if (json.has("encryption")) {
        JsonObject with = json.object("encryption");
        Optional<SnapshotKey.Kind> secret = SnapshotKey.Kind.of(with.text("secret"));
        long rounds = with.integer("rounds");
        if (secret.isEmpty() || rounds < 1 || rounds > MOST_ROUNDS) {
          return Optional.empty();
        }
        encryption =
            Optional.of(
                new Encryption(
                    secret.get(), Base64.getDecoder().decode(with.text("salt")), (int) rounds));
      }
      return Optional.of(
          new SnapshotHeader(
              json.text("cluster"),
              json.integer("revision"),
              Instant.parse(json.text("taken")),
              json.text("engine"),
              json.text("kedge"),
              json.flag("compressed"),
              encryption));
    } catch (JsonSyntaxException | DateTimeException | IllegalArgumentException e) {
      return Optional.empty();
    }
  }
}
