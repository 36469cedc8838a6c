package dev.kedge.node;

import dev.kedge.cri.Cri;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A pod's resolver configuration, host name and hosts file. */
final class Dns {
  private final NodeSettings settings;

  Dns(NodeSettings settings) {
    this.settings = settings;
  }

  /** The resolver configuration by the pod's dnsPolicy and dnsConfig. */
  Cri.DnsConfig config(KubeObject pod) throws IOException {
    String policy = pod.spec().text("dnsPolicy");
    boolean cluster =
        policy.equals("ClusterFirstWithHostNet")
            || (policy.isEmpty() || policy.equals("ClusterFirst")) && !Pods.hostNetwork(pod);
    List<String> servers = new ArrayList<>();
    List<String> searches = new ArrayList<>();
    List<String> options = new ArrayList<>();
    if (!policy.equals("None")) {
      readHost(servers, searches, options);
    }
    if (cluster && !settings.clusterDns().isEmpty()) {
      servers = new ArrayList<>(settings.clusterDns());
      List<String> host = searches;
      String domain = settings.clusterDomain();
      searches =
          new ArrayList<>(List.of(pod.namespace() + ".svc." + domain, "svc." + domain, domain));
      searches.addAll(host);
      options = new ArrayList<>(List.of("ndots:5"));
    }
    JsonObject custom = pod.spec().object("dnsConfig");
    Set<String> allServers = new LinkedHashSet<>(servers);
    allServers.addAll(custom.strings("nameservers"));
    Set<String> allSearches = new LinkedHashSet<>(searches);
    allSearches.addAll(custom.strings("searches"));
    Map<String, String> allOptions = new LinkedHashMap<>();
    for (String option : options) {
      int colon = option.indexOf(':');
      allOptions.put(
          colon < 0 ? option : option.substring(0, colon),
          colon < 0 ? "" : option.substring(colon + 1));
    }
    for (JsonObject option : custom.objects("options")) {
      allOptions.put(option.text("name"), option.text("value"));
    }
    return new Cri.DnsConfig(
        allServers.stream().limit(3).toList(),
        allSearches.stream().limit(32).toList(),
        allOptions.entrySet().stream()
            .map(e -> e.getValue().isEmpty() ? e.getKey() : e.getKey() + ":" + e.getValue())
            .toList());
  }

  private void readHost(List<String> servers, List<String> searches, List<String> options)
      throws IOException {
    if (!Files.exists(settings.resolvConf())) {
      return;
    }
    for (String line : Files.readAllLines(settings.resolvConf())) {
      String[] words = line.replaceFirst("[#;].*", "").strip().split("\\s+");
      List<String> rest = List.of(words).subList(1, words.length);
      switch (words[0]) {
        case "nameserver" -> servers.addAll(rest.stream().limit(1).toList());
        case "search" -> {
          searches.clear();
          searches.addAll(rest);
        }
        case "options" -> options.addAll(rest);
        default -> {
          // Comments, and what has no meaning in a pod.
        }
      }
    }
  }

  /** The host name inside the pod; empty on the host's network, where the node's own holds. */
  String hostname(KubeObject pod) {
    if (Pods.hostNetwork(pod)) {
      return "";
    }
    String override = pod.spec().text("hostnameOverride");
    if (!override.isEmpty()) {
      return override;
    }
    String name = pod.spec().text("hostname").isEmpty() ? pod.name() : pod.spec().text("hostname");
    if (pod.spec().flag("setHostnameAsFQDN") && !domain(pod).isEmpty()) {
      return name + "." + domain(pod);
    }
    String cut = name.length() > 63 ? name.substring(0, 63) : name;
    return cut.replaceFirst("[-.]+$", "");
  }

  private String domain(KubeObject pod) {
    String subdomain = pod.spec().text("subdomain");
    return subdomain.isEmpty()
        ? ""
        : subdomain + "." + pod.namespace() + ".svc." + settings.clusterDomain();
  }

  /** The text of the pod's /etc/hosts. */
  String hosts(KubeObject pod, List<String> podIps) throws IOException {
    StringBuilder out = new StringBuilder();
    if (Pods.hostNetwork(pod)) {
      out.append("# Kubernetes-managed hosts file (host network).\n")
          .append(Files.readString(java.nio.file.Path.of("/etc/hosts")));
    } else {
      out.append("# Kubernetes-managed hosts file.\n")
          .append("127.0.0.1\tlocalhost\n")
          .append("::1\tlocalhost ip6-localhost ip6-loopback\n")
          .append("fe00::\tip6-localnet\n")
          .append("fe00::\tip6-mcastprefix\n")
          .append("fe00::1\tip6-allnodes\n")
          .append("fe00::2\tip6-allrouters\n");
      String name = hostname(pod);
      String domain = domain(pod);
      for (String ip : podIps) {
        out.append(ip).append('\t');
        if (!domain.isEmpty() && !pod.spec().flag("setHostnameAsFQDN")) {
          out.append(name).append('.').append(domain).append('\t');
        }
        out.append(name).append('\n');
      }
    }
    List<JsonObject> aliases = pod.spec().objects("hostAliases");
    if (!aliases.isEmpty()) {
      out.append("\n# Entries added by HostAliases.\n");
      for (JsonObject alias : aliases) {
        out.append(alias.text("ip"))
            .append('\t')
            .append(String.join("\t", alias.strings("hostnames")))
            .append('\n');
      }
    }
    return out.toString();
  }
}
