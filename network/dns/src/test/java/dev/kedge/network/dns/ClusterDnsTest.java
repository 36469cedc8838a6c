package dev.kedge.network.dns;

import static java.time.Duration.ofMinutes;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.kedge.model.Resources;
import dev.kedge.network.services.TestInformers;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.xbill.DNS.DClass;
import org.xbill.DNS.Flags;
import org.xbill.DNS.Message;
import org.xbill.DNS.Name;
import org.xbill.DNS.Rcode;
import org.xbill.DNS.Record;
import org.xbill.DNS.Section;
import org.xbill.DNS.SimpleResolver;
import org.xbill.DNS.Type;

/** Over loopback sockets, with a resolver and an upstream server that are not ours. */
class ClusterDnsTest {
  @TempDir Path directory;
  private TestInformers informers;
  private Upstream upstream;
  private ClusterDns dns;

  @BeforeEach
  void open() throws Exception {
    informers = new TestInformers();
    upstream = new Upstream(InetAddress.ofLiteral("127.0.0.2"));
    Path resolvConf = directory.resolve("resolv.conf");
    Files.writeString(resolvConf, "# the node's\nsearch example.com\nnameserver 127.0.0.2\n");
    dns =
        new ClusterDns(
            new ClusterDns.Settings(
                InetAddress.ofLiteral("127.0.0.1"),
                0,
                "cluster.local",
                List.of("10.42.0.0/16", "10.43.0.0/16"),
                resolvConf,
                Duration.ofMillis(500)),
            informers,
            upstream.port());
    dns.start();
    objects();
    await()
        .atMost(ofMinutes(1))
        .untilAsserted(() -> assertThat(ask("cluster.local", Type.SOA).getRcode()).isZero());
  }

  @AfterEach
  void close() throws Exception {
    dns.close();
    upstream.close();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          web.default.svc.cluster.local             | A    | NOERROR  | A 10.43.0.80
          WEB.Default.SVC.cluster.LOCAL             | A    | NOERROR  | A 10.43.0.80
          web.default.svc.cluster.local             | AAAA | NOERROR  |
          web.default.svc.cluster.local             | TXT  | NOERROR  |
          dual.default.svc.cluster.local            | AAAA | NOERROR  | AAAA fd00:0:0:0:0:0:0:7
          _http._tcp.web.default.svc.cluster.local  | SRV  | NOERROR  | SRV 0 100 80 web.default.svc.cluster.local.
          _http._udp.web.default.svc.cluster.local  | SRV  | NXDOMAIN |
          _tcp.web.default.svc.cluster.local        | SRV  | NOERROR  |
          none.default.svc.cluster.local            | A    | NXDOMAIN |
          web.other.svc.cluster.local               | A    | NXDOMAIN |
          x.web.default.svc.cluster.local           | A    | NXDOMAIN |
          default.svc.cluster.local                 | A    | NOERROR  |
          absent.svc.cluster.local                  | A    | NXDOMAIN |
          svc.cluster.local                         | A    | NOERROR  |
          nonsense.cluster.local                    | A    | NXDOMAIN |
          db.default.svc.cluster.local              | A    | NOERROR  | A 10.42.0.5;A 10.42.0.6
          db-0.db.default.svc.cluster.local         | A    | NOERROR  | A 10.42.0.5
          10-42-0-6.db.default.svc.cluster.local    | A    | NOERROR  | A 10.42.0.6
          10-42-0-7.db.default.svc.cluster.local    | A    | NXDOMAIN |
          _sql._tcp.db.default.svc.cluster.local    | SRV  | NOERROR  | SRV 0 100 5432 10-42-0-6.db.default.svc.cluster.local.;SRV 0 100 5432 db-0.db.default.svc.cluster.local.
          idle.default.svc.cluster.local            | A    | NXDOMAIN |
          10-42-0-9.default.pod.cluster.local       | A    | NOERROR  | A 10.42.0.9
          10-42-0-9.absent.pod.cluster.local        | A    | NXDOMAIN |
          what.default.pod.cluster.local            | A    | NXDOMAIN |
          80.0.43.10.in-addr.arpa                   | PTR  | NOERROR  | PTR web.default.svc.cluster.local.
          5.0.42.10.in-addr.arpa                    | PTR  | NOERROR  | PTR db-0.db.default.svc.cluster.local.
          99.0.43.10.in-addr.arpa                   | PTR  | NXDOMAIN |
          dns-version.cluster.local                 | TXT  | NOERROR  | TXT 1.1.0
          cluster.local                             | NS   | NOERROR  | NS ns.dns.cluster.local.
          ns.dns.cluster.local                      | A    | NOERROR  | A 127.0.0.1
          node-1                                    | A    | NOERROR  | A 192.168.1.10
          """)
  void answersAboutTheCluster(String name, String type, String code, String answers)
      throws Exception {
    Message answer = ask(name, Type.value(type));

    assertThat(Rcode.string(answer.getRcode())).isEqualTo(code);
    assertThat(texts(answer))
        .containsExactlyElementsOf(
            answers == null ? List.of() : Stream.of(answers.split(";")).sorted().toList());
    assertThat(answer.getHeader().getFlag(Flags.AA)).isTrue();
    assertThat(answer.getSection(Section.ANSWER)).allMatch(record -> record.getTTL() == 5);
    if (answers == null) {
      assertThat(answer.getSection(Section.AUTHORITY))
          .singleElement()
          .satisfies(soa -> assertThat(soa.getTTL()).isEqualTo(5))
          .satisfies(soa -> assertThat(soa.getType()).isEqualTo(Type.SOA));
    }
    assertThat(upstream.questions()).isEmpty();
  }

  @Test
  void serviceRecordsBringTheirAddresses() throws Exception {
    Message answer = ask("_sql._tcp.db.default.svc.cluster.local", Type.SRV);
    assertThat(answer.getSection(Section.ADDITIONAL))
        .filteredOn(record -> record.getType() == Type.A)
        .extracting(Record::rdataToString)
        .containsExactlyInAnyOrder("10.42.0.5", "10.42.0.6");
  }

  @Test
  void externalNameIsFollowed() throws Exception {
    assertThat(texts(ask("ext.default.svc.cluster.local", Type.A)))
        .containsExactly("A 203.0.113.7", "CNAME www.example.com.");
    assertThat(texts(ask("ext.default.svc.cluster.local", Type.CNAME)))
        .containsExactly("CNAME www.example.com.");
    assertThat(texts(ask("inner.default.svc.cluster.local", Type.A)))
        .containsExactly("A 10.43.0.80", "CNAME web.default.svc.cluster.local.");
  }

  @Test
  void changesAreSeenAtOnce() throws Exception {
    informers.delete(Resources.SERVICES, "default", "web");
    assertThat(ask("web.default.svc.cluster.local", Type.A).getRcode()).isEqualTo(Rcode.NXDOMAIN);
    service("web", "\"clusterIP\":\"10.43.0.81\"");
    assertThat(texts(ask("web.default.svc.cluster.local", Type.A))).containsExactly("A 10.43.0.81");
  }

  @Test
  void manyEndpointsAreCutOverUdpAndWholeOverTcp() throws Exception {
    service("many", "\"clusterIP\":\"None\"");
    List<String> endpoints = new ArrayList<>();
    for (int i = 0; i < 250; i++) {
      endpoints.add("{\"addresses\":[\"10.42.3.%d\"]}".formatted(i));
    }
    slice("many", String.join(",", endpoints), "{\"name\":\"\",\"port\":80}");

    SimpleResolver resolver = resolver();
    resolver.setIgnoreTruncation(true);
    Message cut = resolver.send(query("many.default.svc.cluster.local", Type.A));
    assertThat(cut.getHeader().getFlag(Flags.TC)).isTrue();
    resolver.setTCP(true);
    Message whole = resolver.send(query("many.default.svc.cluster.local", Type.A));
    assertThat(whole.getSection(Section.ANSWER)).hasSize(250);
  }

  @Test
  void otherNamesAreAskedUpstreamAndRemembered() throws Exception {
    assertThat(texts(ask("www.example.com", Type.A))).containsExactly("A 203.0.113.7");
    assertThat(texts(ask("www.example.com", Type.A))).containsExactly("A 203.0.113.7");
    assertThat(ask("absent.example.com", Type.A).getRcode()).isEqualTo(Rcode.NXDOMAIN);
    assertThat(ask("absent.example.com", Type.A).getRcode()).isEqualTo(Rcode.NXDOMAIN);
    assertThat(texts(ask("large.example.com", Type.A))).hasSize(200);

    assertThat(upstream.questions())
        .containsExactly(
            "udp www.example.com.",
            "udp absent.example.com.",
            "udp large.example.com.",
            "tcp large.example.com.");
  }

  @Test
  void silentUpstreamIsAFailureInTimeAndDoesNotHoldUpTheCluster() throws Exception {
    SimpleResolver resolver = resolver();
    var slow = resolver.sendAsync(query("silent.example.com", Type.A)).toCompletableFuture();
    assertThat(texts(ask("web.default.svc.cluster.local", Type.A))).isNotEmpty();
    assertThat(slow.isDone()).isFalse();
    assertThat(slow.get().getRcode()).isEqualTo(Rcode.SERVFAIL);
  }

  @Test
  void resolvConfIsReadAgainWhenItChanges() throws Exception {
    Path resolvConf = directory.resolve("resolv.conf");
    Path other = directory.resolve("other");
    Files.writeString(other, "nameserver 127.0.0.1\n");
    Files.move(other, resolvConf, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
    Files.setLastModifiedTime(
        resolvConf, java.nio.file.attribute.FileTime.fromMillis(System.currentTimeMillis() + 5000));
    // Itself is no name server to ask.
    assertThat(ask("www.example.com", Type.A).getRcode()).isEqualTo(Rcode.SERVFAIL);
    assertThat(upstream.questions()).isEmpty();
  }

  @Test
  void oddQuestionsAreRefusedInOrder() throws Exception {
    Message chaos =
        Message.newQuery(Record.newRecord(Name.fromString("version.bind."), Type.TXT, DClass.CH));
    assertThat(resolver().send(chaos).getRcode()).isEqualTo(Rcode.REFUSED);
    try (java.net.DatagramSocket socket = new java.net.DatagramSocket()) {
      socket.send(
          new java.net.DatagramPacket(
              new byte[] {1, 2, 3}, 3, new java.net.InetSocketAddress("127.0.0.1", dns.port())));
    }
    assertThat(texts(ask("web.default.svc.cluster.local", Type.A))).isNotEmpty();
  }

  @Test
  void takenAddressIsSaid() {
    assertThatThrownBy(
            () ->
                new ClusterDns(
                    new ClusterDns.Settings(
                        InetAddress.ofLiteral("127.0.0.1"),
                        dns.port(),
                        "cluster.local",
                        List.of(),
                        directory.resolve("resolv.conf"),
                        Duration.ofSeconds(1)),
                    informers))
        .isInstanceOf(UncheckedIOException.class)
        .hasMessageContaining("127.0.0.1 port " + dns.port() + " is taken");
  }

  private void objects() {
    informers.put(Resources.NAMESPACES, "{\"metadata\":{\"name\":\"default\"}}");
    informers.put(
        Resources.NODES,
        """
        {"metadata":{"name":"node-1"},"status":{"addresses":[
        {"type":"InternalIP","address":"192.168.1.10"},{"type":"Hostname","address":"node-1"}]}}\
        """);
    service(
        "web",
        "\"clusterIP\":\"10.43.0.80\",\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}]");
    service("dual", "\"clusterIP\":\"10.43.0.7\",\"clusterIPs\":[\"10.43.0.7\",\"fd00::7\"]");
    service("db", "\"clusterIP\":\"None\"");
    service("idle", "\"clusterIP\":\"None\"");
    service("ext", "\"type\":\"ExternalName\",\"externalName\":\"www.example.com\"");
    service(
        "inner", "\"type\":\"ExternalName\",\"externalName\":\"web.default.svc.cluster.local\"");
    slice(
        "db",
        """
        {"addresses":["10.42.0.5"],"hostname":"db-0"},{"addresses":["10.42.0.6"]},
        {"addresses":["10.42.0.7"],"conditions":{"ready":false}}\
        """,
        "{\"name\":\"sql\",\"port\":5432,\"protocol\":\"TCP\"}");
  }

  private void service(String name, String spec) {
    informers.put(
        Resources.SERVICES,
        "{\"metadata\":{\"namespace\":\"default\",\"name\":\"%s\"},\"spec\":{%s}}"
            .formatted(name, spec));
  }

  private void slice(String service, String endpoints, String ports) {
    informers.put(
        Resources.ENDPOINT_SLICES,
        """
        {"metadata":{"namespace":"default","name":"%1$s-x",
        "labels":{"kubernetes.io/service-name":"%1$s"}},"addressType":"IPv4",
        "endpoints":[%2$s],"ports":[%3$s]}\
        """
            .formatted(service, endpoints, ports));
  }

  private Message ask(String name, int type) throws Exception {
    return resolver().send(query(name, type));
  }

  private static Message query(String name, int type) throws Exception {
    return Message.newQuery(Record.newRecord(Name.fromString(name, Name.root), type, DClass.IN));
  }

  private SimpleResolver resolver() throws Exception {
    SimpleResolver resolver = new SimpleResolver("127.0.0.1");
    resolver.setPort(dns.port());
    resolver.setTimeout(Duration.ofSeconds(5));
    return resolver;
  }

  private static List<String> texts(Message message) {
    return message.getSection(Section.ANSWER).stream()
        .map(record -> Type.string(record.getType()) + " " + record.rdataToString())
        .sorted()
        .toList();
  }
}
