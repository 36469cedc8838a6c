package dev.kedge.identity;

import java.util.List;
import java.util.Map;

/** An authenticated user, as in authentication.k8s.io {@code UserInfo}. */
public record User(String name, String uid, List<String> groups, Map<String, List<String>> extra) {
  /** Requests without credentials. */
  public static final User ANONYMOUS =
      new User("system:anonymous", "", List.of("system:unauthenticated"), Map.of());

  public User {
    groups = List.copyOf(groups);
    extra = Map.copyOf(extra);
  }

  /** A user with groups. */
  public static User of(String name, String... groups) {
    return new User(name, "", List.of(groups), Map.of());
  }
}
