package dev.kedge.network.pods;

import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PodNetworkTest {
  @TempDir Path directory;
  private NetworkLab lab;

  @BeforeEach
  void open() throws Exception {
    lab = new NetworkLab(directory);
  }

  @AfterEach
  void close() throws Exception {
    if (lab != null) {
      lab.close();
    }
  }

  @Test
  void podsReachEachOtherAndTheOutsideAsTheNode() throws Exception {
    lab.addPod("a");
    String b = lab.addPod("b");
    lab.serve("b", 8080, "b");
    lab.serve("outside", 9090, "outside");

    assertThat(b).startsWith("10.42.0.");
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(lab.connect("a", b, 8080)).isEqualTo("b"));
    // The outside has no route to pods: only masqueraded packets are answered.
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(
            () -> assertThat(lab.connect("a", NetworkLab.OUTSIDE, 9090)).isEqualTo("outside"));
  }

  @Test
  void startingAgainChangesNothingAndRemovingLeavesNothing() throws Exception {
    lab.node()
        .require(
            "add table ip filter\n"
                + "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop;"
                + " }\n",
            "nft",
            "-f",
            "-");
    lab.addPod("a");
    lab.serve("outside", 9090, "outside");
    String before = lab.node().require("", "nft", "list", "table", "ip", "kedge-pods");

    lab.network().start();
    lab.network().start();

    assertThat(lab.node().require("", "nft", "list", "table", "ip", "kedge-pods"))
        .isEqualTo(before);
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(
            () -> assertThat(lab.connect("a", NetworkLab.OUTSIDE, 9090)).isEqualTo("outside"));

    lab.network().remove();
    assertThat(lab.node().require("", "nft", "list", "ruleset")).doesNotContain("kedge");
    assertThat(lab.node().require("", "ip", "link")).doesNotContain(PodNetwork.BRIDGE);
    assertThat(Files.exists(lab.settings().stateDirectory())).isFalse();
    assertThat(lab.settings().configurationDirectory()).isEmptyDirectory();
    lab.network().remove();
  }
}
