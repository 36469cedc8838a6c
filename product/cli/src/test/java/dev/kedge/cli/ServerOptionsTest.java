package dev.kedge.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.lifecycle.UserException;
import dev.kedge.server.ServerConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ServerOptionsTest {
  @TempDir Path directory;

  private static Flags.Values parse(String... arguments) {
    return ServerFlags.table(ProgramName.KEDGE).parse(List.of(arguments));
  }

  private static ServerConfig config(String... arguments) {
    return ServerOptions.of(parse(arguments));
  }

  @Test
  void defaultsAreKedgesAndK3ssByName() {
    ServerConfig kedge = ServerOptions.of(parse());
    assertThat(kedge.dataDir()).isEqualTo(Path.of("/var/lib/kedge"));
    assertThat(kedge.kubeconfig()).isEqualTo(Path.of("/etc/kedge/kedge.yaml"));
    assertThat(kedge.clusterDns()).isEqualTo("10.43.0.10");
    ServerConfig k3s = ServerOptions.of(ServerFlags.table(ProgramName.K3S).parse(List.of()));
    assertThat(k3s.dataDir()).isEqualTo(Path.of("/var/lib/rancher/k3s"));
    assertThat(k3s.kubeconfig()).isEqualTo(Path.of("/etc/rancher/k3s/k3s.yaml"));
    assertThat(k3s.node().registries()).isEqualTo(Path.of("/etc/rancher/k3s/registries.yaml"));
  }

  @Test
  void commandLineWinsOverFileOverEnvironmentOverDefault() throws Exception {
    Path file = directory.resolve("config.yaml");
    Files.writeString(
        file, "https-listen-port: 7001\nnode-label:\n  - a=b\nwrite-kubeconfig-mode: \"644\"\n");
    Files.createDirectory(directory.resolve("config.yaml.d"));
    Files.writeString(
        directory.resolve("config.yaml.d/10-more.yaml"),
        "node-label+:\n  - c=d\ncluster-domain: edge.local\n");
    Flags.Values values =
        parse("--cluster-domain=command.line")
            .withEnvironment(
                Map.of(
                    "K3S_NODE_NAME",
                    "by-k3s",
                    "KEDGE_NODE_NAME",
                    "by-kedge",
                    "K3S_KUBECONFIG_MODE",
                    "600"))
            .withFile(ConfigFile.read(file, true), "config.yaml");
    ServerConfig config = ServerOptions.of(values);
    assertThat(config.httpsPort()).isEqualTo(7001);
    assertThat(config.node().labels())
        .containsExactlyInAnyOrderEntriesOf(Map.of("a", "b", "c", "d"));
    assertThat(config.clusterDomain()).isEqualTo("command.line");
    assertThat(config.kubeconfigMode()).isEqualTo("644");
    assertThat(config.node().name()).isEqualTo("by-kedge");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          --clutser-cidr=10.0.0.0/16     | unknown flag --clutser-cidr; did you mean --cluster-cidr?
          --cluster-cidr=10.0.0.0/99     | not an IPv4 range
          --cluster-cidr=fd00::/48       | IPv6 is not supported yet
          --service-cidr=10.42.128.0/17  | overlap
          --cluster-dns=10.9.9.9         | is not inside --service-cidr
          --kube-apiserver-arg=x=y       | --kube-apiserver-arg=x is not supported; of the API server's arguments kedge takes audit-log-format
          --kube-apiserver-arg=audit-log-path=/x | audit-policy-file is missing
          --https-listen-port=0          | must be a number from 1 to 65535, not 0
          --https-listen-port=x          | must be a number from 1 to 65535, not x
          --server=http://10.0.0.1:6443  | is no URL of a server
          --token-file=/none/x           | /none/x cannot be read
          --datastore-endpoint=oracle://u:s@e/c@h/db | oracle://…@h/db names no datastore
          --datastore-endpoint=sqlite:///a/b?_journal=WAL | leave ?_journal=WAL out
          --datastore-durability=none    | must be full or normal, not none
          --storage-profile=ssd          | must be default or flash, not ssd
          --datastore-size-limit=8       | must be at least 16Mi
          --datastore-size-limit=much    | must be at least 16Mi
          --datastore-cafile=/dev/null   | the embedded SQLite datastore has no TLS
          --datastore-certfile=/dev/null | belong together
          --datastore-cafile=/none/x     | /none/x for the datastore's TLS cannot be read
          --secrets-encryption           | is not supported: encryption of Secrets
          --kubelet-arg=max-pods=9       | --kubelet-arg is not supported
          --disable=nothing              | there is no such part
          --node-taint=a=b:Never         | must have the form
          --node-label=plain             | must have the form key=value
          --node-name=Not_A_Name         | is not a DNS name
          --write-kubeconfig-mode=rw     | octal file mode
          --service-node-port-range=9    | must look like 30000-32767
          --disable-agent=perhaps        | is a switch
          --data-dir                     | needs a value
          --snapshotter=zfs              | choose overlayfs or native
          """)
  void eachFaultIsOneClearSentence(String argument, String sentence) {
    assertThatThrownBy(() -> config(argument))
        .isInstanceOf(UserException.class)
        .hasMessageContaining(sentence);
  }

  @Test
  void theConfigurationFileIsHeldToTheSameRules() throws Exception {
    Path file = directory.resolve("config.yaml");
    Files.writeString(file, "claster-cidr: 10.0.0.0/16\n");
    assertThatThrownBy(() -> parse().withFile(ConfigFile.read(file, true), "config.yaml"))
        .isInstanceOf(UserException.class)
        .hasMessageContaining("claster-cidr in config.yaml; did you mean --cluster-cidr?");
    Files.writeString(file, "a:\n  - b\n c: [\n");
    assertThatThrownBy(() -> ConfigFile.read(file, true))
        .isInstanceOf(UserException.class)
        .hasMessageContaining("line 3");
    assertThatThrownBy(() -> ConfigFile.read(directory.resolve("absent.yaml"), true))
        .isInstanceOf(UserException.class)
        .hasMessageContaining("does not exist");
    assertThat(ConfigFile.read(directory.resolve("absent.yaml"), false)).isEmpty();
  }

  @Test
  void traefikMeansTheIngress() {
    assertThat(config("--disable=traefik,servicelb").disabled())
        .containsExactly("ingress", "servicelb");
  }
}
