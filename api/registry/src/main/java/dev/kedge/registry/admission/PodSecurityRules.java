package dev.kedge.registry.admission;

import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * The Pod Security Standards, baseline and restricted, as of Kubernetes 1.36: what a pod violates,
 * in upstream's words. Stateless.
 */
final class PodSecurityRules {
  private static final Set<String> BASELINE_CAPABILITIES =
      Set.of(
          "AUDIT_WRITE",
          "CHOWN",
          "DAC_OVERRIDE",
          "FOWNER",
          "FSETID",
          "KILL",
          "MKNOD",
          "NET_BIND_SERVICE",
          "SETFCAP",
          "SETGID",
          "SETPCAP",
          "SETUID",
          "SYS_CHROOT");
  private static final Set<String> SELINUX_TYPES =
      Set.of("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t");
  private static final Set<String> SYSCTLS =
      Set.of(
          "kernel.shm_rmid_forced",
          "net.ipv4.ip_local_port_range",
          "net.ipv4.ip_unprivileged_port_start",
          "net.ipv4.tcp_syncookies",
          "net.ipv4.ping_group_range",
          "net.ipv4.ip_local_reserved_ports",
          "net.ipv4.tcp_keepalive_time",
          "net.ipv4.tcp_fin_timeout",
          "net.ipv4.tcp_keepalive_intvl",
          "net.ipv4.tcp_keepalive_probes",
          "net.ipv4.tcp_rmem",
          "net.ipv4.tcp_wmem");
  private static final Set<String> RESTRICTED_VOLUMES =
      Set.of(
          "configMap",
          "csi",
          "downwardAPI",
          "emptyDir",
          "ephemeral",
          "image",
          "persistentVolumeClaim",
          "projected",
          "secret");
  private static final String APPARMOR = "container.apparmor.security.beta.kubernetes.io/";
  private static final String SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod";
  private static final String SECCOMP = "container.seccomp.security.alpha.kubernetes.io/";

  private PodSecurityRules() {}

  /**
   * What a pod violates at a level, such as {@code privileged (container "main" must not set
   * securityContext.privileged=true)}; empty if it may run.
   *
   * @param level privileged, baseline or restricted
   */
  static List<String> violations(String level, JsonObject metadata, JsonObject spec) {
    if (level.equals("privileged")) {
      return List.of();
    }
    Pod pod = new Pod(new KubeObject(JsonObject.of("metadata", metadata)), spec);
    boolean restricted = level.equals("restricted");
    List<Optional<String>> found = new ArrayList<>();
    found.add(hostNamespaces(pod));
    found.add(hostPathVolumes(pod, restricted));
    found.add(
        pod.where(
            "hostPort",
            container ->
                container.objects("ports").stream().anyMatch(p -> p.integer("hostPort") != 0),
            names ->
                names + (names.startsWith("containers") ? " use hostPorts" : " uses hostPort")));
    found.add(hostProbes(pod));
    found.add(
        pod.where(
            "privileged",
            container -> container.flag("securityContext", "privileged"),
            names -> names + " must not set securityContext.privileged=true"));
    found.add(procMount(pod, restricted));
    found.add(appArmor(pod));
    found.add(seLinux(pod));
    found.add(sysctls(pod));
    found.add(windowsHostProcess(pod));
    if (restricted) {
      boolean linux = !pod.spec().text("os", "name").equals("windows");
      if (linux) {
        found.add(
            pod.where(
                "allowPrivilegeEscalation != false",
                container -> container.flagOr(true, "securityContext", "allowPrivilegeEscalation"),
                names -> names + " must set securityContext.allowPrivilegeEscalation=false"));
        found.add(restrictedCapabilities(pod));
      } else {
        found.add(baselineCapabilities(pod));
      }
      found.add(restrictedVolumes(pod));
      found.add(runAsNonRoot(pod));
      found.add(runAsUser(pod));
      found.add(linux ? restrictedSeccomp(pod) : baselineSeccomp(pod));
    } else {
      found.add(baselineCapabilities(pod));
      found.add(baselineSeccomp(pod));
    }
    return found.stream().flatMap(Optional::stream).toList();
  }

  /** A pod or pod template. */
  private record Pod(KubeObject head, JsonObject spec) {
    List<JsonObject> containers() {
      List<JsonObject> all = new ArrayList<>(spec.objects("initContainers"));
      all.addAll(spec.objects("containers"));
      all.addAll(spec.objects("ephemeralContainers"));
      return all;
    }

    /** Names of the containers that are so. */
    List<String> names(Predicate<JsonObject> such) {
      return containers().stream().filter(such).map(one -> one.text("name")).toList();
    }

    /** A violation by containers, all of them named. */
    Optional<String> where(
        String reason, Predicate<JsonObject> bad, Function<String, String> detail) {
      List<String> names = names(bad);
      return names.isEmpty()
          ? Optional.empty()
          : Optional.of(reason + " (" + detail.apply(named(names)) + ")");
    }
  }

  private static String named(List<String> names) {
    return (names.size() == 1 ? "container " : "containers ") + quoted(names);
  }

  private static String quoted(Iterable<String> texts) {
    List<String> all = new ArrayList<>();
    texts.forEach(text -> all.add("\"" + text + "\""));
    return String.join(", ", all);
  }

  private static Optional<String> hostNamespaces(Pod pod) {
    List<String> set = new ArrayList<>();
    for (String field : List.of("hostNetwork", "hostPID", "hostIPC")) {
      if (pod.spec().flag(field)) {
        set.add(field + "=true");
      }
    }
    return set.isEmpty()
        ? Optional.empty()
        : Optional.of("host namespaces (" + String.join(", ", set) + ")");
  }

  private static Optional<String> hostPathVolumes(Pod pod, boolean restricted) {
    List<String> names =
        pod.spec().objects("volumes").stream()
            .filter(volume -> volume.has("hostPath"))
            .map(volume -> volume.text("name"))
            .toList();
    // Restricted says so itself, with the type.
    return names.isEmpty() || restricted
        ? Optional.empty()
        : Optional.of(
            "hostPath volumes ("
                + (names.size() == 1 ? "volume " : "volumes ")
                + quoted(names)
                + ")");
  }

  private static Optional<String> hostProbes(Pod pod) {
    return pod.where(
        "probe or lifecycle host",
        container -> {
          List<JsonObject> actions = new ArrayList<>();
          for (String probe : List.of("livenessProbe", "readinessProbe", "startupProbe")) {
            actions.add(container.object(probe));
          }
          for (String hook : List.of("postStart", "preStop")) {
            actions.add(container.object("lifecycle", hook));
          }
          return actions.stream()
              .anyMatch(
                  action ->
                      !action.text("httpGet", "host").isEmpty()
                          || !action.text("tcpSocket", "host").isEmpty());
        },
        names ->
            names
                + (names.startsWith("containers") ? " use" : " uses")
                + " probe or lifecycle hosts");
  }

  private static Optional<String> procMount(Pod pod, boolean restricted) {
    // In a user namespace of its own a pod may see all of /proc, at the baseline level.
    boolean relaxed = !restricted && !pod.spec().flagOr(true, "hostUsers");
    return relaxed
        ? Optional.empty()
        : pod.where(
            "procMount",
            container -> {
              String mount = container.text("securityContext", "procMount");
              return !mount.isEmpty() && !mount.equals("Default");
            },
            names -> names + " must not set securityContext.procMount");
  }

  private static Optional<String> appArmor(Pod pod) {
    Set<String> bad = new LinkedHashSet<>();
    pod.head()
        .annotations()
        .forEach(
            (name, value) -> {
              if (name.startsWith(APPARMOR)
                  && !value.isEmpty()
                  && !value.equals("runtime/default")
                  && !value.startsWith("localhost/")) {
                bad.add("annotation " + name + "=\"" + value + "\"");
              }
            });
    Predicate<JsonObject> unconfined =
        context -> context.text("appArmorProfile", "type").equals("Unconfined");
    if (unconfined.test(pod.spec().object("securityContext"))) {
      bad.add("pod must not set AppArmor profile type to \"Unconfined\"");
    }
    List<String> names =
        pod.names(container -> unconfined.test(container.object("securityContext")));
    if (!names.isEmpty()) {
      bad.add(named(names) + " must not set AppArmor profile type to \"Unconfined\"");
    }
    return bad.isEmpty()
        ? Optional.empty()
        : Optional.of("forbidden AppArmor profile (" + String.join(", ", bad) + ")");
  }

  private static Optional<String> seLinux(Pod pod) {
    Set<String> setters = new LinkedHashSet<>();
    Set<String> values = new TreeSet<>();
    seLinux("pod", pod.spec().object("securityContext"), setters, values);
    for (JsonObject container : pod.containers()) {
      seLinux(
          "container \"" + container.text("name") + "\"",
          container.object("securityContext"),
          setters,
          values);
    }
    return values.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "seLinuxOptions ("
                + String.join(" and ", setters)
                + " set forbidden securityContext.seLinuxOptions: "
                + String.join("; ", values)
                + ")");
  }

  private static void seLinux(
      String who, JsonObject context, Set<String> setters, Set<String> values) {
    JsonObject options = context.object("seLinuxOptions");
    if (!SELINUX_TYPES.contains(options.text("type"))) {
      setters.add(who);
      values.add("type \"" + options.text("type") + "\"");
    }
    if (!options.text("user").isEmpty()) {
      setters.add(who);
      values.add("user may not be set");
    }
    if (!options.text("role").isEmpty()) {
      setters.add(who);
      values.add("role may not be set");
    }
  }

  private static Optional<String> sysctls(Pod pod) {
    List<String> names =
        pod.spec().objects("securityContext", "sysctls").stream()
            .map(sysctl -> sysctl.text("name"))
            .filter(name -> !SYSCTLS.contains(name))
            .toList();
    return names.isEmpty()
        ? Optional.empty()
        : Optional.of("forbidden sysctls (" + String.join(", ", names) + ")");
  }

  private static Optional<String> windowsHostProcess(Pod pod) {
    List<String> names =
        pod.names(container -> container.flag("securityContext", "windowsOptions", "hostProcess"));
    List<String> who = new ArrayList<>();
    if (pod.spec().flag("securityContext", "windowsOptions", "hostProcess")) {
      who.add("pod");
    }
    if (!names.isEmpty()) {
      who.add(named(names));
    }
    return who.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "hostProcess ("
                + String.join(" and ", who)
                + " must not set securityContext.windowsOptions.hostProcess=true)");
  }

  private static Optional<String> baselineCapabilities(Pod pod) {
    Set<String> bad = new TreeSet<>();
    Optional<String> found =
        pod.where(
            "non-default capabilities",
            container -> {
              List<String> added =
                  container.strings("securityContext", "capabilities", "add").stream()
                      .filter(name -> !BASELINE_CAPABILITIES.contains(name))
                      .toList();
              bad.addAll(added);
              return !added.isEmpty();
            },
            names -> names);
    return found.map(
        text ->
            text.substring(0, text.length() - 1)
                + " must not include "
                + quoted(bad)
                + " in securityContext.capabilities.add)");
  }

  private static Optional<String> restrictedCapabilities(Pod pod) {
    List<String> keeping = new ArrayList<>();
    List<String> adding = new ArrayList<>();
    Set<String> added = new TreeSet<>();
    for (JsonObject container : pod.containers()) {
      JsonObject capabilities = container.object("securityContext", "capabilities");
      if (!capabilities.strings("drop").contains("ALL")) {
        keeping.add(container.text("name"));
      }
      List<String> more =
          capabilities.strings("add").stream()
              .filter(name -> !name.equals("NET_BIND_SERVICE"))
              .toList();
      if (!more.isEmpty()) {
        adding.add(container.text("name"));
        added.addAll(more);
      }
    }
    List<String> details = new ArrayList<>();
    if (!keeping.isEmpty()) {
      details.add(named(keeping) + " must set securityContext.capabilities.drop=[\"ALL\"]");
    }
    if (!adding.isEmpty()) {
      details.add(
          named(adding)
              + " must not include "
              + quoted(added)
              + " in securityContext.capabilities.add");
    }
    return details.isEmpty()
        ? Optional.empty()
        : Optional.of("unrestricted capabilities (" + String.join("; ", details) + ")");
  }

  private static Optional<String> restrictedVolumes(Pod pod) {
    List<String> names = new ArrayList<>();
    Set<String> types = new TreeSet<>();
    for (JsonObject volume : pod.spec().objects("volumes")) {
      List<String> sources = volume.names().stream().filter(name -> !name.equals("name")).toList();
      if (sources.stream().noneMatch(RESTRICTED_VOLUMES::contains) && !sources.isEmpty()) {
        names.add(volume.text("name"));
        types.add(sources.getFirst());
      }
    }
    return names.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "restricted volume types ("
                + (names.size() == 1 ? "volume " : "volumes ")
                + quoted(names)
                + (names.size() == 1 ? " uses" : " use")
                + " restricted volume "
                + (types.size() == 1 ? "type " : "types ")
                + quoted(types)
                + ")");
  }

  private static Optional<String> runAsNonRoot(Pod pod) {
    if (!pod.spec().flagOr(true, "hostUsers")) {
      return Optional.empty();
    }
    JsonObject context = pod.spec().object("securityContext");
    boolean podSaysNo = context.has("runAsNonRoot") && !context.flag("runAsNonRoot");
    boolean podSaysYes = context.flag("runAsNonRoot");
    List<String> no = new ArrayList<>();
    List<String> silent = new ArrayList<>();
    for (JsonObject container : pod.containers()) {
      JsonObject own = container.object("securityContext");
      if (own.has("runAsNonRoot")) {
        if (!own.flag("runAsNonRoot")) {
          no.add(container.text("name"));
        }
      } else if (!podSaysYes) {
        silent.add(container.text("name"));
      }
    }
    if (!no.isEmpty() || podSaysNo) {
      List<String> who = new ArrayList<>();
      if (podSaysNo) {
        who.add("pod");
      }
      if (!no.isEmpty()) {
        who.add(named(no));
      }
      return Optional.of(
          "runAsNonRoot != true ("
              + String.join(" and ", who)
              + " must not set securityContext.runAsNonRoot=false)");
    }
    return silent.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "runAsNonRoot != true (pod or "
                + named(silent)
                + " must set securityContext.runAsNonRoot=true)");
  }

  private static Optional<String> runAsUser(Pod pod) {
    if (!pod.spec().flagOr(true, "hostUsers")) {
      return Optional.empty();
    }
    List<String> who = new ArrayList<>();
    Predicate<JsonObject> root =
        context -> context.has("runAsUser") && context.integer("runAsUser") == 0;
    if (root.test(pod.spec().object("securityContext"))) {
      who.add("pod");
    }
    List<String> names = pod.names(container -> root.test(container.object("securityContext")));
    if (!names.isEmpty()) {
      who.add(named(names));
    }
    return who.isEmpty()
        ? Optional.empty()
        : Optional.of("runAsUser=0 (" + String.join(" and ", who) + " must not set runAsUser=0)");
  }

  private static Optional<String> baselineSeccomp(Pod pod) {
    List<String> who = new ArrayList<>();
    Predicate<JsonObject> unconfined =
        context -> context.text("seccompProfile", "type").equals("Unconfined");
    if (unconfined.test(pod.spec().object("securityContext"))) {
      who.add("pod");
    }
    List<String> names =
        pod.names(container -> unconfined.test(container.object("securityContext")));
    if (!names.isEmpty()) {
      who.add(named(names));
    }
    List<String> details = new ArrayList<>();
    if (!who.isEmpty()) {
      details.add(
          String.join(" and ", who)
              + " must not set securityContext.seccompProfile.type to \"Unconfined\"");
    }
    pod.head()
        .annotations()
        .forEach(
            (name, value) -> {
              if ((name.equals(SECCOMP_POD) || name.startsWith(SECCOMP))
                  && value.equals("unconfined")) {
                details.add("annotation " + name + "=\"unconfined\"");
              }
            });
    return details.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "seccompProfile (" + details.stream().collect(Collectors.joining(", ")) + ")");
  }

  private static Optional<String> restrictedSeccomp(Pod pod) {
    Set<String> good = Set.of("RuntimeDefault", "Localhost");
    String podType = pod.spec().text("securityContext", "seccompProfile", "type");
    boolean podBad = !podType.isEmpty() && !good.contains(podType);
    List<String> bad = new ArrayList<>();
    List<String> silent = new ArrayList<>();
    for (JsonObject container : pod.containers()) {
      String type = container.text("securityContext", "seccompProfile", "type");
      if (!type.isEmpty() && !good.contains(type)) {
        bad.add(container.text("name"));
      } else if (type.isEmpty() && !good.contains(podType)) {
        silent.add(container.text("name"));
      }
    }
    if (podBad || !bad.isEmpty()) {
      List<String> who = new ArrayList<>();
      if (podBad) {
        who.add("pod");
      }
      if (!bad.isEmpty()) {
        who.add(named(bad));
      }
      return Optional.of(
          "seccompProfile ("
              + String.join(" and ", who)
              + " must not set securityContext.seccompProfile.type to \""
              + (podBad ? podType : "Unconfined")
              + "\")");
    }
    return silent.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "seccompProfile (pod or "
                + named(silent)
                + " must set securityContext.seccompProfile.type to \"RuntimeDefault\" or"
                + " \"Localhost\")");
  }
}
