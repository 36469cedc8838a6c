package dev.kedge.network.dns;

import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.kedge.model.Resources;
import dev.kedge.network.pods.HostCommands;
import dev.kedge.network.pods.NetworkLab;
import dev.kedge.network.services.TestInformers;
import java.io.BufferedReader;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The server as it runs on a node: on the cluster DNS address, asked by a pod over the bridge. */
class NodeDnsTest {
  private static final String ADDRESS = "10.43.0.10";

  @TempDir Path directory;

  @Test
  void podsAndTheNodeAskTheClusterAddress() throws Exception {
    try (NetworkLab lab = new NetworkLab(directory)) {
      lab.addPod("a");
      Process server =
          new ProcessBuilder(
                  "ip",
                  "netns",
                  "exec",
                  lab.namespace("node"),
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-XX:+UseSerialGC",
                  "-XX:TieredStopAtLevel=1",
                  "-cp",
                  System.getProperty("java.class.path"),
                  Server.class.getName())
              .redirectErrorStream(true)
              .start();
      try (BufferedReader out = server.inputReader(StandardCharsets.UTF_8)) {
        String line = out.readLine();
        while (line != null && !line.equals("serving")) {
          line = out.readLine();
        }
        assertThat(line).isEqualTo("serving");
        // Its informers are synced a moment later than it serves.
        await()
            .atMost(ofMinutes(1))
            .untilAsserted(() -> assertThat(lookup(lab, "a")).contains("10.43.0.80"));
        assertThat(lookup(lab, "node")).contains("10.43.0.80");
      } finally {
        // Its input's end is its sign to stop.
        server.getOutputStream().close();
        assertThat(server.waitFor(20, TimeUnit.SECONDS)).isTrue();
      }
      assertThat(lab.node().require("", "ip", "address")).doesNotContain(ADDRESS);
    }
  }

  private static String lookup(NetworkLab lab, String from) throws InterruptedException {
    HostCommands.Output output =
        lab.in(from).run("", "busybox", "nslookup", "web.default.svc.cluster.local", ADDRESS);
    return output.out() + output.error();
  }

  /** What the server's assembly does, in a process of its own on the node. */
  static final class Server {
    public static void main(String[] arguments) throws Exception {
      TestInformers informers = new TestInformers();
      informers.put(Resources.NAMESPACES, "{\"metadata\":{\"name\":\"default\"}}");
      informers.put(
          Resources.SERVICES,
          """
          {"metadata":{"namespace":"default","name":"web"},"spec":{"clusterIP":"10.43.0.80"}}\
          """);
      InetAddress address = InetAddress.ofLiteral(ADDRESS);
      ClusterAddress.claim(address);
      ClusterAddress.claim(address);
      try (ClusterDns dns =
          new ClusterDns(
              ClusterDns.Settings.of(
                  address, "cluster.local", List.of("10.42.0.0/16", "10.43.0.0/16")),
              informers)) {
        dns.start();
        System.out.println("serving");
        while (System.in.read() >= 0) {
          continue;
        }
      }
      ClusterAddress.release(address);
      ClusterAddress.release(address);
    }
  }
}
