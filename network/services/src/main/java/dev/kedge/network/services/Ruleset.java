package dev.kedge.network.services;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * The part of the nftables table that changes: chains of Services, dynamic sets for affinity, and
 * the elements of the fixed maps and sets. Two of them give the commands that lead from one to the
 * other.
 */
final class Ruleset {
  private final Map<String, List<String>> chains = new TreeMap<>();

  /** Affinity sets by name, with their seconds. */
  private final Map<String, Long> affinitySets = new TreeMap<>();

  /** Elements by map or set name; the value is empty in sets. */
  private final Map<String, Map<String, String>> elements = new TreeMap<>();

  /** Addresses behind each UDP front, whose tracked connections must go when they go. */
  private final Map<UdpFront, Set<String>> udp = new HashMap<>();

  /**
   * What UDP clients send to.
   *
   * @param address empty for a port of every address of the node
   */
  record UdpFront(String address, int port) {}

  void chain(String name, List<String> rules) {
    chains.put(name, List.copyOf(rules));
  }

  void affinitySet(String name, long seconds) {
    affinitySets.put(name, seconds);
  }

  /** Adds an element; the first one with a key stays. Returns whether it was added. */
  boolean element(String map, String key, String value) {
    return elements.computeIfAbsent(map, _ -> new TreeMap<>()).putIfAbsent(key, value) == null;
  }

  void udp(String address, int port, Collection<String> endpoints) {
    udp.computeIfAbsent(new UdpFront(address, port), _ -> new TreeSet<>()).addAll(endpoints);
  }

  Map<UdpFront, Set<String>> udp() {
    return udp;
  }

  boolean sameRules(Ruleset other) {
    return chains.equals(other.chains)
        && affinitySets.equals(other.affinitySets)
        && elements.equals(other.elements);
  }

  /**
   * The commands that turn a table with the rules of {@code before} into one with these, to be run
   * as one transaction. Chains and sets that are no longer used are emptied and put into {@code
   * stale}: older kernels refuse to delete them in the transaction that drops the last reference,
   * so the next one does.
   */
  String changesFrom(Ruleset before, Stale stale) {
    List<String> out = new ArrayList<>();
    stale.chains.removeAll(chains.keySet());
    stale.sets.removeAll(affinitySets.keySet());
    stale.chains.forEach(chain -> out.add("delete chain ip kedge " + chain));
    stale.sets.forEach(set -> out.add("delete set ip kedge " + set));
    stale.chains.clear();
    stale.sets.clear();

    affinitySets.forEach(
        (set, seconds) -> {
          if (!before.affinitySets.containsKey(set)) {
            out.add(
                "add set ip kedge "
                    + set
                    + " { type ipv4_addr; flags dynamic,timeout; timeout "
                    + seconds
                    + "s; }");
          }
        });
    Map<String, List<String>> changed = new LinkedHashMap<>();
    chains.forEach(
        (chain, rules) -> {
          if (!rules.equals(before.chains.get(chain))) {
            changed.put(chain, rules);
            out.add("add chain ip kedge " + chain);
          }
        });
    changed.forEach(
        (chain, rules) -> {
          out.add("flush chain ip kedge " + chain);
          rules.forEach(rule -> out.add("add rule ip kedge " + chain + " " + rule));
        });
    Set<String> maps = new TreeSet<>(before.elements.keySet());
    maps.addAll(elements.keySet());
    for (String map : maps) {
      Map<String, String> old = before.elements.getOrDefault(map, Map.of());
      Map<String, String> now = elements.getOrDefault(map, Map.of());
      List<String> gone = new ArrayList<>();
      old.forEach(
          (key, value) -> {
            if (!value.equals(now.get(key))) {
              gone.add(key);
            }
          });
      List<String> added = new ArrayList<>();
      now.forEach(
          (key, value) -> {
            if (!value.equals(old.get(key))) {
              added.add(value.isEmpty() ? key : key + " : " + value);
            }
          });
      if (!gone.isEmpty()) {
        out.add("delete element ip kedge " + map + " { " + String.join(", ", gone) + " }");
      }
      if (!added.isEmpty()) {
        out.add("add element ip kedge " + map + " { " + String.join(", ", added) + " }");
      }
    }
    before.chains.keySet().stream()
        .filter(chain -> !chains.containsKey(chain))
        .forEach(
            chain -> {
              out.add("flush chain ip kedge " + chain);
              stale.chains.add(chain);
            });
    before.affinitySets.keySet().stream()
        .filter(set -> !affinitySets.containsKey(set))
        .forEach(stale.sets::add);
    return String.join("\n", out) + "\n";
  }

  /** Emptied chains and unused sets that the next transaction deletes. */
  static final class Stale {
    private final Set<String> chains = new TreeSet<>();
    private final Set<String> sets = new TreeSet<>();
  }
}
