package dev.kedge.server;

import dev.kedge.apiserver.NodeAccess;
import dev.kedge.http.Handler;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/** The node agents the API server can reach: those of this process, without a network between. */
final class NodeRoutes implements NodeAccess {
  private final Map<String, Handler> agents = new ConcurrentHashMap<>();

  void add(String node, Handler agent) {
    agents.put(node, agent);
  }

  @Override
  public Optional<Handler> kubelet(String nodeName) {
    return Optional.ofNullable(agents.get(nodeName));
  }
}
