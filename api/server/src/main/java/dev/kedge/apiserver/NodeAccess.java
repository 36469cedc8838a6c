package dev.kedge.apiserver;

import dev.kedge.http.Handler;
import java.util.Optional;

/**
 * The way to node agents. An agent is a handler that speaks the kubelet's paths: {@code
 * /containerLogs/{namespace}/{pod}/{container}}, {@code /exec/…}, {@code /attach/…}, {@code
 * /portForward/{namespace}/{pod}}, {@code /logs/}, {@code /stats/summary}, {@code /pods}, {@code
 * /metrics}.
 */
@FunctionalInterface
public interface NodeAccess {
  /** No nodes: what a server without agents has. */
  NodeAccess NONE = _ -> Optional.empty();

  /** The agent of a node; empty while it cannot be reached. */
  Optional<Handler> kubelet(String nodeName);
}
