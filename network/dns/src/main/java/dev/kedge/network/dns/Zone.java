package dev.kedge.network.dns;

import dev.kedge.client.Informer;
import dev.kedge.client.Informers;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Resources;
import java.net.Inet4Address;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.xbill.DNS.AAAARecord;
import org.xbill.DNS.ARecord;
import org.xbill.DNS.CNAMERecord;
import org.xbill.DNS.DClass;
import org.xbill.DNS.NSRecord;
import org.xbill.DNS.Name;
import org.xbill.DNS.NameTooLongException;
import org.xbill.DNS.PTRRecord;
import org.xbill.DNS.Record;
import org.xbill.DNS.SOARecord;
import org.xbill.DNS.SRVRecord;
import org.xbill.DNS.TXTRecord;
import org.xbill.DNS.TextParseException;
import org.xbill.DNS.Type;

/**
 * The names that Kubernetes promises (DNS-based service discovery, version 1.1.0), answered from
 * informers at the moment of the question; nothing is kept. Node names resolve too, as in K3s. Any
 * thread.
 */
final class Zone {
  static final long TTL = 5;

  private static final String VERSION = "1.1.0";

  private final Name domain;
  private final InetAddress self;
  private final List<Cidr> networks;
  private final Informer services;
  private final Informer slices;
  private final Informer namespaces;
  private final Informer nodes;

  /**
   * @param networks the cluster's own networks, whose reverse names are nobody else's
   */
  Zone(Name domain, InetAddress self, List<Cidr> networks, Informers informers) {
    this.domain = domain;
    this.self = self;
    this.networks = networks;
    this.services = informers.of(Resources.SERVICES);
    this.slices = informers.of(Resources.ENDPOINT_SLICES);
    this.namespaces = informers.of(Resources.NAMESPACES);
    this.nodes = informers.of(Resources.NODES);
  }

  void awaitSynced() throws InterruptedException {
    services.awaitSynced();
    slices.awaitSynced();
    namespaces.awaitSynced();
    nodes.awaitSynced();
  }

  /** Whether only this zone can know a name. */
  boolean owns(Name name) {
    return name.subdomain(domain) || Reverse.address(name).filter(this::isClusters).isPresent();
  }

  /** The start of authority, for answers that something is not there. */
  SOARecord authority() {
    return new SOARecord(
        domain,
        DClass.IN,
        TTL,
        child(domain, "ns", "dns"),
        child(domain, "hostmaster"),
        System.currentTimeMillis() / 1000,
        7200,
        1800,
        86400,
        TTL);
  }

  /** What there is to say about a name. */
  Answer answer(Name name, int type) {
    if (name.subdomain(domain)) {
      return inDomain(name, labels(name), type);
    }
    Optional<InetAddress> reverse = Reverse.address(name);
    if (reverse.isPresent()) {
      return reverse(name, reverse.get(), type);
    }
    return nodes.all().stream()
        .filter(node -> isName(name, node.name()))
        .findFirst()
        .map(node -> addresses(name, nodeAddresses(node), type))
        .orElse(Answer.ELSEWHERE);
  }

  private Answer inDomain(Name name, List<String> labels, int type) {
    int size = labels.size();
    if (size == 0) {
      Name server = child(domain, "ns", "dns");
      return switch (type) {
        case Type.SOA -> found(authority());
        case Type.NS -> found(new NSRecord(domain, DClass.IN, TTL, server));
        default -> Answer.NO_DATA;
      };
    }
    return switch (labels.getLast()) {
      case "svc" -> service(name, labels.subList(0, size - 1), type);
      case "pod" -> pod(name, labels.subList(0, size - 1), type);
      case "dns-version" ->
          size > 1
              ? Answer.NO_SUCH_NAME
              : type == Type.TXT
                  ? found(new TXTRecord(name, DClass.IN, TTL, VERSION))
                  : Answer.NO_DATA;
      case "dns" ->
          size == 1
              ? Answer.NO_DATA
              : size == 2 && labels.getFirst().equals("ns")
                  ? addresses(name, List.of(self), type)
                  : Answer.NO_SUCH_NAME;
      default -> Answer.NO_SUCH_NAME;
    };
  }

  /** {@code 10-42-0-5.default.pod}: the address is in the name; the namespace must be there. */
  private Answer pod(Name name, List<String> labels, int type) {
    if (labels.isEmpty()) {
      return Answer.NO_DATA;
    }
    if (namespaces.get("", labels.getLast()).isEmpty()) {
      return Answer.NO_SUCH_NAME;
    }
    if (labels.size() == 1) {
      return Answer.NO_DATA;
    }
    Optional<InetAddress> address =
        labels.size() == 2 ? Reverse.dashed(labels.getFirst()) : Optional.empty();
    return address.map(a -> addresses(name, List.of(a), type)).orElse(Answer.NO_SUCH_NAME);
  }

  private Answer service(Name name, List<String> labels, int type) {
    int size = labels.size();
    if (size == 0) {
      return Answer.NO_DATA;
    }
    String namespace = labels.getLast();
    if (size == 1) {
      return namespaces.get("", namespace).isPresent() ? Answer.NO_DATA : Answer.NO_SUCH_NAME;
    }
    Optional<KubeObject> found = services.get(namespace, labels.get(size - 2));
    if (found.isEmpty()) {
      return Answer.NO_SUCH_NAME;
    }
    KubeObject service = found.get();
    List<String> rest = labels.subList(0, size - 2);
    if (service.spec().text("type").equals("ExternalName")) {
      return rest.isEmpty() ? externalName(name, service) : Answer.NO_SUCH_NAME;
    }
    if (rest.isEmpty()) {
      return whole(name, service, type);
    }
    if (rest.size() == 2 && rest.get(0).startsWith("_") && rest.get(1).startsWith("_")) {
      return ports(name, service, rest.get(0).substring(1), rest.get(1).substring(1), type);
    }
    if (rest.size() == 1 && rest.getFirst().startsWith("_")) {
      return Answer.NO_DATA;
    }
    if (rest.size() == 1 && headless(service)) {
      List<InetAddress> addresses =
          endpoints(service).stream()
              .filter(endpoint -> endpoint.hostname().equals(rest.getFirst()))
              .map(Endpoint::address)
              .distinct()
              .toList();
      return addresses.isEmpty() ? Answer.NO_SUCH_NAME : addresses(name, addresses, type);
    }
    return Answer.NO_SUCH_NAME;
  }

  private static Answer externalName(Name name, KubeObject service) {
    try {
      Name target = Name.fromString(service.spec().text("externalName"), Name.root);
      return found(new CNAMERecord(name, DClass.IN, TTL, target));
    } catch (TextParseException e) {
      // The API accepts names that DNS cannot carry; there is nothing to point to.
      return Answer.NO_SUCH_NAME;
    }
  }

  private Answer whole(Name name, KubeObject service, int type) {
    if (headless(service)) {
      List<InetAddress> addresses =
          new ArrayList<>(endpoints(service).stream().map(Endpoint::address).distinct().toList());
      if (addresses.isEmpty()) {
        return Answer.NO_SUCH_NAME;
      }
      // Clients take the first one; each shall get its share.
      Collections.shuffle(addresses);
      return type == Type.SRV
          ? ports(name, service, "", "", type)
          : addresses(name, addresses, type);
    }
    return type == Type.SRV
        ? ports(name, service, "", "", type)
        : addresses(name, clusterAddresses(service), type);
  }

  /** SRV records of a port, or of all when the port is empty. */
  private Answer ports(Name name, KubeObject service, String port, String protocol, int type) {
    List<Record> answers = new ArrayList<>();
    List<Record> additional = new ArrayList<>();
    Name serviceName = serviceName(service);
    if (headless(service)) {
      for (Endpoint endpoint : endpoints(service)) {
        if (endpoint.matches(port, protocol) && endpoint.port() > 0) {
          Name target = child(serviceName, endpoint.hostname());
          answers.add(new SRVRecord(name, DClass.IN, TTL, 0, 100, endpoint.port(), target));
          additional.add(address(target, endpoint.address()));
        }
      }
    } else {
      for (JsonObject one : service.spec().objects("ports")) {
        if (matches(one.text("name"), one.text("protocol"), port, protocol)) {
          answers.add(
              new SRVRecord(name, DClass.IN, TTL, 0, 100, (int) one.integer("port"), serviceName));
        }
      }
      if (!answers.isEmpty()) {
        clusterAddresses(service).forEach(a -> additional.add(address(serviceName, a)));
      }
    }
    if (answers.isEmpty()) {
      return port.isEmpty() ? Answer.NO_DATA : Answer.NO_SUCH_NAME;
    }
    return type == Type.SRV || type == Type.ANY
        ? new Answer.Found(answers, additional.stream().distinct().toList())
        : Answer.NO_DATA;
  }

  private Answer reverse(Name name, InetAddress address, int type) {
    List<Record> names = new ArrayList<>();
    String text = address.getHostAddress();
    for (KubeObject service : services.all()) {
      if (!headless(service) && clusterAddresses(service).contains(address)) {
        names.add(new PTRRecord(name, DClass.IN, TTL, serviceName(service)));
      }
    }
    if (names.isEmpty()) {
      for (KubeObject slice : slices.all()) {
        for (JsonObject endpoint : slice.json().objects("endpoints")) {
          if (!endpoint.strings("addresses").contains(text)) {
            continue;
          }
          services
              .get(slice.namespace(), serviceOf(slice))
              .filter(Zone::headless)
              .ifPresent(
                  service ->
                      names.add(
                          new PTRRecord(
                              name,
                              DClass.IN,
                              TTL,
                              child(serviceName(service), hostname(endpoint, address)))));
        }
      }
    }
    if (!names.isEmpty()) {
      return type == Type.PTR ? new Answer.Found(names, List.of()) : Answer.NO_DATA;
    }
    return isClusters(address) ? Answer.NO_SUCH_NAME : Answer.ELSEWHERE;
  }

  /** One address of an endpoint with one of its ports; without ports, port 0. */
  private record Endpoint(
      InetAddress address, String hostname, String portName, String protocol, int port) {
    boolean matches(String name, String wanted) {
      return Zone.matches(portName, protocol, name, wanted);
    }
  }

  private List<Endpoint> endpoints(KubeObject service) {
    List<Endpoint> found = new ArrayList<>();
    for (KubeObject slice : slices.inNamespace(service.namespace())) {
      if (!serviceOf(slice).equals(service.name())) {
        continue;
      }
      List<JsonObject> ports = slice.json().objects("ports");
      for (JsonObject endpoint : slice.json().objects("endpoints")) {
        if (!endpoint.flagOr(true, "conditions", "ready")) {
          continue;
        }
        for (String text : endpoint.strings("addresses")) {
          Optional<InetAddress> address = Reverse.literal(text);
          if (address.isEmpty()) {
            continue;
          }
          String hostname = hostname(endpoint, address.get());
          if (ports.isEmpty()) {
            found.add(new Endpoint(address.get(), hostname, "", "", 0));
          }
          for (JsonObject port : ports) {
            found.add(
                new Endpoint(
                    address.get(),
                    hostname,
                    port.text("name"),
                    port.text("protocol"),
                    (int) port.integer("port")));
          }
        }
      }
    }
    return found;
  }

  private static String hostname(JsonObject endpoint, InetAddress address) {
    String hostname = endpoint.text("hostname");
    return hostname.isEmpty()
        ? address.getHostAddress().replace('.', '-').replace(':', '-')
        : hostname.toLowerCase(Locale.ROOT);
  }

  private static String serviceOf(KubeObject slice) {
    return slice.labels().getOrDefault("kubernetes.io/service-name", "");
  }

  private static boolean headless(KubeObject service) {
    return service.spec().text("clusterIP").equals("None");
  }

  private static boolean matches(String name, String protocol, String wanted, String itsProtocol) {
    String actual = protocol.isEmpty() ? "TCP" : protocol;
    return wanted.isEmpty()
        || (name.equalsIgnoreCase(wanted) && actual.equalsIgnoreCase(itsProtocol));
  }

  private static List<InetAddress> clusterAddresses(KubeObject service) {
    List<String> all = service.spec().strings("clusterIPs");
    List<String> texts = all.isEmpty() ? List.of(service.spec().text("clusterIP")) : all;
    return texts.stream().flatMap(text -> Reverse.literal(text).stream()).toList();
  }

  private static List<InetAddress> nodeAddresses(KubeObject node) {
    return node.status().objects("addresses").stream()
        .filter(address -> address.text("type").equals("InternalIP"))
        .flatMap(address -> Reverse.literal(address.text("address")).stream())
        .toList();
  }

  private boolean isClusters(InetAddress address) {
    return networks.stream().anyMatch(network -> network.contains(address));
  }

  private Name serviceName(KubeObject service) {
    return child(domain, service.name(), service.namespace(), "svc");
  }

  /** The labels before the domain, in small letters. */
  private List<String> labels(Name name) {
    List<String> labels = new ArrayList<>();
    for (int i = 0; i < name.labels() - domain.labels(); i++) {
      labels.add(name.getLabelString(i).toLowerCase(Locale.ROOT));
    }
    return labels;
  }

  private static boolean isName(Name name, String text) {
    String asked = name.toString(true);
    return asked.equalsIgnoreCase(text);
  }

  private static Answer addresses(Name name, List<InetAddress> addresses, int type) {
    List<Record> records = new ArrayList<>();
    for (InetAddress address : addresses) {
      boolean wanted =
          switch (type) {
            case Type.A -> address instanceof Inet4Address;
            case Type.AAAA -> address instanceof Inet6Address;
            case Type.ANY -> true;
            default -> false;
          };
      if (wanted) {
        records.add(address(name, address));
      }
    }
    return new Answer.Found(records, List.of());
  }

  private static Record address(Name name, InetAddress address) {
    return address instanceof Inet4Address
        ? new ARecord(name, DClass.IN, TTL, address)
        : new AAAARecord(name, DClass.IN, TTL, address);
  }

  private static Answer found(Record record) {
    return new Answer.Found(List.of(record), List.of());
  }

  private static Name child(Name parent, String... labels) {
    try {
      return Name.concatenate(Name.fromString(String.join(".", labels)), parent);
    } catch (TextParseException | NameTooLongException e) {
      throw new IllegalArgumentException("no DNS name: " + List.of(labels), e);
    }
  }
}
