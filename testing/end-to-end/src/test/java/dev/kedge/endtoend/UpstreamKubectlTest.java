package dev.kedge.endtoend;

import dev.kedge.clients.Transcripts;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/**
 * Upstream's kubectl on pods that run: {@code testing/clients} has the transcripts, with the folder
 * {@code node} those that need a node.
 */
@Order(1)
@ExtendWith(Node.Extension.class)
class UpstreamKubectlTest {
  @TempDir Path work;

  @TestFactory
  Stream<DynamicNode> kubectl(Node node) {
    return new Transcripts(node.kubeconfig(), Optional.of(Node.IMAGE), work).kubectl("node");
  }
}
