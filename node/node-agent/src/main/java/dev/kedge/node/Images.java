package dev.kedge.node;

import dev.kedge.cri.Cri;
import dev.kedge.cri.CriClient;
import dev.kedge.grpc.GrpcException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;

/**
 * Looks images up and pulls them, each only once at a time however many pods wait for it. Pulls run
 * on virtual threads of their own, so that a pod can be deleted meanwhile.
 */
final class Images {
  private final CriClient cri;
  private final BooleanSupplier importing;
  private final Map<String, CompletableFuture<Pulled>> running = new HashMap<>();

  /** A finished pull. */
  record Pulled(String imageRef, Duration duration) {}

  /**
   * @param importing whether image files are still being read, among which a missing image may be
   */
  Images(CriClient cri, BooleanSupplier importing) {
    this.cri = cri;
    this.importing = importing;
  }

  boolean importing() {
    return importing.getAsBoolean();
  }

  Optional<Cri.Image> find(String image) {
    return cri.imageStatus(ImageName.normalize(image));
  }

  /**
   * Joins the pull of an image, or begins it; it fails with the {@link GrpcException} of the pull.
   */
  synchronized CompletableFuture<Pulled> pull(String image, List<Cri.AuthConfig> credentials) {
    String name = ImageName.normalize(image);
    // Whoever brings credentials must not ride on a pull made with others'.
    String key = name + "\n" + credentials.hashCode();
    CompletableFuture<Pulled> known = running.get(key);
    if (known != null) {
      return known;
    }
    CompletableFuture<Pulled> pull = new CompletableFuture<>();
    running.put(key, pull);
    Thread.ofVirtual()
        .name("pull-" + name)
        .start(
            () -> {
              long begun = System.nanoTime();
              try {
                String reference = pullNow(name, credentials);
                forget(key);
                pull.complete(new Pulled(reference, Duration.ofNanos(System.nanoTime() - begun)));
              } catch (GrpcException e) {
                forget(key);
                pull.completeExceptionally(e);
              }
            });
    return pull;
  }

  private synchronized void forget(String key) {
    running.remove(key);
  }

  private String pullNow(String name, List<Cri.AuthConfig> credentials) {
    if (credentials.isEmpty()) {
      return cri.pullImage(name, Optional.empty());
    }
    GrpcException last = null;
    for (Cri.AuthConfig credential : credentials) {
      try {
        return cri.pullImage(name, Optional.of(credential));
      } catch (GrpcException e) {
        last = e;
      }
    }
    throw java.util.Objects.requireNonNull(last);
  }

  /** What pull secrets hold for an image's registry. */
  static List<Cri.AuthConfig> credentials(String image, List<KubeObject> secrets) {
    String name = ImageName.normalize(image);
    String host = name.substring(0, name.indexOf('/'));
    List<Cri.AuthConfig> found = new ArrayList<>();
    for (KubeObject secret : secrets) {
      JsonObject data = secret.json().object("data");
      JsonObject auths;
      if (data.has(".dockerconfigjson")) {
        auths = decode(data.text(".dockerconfigjson")).object("auths");
      } else if (data.has(".dockercfg")) {
        auths = decode(data.text(".dockercfg"));
      } else {
        continue;
      }
      auths.forEach(
          (registry, value) -> {
            String place = registry.replaceFirst("^https?://", "").replaceFirst("/v[12]/?$", "");
            place = place.equals("index.docker.io") ? "docker.io" : place.replaceFirst("/$", "");
            boolean matches = place.equals(host) || name.startsWith(place + "/");
            if (matches && value instanceof JsonObject entry) {
              String user = entry.text("username");
              String password = entry.text("password");
              if (user.isEmpty() && !entry.text("auth").isEmpty()) {
                String pair =
                    new String(
                        Base64.getDecoder().decode(entry.text("auth")), StandardCharsets.UTF_8);
                int colon = pair.indexOf(':');
                if (colon >= 0) {
                  user = pair.substring(0, colon);
                  password = pair.substring(colon + 1);
                }
              }
              found.add(
                  new Cri.AuthConfig(
                      user,
                      password,
                      "",
                      "",
                      entry.text("identitytoken"),
                      entry.text("registrytoken")));
            }
          });
    }
    return found;
  }

  private static JsonObject decode(String base64) {
    return Json.parseObject(Base64.getDecoder().decode(base64));
  }
}
