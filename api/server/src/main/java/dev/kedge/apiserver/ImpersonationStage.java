package dev.kedge.apiserver;

import dev.kedge.http.Headers.Header;
import dev.kedge.identity.Authenticator;
import dev.kedge.identity.Authorizer;
import dev.kedge.identity.Authorizer.Attributes;
import dev.kedge.identity.Authorizer.Decision;
import dev.kedge.identity.ServiceAccountTokens;
import dev.kedge.identity.User;
import dev.kedge.model.ApiException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Lets a user who may do so act as another ({@code Impersonate-*} headers). */
final class ImpersonationStage implements Stage {
  private static final String EXTRA = "impersonate-extra-";
  private static final String AUTHENTICATION = "authentication.k8s.io";

  private final Authorizer authorizer;

  ImpersonationStage(Authorizer authorizer) {
    this.authorizer = authorizer;
  }

  @Override
  public void handle(Call call, Next next) throws Exception {
    String name = call.header("Impersonate-User");
    List<String> groups = new ArrayList<>(call.headers().values("Impersonate-Group"));
    String uid = call.header("Impersonate-Uid");
    Map<String, List<String>> extra = new LinkedHashMap<>();
    for (Header header : call.headers().all()) {
      String lower = header.name().toLowerCase(Locale.ROOT);
      if (lower.startsWith(EXTRA)) {
        String key = Authenticator.unescape(lower.substring(EXTRA.length()));
        extra.computeIfAbsent(key, _ -> new ArrayList<>()).add(header.value());
      }
    }
    if (name.isEmpty()) {
      if (!groups.isEmpty() || !uid.isEmpty() || !extra.isEmpty()) {
        throw ApiException.internal("requested groups, uid or extra without impersonating a user");
      }
      next.handle(call);
      return;
    }
    String account = ServiceAccountTokens.USER_PREFIX;
    boolean isAccount =
        name.startsWith(account) && name.substring(account.length()).split(":").length == 2;
    if (isAccount) {
      String[] parts = name.substring(account.length()).split(":");
      check(call, "", "serviceaccounts", "", parts[0], parts[1]);
      if (groups.isEmpty()) {
        groups.add("system:serviceaccounts");
        groups.add("system:serviceaccounts:" + parts[0]);
      }
    } else {
      check(call, "", "users", "", "", name);
    }
    for (String group : call.headers().values("Impersonate-Group")) {
      check(call, "", "groups", "", "", group);
    }
    if (!uid.isEmpty()) {
      check(call, AUTHENTICATION, "uids", "", "", uid);
    }
    extra.forEach(
        (key, values) ->
            values.forEach(value -> check(call, AUTHENTICATION, "userextras", key, "", value)));
    if (!name.equals(User.ANONYMOUS.name())) {
      if (!groups.contains("system:authenticated")) {
        groups.add("system:authenticated");
      }
    } else if (!groups.contains("system:unauthenticated")) {
      groups.add("system:unauthenticated");
    }
    User other = new User(name, uid, groups, extra);
    call.audit().ifPresent(event -> event.impersonated(other));
    call.user(other);
    next.handle(call);
  }

  private void check(
      Call call, String group, String resource, String sub, String namespace, String name) {
    Attributes attributes =
        new Attributes("impersonate", group, "v1", resource, sub, namespace, name, "");
    Decision decision = authorizer.authorize(call.user(), attributes);
    if (!decision.allowed()) {
      throw AuthorizationStage.forbidden(call.user(), attributes, decision.reason());
    }
  }
}
