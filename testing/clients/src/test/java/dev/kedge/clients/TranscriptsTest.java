package dev.kedge.clients;

import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/**
 * Upstream's kubectl and helm print what the transcripts say. {@code src/test/transcripts} has
 * those of every build, its folders {@code all} the long ones and {@code node} those that need
 * running pods; {@code testing/clients/run --all} takes them all, with each minor of kubectl.
 */
@ExtendWith(Cluster.Extension.class)
class TranscriptsTest {
  @TempDir Path work;

  @TestFactory
  Stream<DynamicNode> kubectl(Cluster cluster) {
    return Cluster.image().isPresent()
        ? transcripts(cluster).kubectl("", "node")
        : transcripts(cluster).kubectl("");
  }

  @TestFactory
  Stream<DynamicNode> helm(Cluster cluster) {
    return transcripts(cluster).helm();
  }

  private Transcripts transcripts(Cluster cluster) {
    return new Transcripts(cluster.kubeconfig(), Cluster.image(), work);
  }
}
