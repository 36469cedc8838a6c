package dev.kedge.network.services;

/** The fixed part of the one nftables table. */
final class Tables {
  static final String SERVICE_ADDRESSES = "service-addresses";
  static final String SERVICE_NODE_PORTS = "service-node-ports";
  static final String REFUSED_ADDRESSES = "refused-addresses";
  static final String REFUSED_NODE_PORTS = "refused-node-ports";
  static final String CLUSTER_ADDRESSES = "cluster-addresses";
  static final String HAIRPIN = "hairpin";

  /** Followed by tcp, udp or sctp. */
  static final String HOST_PORTS = "host-ports-";

  /** Host ports of one address; followed by tcp, udp or sctp. */
  static final String HOST_ADDRESS_PORTS = "host-address-ports-";

  static final String MASQUERADE = "jump mark-masquerade";
  static final String REFUSE = "goto refuse";

  private Tables() {}

  /**
   * Commands that lay the table anew, in the transaction that fills it. Masquerading is marked with
   * the bit that kube-proxy uses, which other network software knows to leave alone.
   */
  static String base() {
    StringBuilder hostPorts = new StringBuilder();
    StringBuilder hostRules = new StringBuilder();
    for (String protocol : new String[] {"tcp", "udp", "sctp"}) {
      hostPorts.append(
          """
            map host-ports-%1$s { type inet_service : ipv4_addr . inet_service; }
            map host-address-ports-%1$s { type ipv4_addr . inet_service : ipv4_addr . inet_service; }
          """
              .formatted(protocol));
      hostRules.append(
          """
              fib daddr type local meta l4proto %1$s dnat ip to ip daddr . th dport map @host-address-ports-%1$s
              fib daddr type local meta l4proto %1$s dnat ip to th dport map @host-ports-%1$s
          """
              .formatted(protocol));
    }
    return """
    table ip kedge {}
    delete table ip kedge
    table ip kedge {
      comment "Services and host ports; written by kedge, rebuilt at its start";
      map service-addresses { type ipv4_addr . inet_proto . inet_service : verdict; }
      map service-node-ports { type inet_proto . inet_service : verdict; }
      map refused-addresses { type ipv4_addr . inet_proto . inet_service : verdict; }
      map refused-node-ports { type inet_proto . inet_service : verdict; }
      set cluster-addresses { type ipv4_addr; }
      set hairpin { type ipv4_addr . ipv4_addr; }
    %1$s
      chain mark-masquerade {
        meta mark set meta mark | 0x4000;
      }
      chain refuse {
        reject;
      }
      chain services {
        ip daddr . meta l4proto . th dport vmap @service-addresses
        fib daddr type local meta l4proto . th dport vmap @service-node-ports
    %2$s
      }
      chain nat-prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        jump services;
      }
      chain nat-output {
        type nat hook output priority -100; policy accept;
        jump services;
      }
      chain nat-postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        meta mark & 0x4000 == 0x4000 meta mark set meta mark ^ 0x4000 masquerade fully-random;
        ip saddr . ip daddr @hairpin masquerade fully-random;
        ip saddr 127.0.0.0/8 ct status dnat masquerade fully-random;
      }
      chain guard-loopback {
        type filter hook prerouting priority raw; policy accept;
        iifname != "lo" ip daddr 127.0.0.0/8 drop;
      }
      chain unreachable {
        ip daddr . meta l4proto . th dport vmap @refused-addresses
        fib daddr type local meta l4proto . th dport vmap @refused-node-ports
      }
      chain filter-input {
        type filter hook input priority filter; policy accept;
        ct state new jump unreachable;
      }
      chain filter-forward {
        type filter hook forward priority filter; policy accept;
        ct state new jump unreachable;
        ct state new ip daddr @cluster-addresses reject;
      }
      chain filter-output {
        type filter hook output priority filter; policy accept;
        ct state new jump unreachable;
        ct state new ip daddr @cluster-addresses reject;
      }
    }
    """
        .formatted(hostPorts, hostRules);
  }
}
