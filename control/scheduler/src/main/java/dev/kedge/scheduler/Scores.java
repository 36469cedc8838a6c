package dev.kedge.scheduler;

import dev.kedge.scheduler.PodInfo.Spread;
import dev.kedge.scheduler.PodInfo.Weighted;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The scores with their weights. Each fills an array with a number per node, whose scale it chooses
 * itself; {@link #rank} brings them to 0 to 100 and adds them up by weight.
 */
final class Scores {
  /** One consideration; {@code less} means that smaller numbers are better. */
  record Score(int weight, Scale scale, Rule rule) {}

  /** How raw numbers become 0 to 100. */
  enum Scale {
    /** They are already. */
    READY,
    /** The largest becomes 100. */
    MORE_IS_BETTER,
    /** The largest becomes 0. */
    LESS_IS_BETTER,
    /** The smallest becomes 0, the largest 100; numbers may be negative. */
    RANGE
  }

  @FunctionalInterface
  interface Rule {
    void score(Cycle cycle, List<NodeInfo> nodes, double[] raw);
  }

  static final List<Score> ALL =
      List.of(
          new Score(3, Scale.LESS_IS_BETTER, Scores::preferNoSchedule),
          new Score(2, Scale.MORE_IS_BETTER, Scores::preferredNodes),
          new Score(1, Scale.READY, Scores::leastAllocated),
          new Score(1, Scale.READY, Scores::balanced),
          new Score(2, Scale.LESS_IS_BETTER, Scores::spread),
          new Score(2, Scale.RANGE, Scores::podAffinity),
          new Score(1, Scale.READY, Scores::imageLocality));

  private static final long MEGABYTE = 1024 * 1024;

  private Scores() {}

  /** The total per node, in the order of the nodes; higher is better. */
  static double[] rank(Cycle cycle, List<NodeInfo> nodes) {
    double[] total = new double[nodes.size()];
    for (Score score : ALL) {
      double[] raw = new double[nodes.size()];
      score.rule().score(cycle, nodes, raw);
      double most = Double.NEGATIVE_INFINITY;
      double least = Double.POSITIVE_INFINITY;
      for (double number : raw) {
        most = Math.max(most, number);
        least = Math.min(least, number);
      }
      for (int i = 0; i < raw.length; i++) {
        total[i] +=
            score.weight()
                * switch (score.scale()) {
                  case READY -> raw[i];
                  case MORE_IS_BETTER -> most > 0 ? 100 * raw[i] / most : 0;
                  case LESS_IS_BETTER -> most > 0 ? 100 * (most - raw[i]) / most : 100;
                  case RANGE -> most > least ? 100 * (raw[i] - least) / (most - least) : 0;
                };
      }
    }
    return total;
  }

  private static void preferNoSchedule(Cycle cycle, List<NodeInfo> nodes, double[] raw) {
    for (int i = 0; i < raw.length; i++) {
      raw[i] =
          nodes.get(i).spec().taints().stream()
              .filter(taint -> taint.effect().equals("PreferNoSchedule"))
              .filter(taint -> !Taints.tolerated(taint, cycle.pod().tolerations()))
              .count();
    }
  }

  private static void preferredNodes(Cycle cycle, List<NodeInfo> nodes, double[] raw) {
    for (Weighted<NodeSelection.Term> wish : cycle.pod().preferredNodes()) {
      for (int i = 0; i < raw.length; i++) {
        NodeInfo node = nodes.get(i);
        if (wish.term().matches(node.spec().labels(), node.name())) {
          raw[i] += wish.weight();
        }
      }
    }
  }

  private static void leastAllocated(Cycle cycle, List<NodeInfo> nodes, double[] raw) {
    for (int i = 0; i < raw.length; i++) {
      double cpu = share(cycle, nodes.get(i), true);
      double memory = share(cycle, nodes.get(i), false);
      raw[i] = (100 * (1 - cpu) + 100 * (1 - memory)) / 2;
    }
  }

  private static void balanced(Cycle cycle, List<NodeInfo> nodes, double[] raw) {
    for (int i = 0; i < raw.length; i++) {
      double difference =
          Math.abs(share(cycle, nodes.get(i), true) - share(cycle, nodes.get(i), false));
      raw[i] = 100 * (1 - difference / 2);
    }
  }

  private static double share(Cycle cycle, NodeInfo node, boolean cpu) {
    Amounts has = node.spec().allocatable();
    long all = cpu ? has.cpu() : has.memory();
    long used =
        cpu
            ? node.load().cpu() + cycle.pod().load().cpu()
            : node.load().memory() + cycle.pod().load().memory();
    return all <= 0 ? 1 : Math.min(1, (double) used / all);
  }

  /** Soft spread constraints; without any, away from pods of the same controller. */
  private static void spread(Cycle cycle, List<NodeInfo> nodes, double[] raw) {
    List<Spread> soft =
        cycle.pod().spreads().stream().filter(constraint -> !constraint.hard()).toList();
    if (soft.isEmpty() && cycle.pod().spreads().isEmpty()) {
      String owner = cycle.pod().controllerUid();
      for (int i = 0; i < raw.length && !owner.isEmpty(); i++) {
        raw[i] =
            nodes.get(i).pods().stream().filter(pod -> pod.controllerUid().equals(owner)).count();
      }
      return;
    }
    for (Spread constraint : soft) {
      Map<String, Integer> counts = new HashMap<>();
      for (NodeInfo node : cycle.nodes()) {
        String domain = node.spec().labels().get(constraint.topologyKey());
        if (domain != null) {
          counts.merge(domain, cycle.matching(constraint, node), Integer::sum);
        }
      }
      int worst = counts.values().stream().mapToInt(Integer::intValue).max().orElse(0);
      // Large domains differ by more pods than small ones; the logarithm evens that out.
      double weight = Math.log(counts.size() + 2);
      for (int i = 0; i < raw.length; i++) {
        String domain = nodes.get(i).spec().labels().get(constraint.topologyKey());
        raw[i] += weight * (domain == null ? worst + 1 : counts.getOrDefault(domain, 0));
      }
    }
  }

  private static void podAffinity(Cycle cycle, List<NodeInfo> nodes, double[] raw) {
    Map<String, Map<String, Long>> weights = cycle.affinityWeights();
    for (int i = 0; i < raw.length; i++) {
      Map<String, String> labels = nodes.get(i).spec().labels();
      for (Map.Entry<String, Map<String, Long>> key : weights.entrySet()) {
        String value = labels.get(key.getKey());
        if (value != null) {
          raw[i] += key.getValue().getOrDefault(value, 0L);
        }
      }
    }
  }

  private static void imageLocality(Cycle cycle, List<NodeInfo> nodes, double[] raw) {
    for (String image : cycle.pod().images()) {
      String name = normalized(image);
      int having = 0;
      for (NodeInfo node : nodes) {
        having += node.spec().images().containsKey(name) ? 1 : 0;
      }
      for (int i = 0; i < raw.length; i++) {
        Long size = nodes.get(i).spec().images().get(name);
        if (size != null) {
          // Images that few nodes have weigh less, so that one node does not draw every pod.
          raw[i] += (double) size * having / nodes.size();
        }
      }
    }
    double low = 23.0 * MEGABYTE;
    double high = 1000.0 * MEGABYTE * Math.max(1, cycle.pod().images().size());
    for (int i = 0; i < raw.length; i++) {
      raw[i] = 100 * (Math.min(Math.max(raw[i], low), high) - low) / (high - low);
    }
  }

  private static String normalized(String image) {
    int slash = image.lastIndexOf('/');
    return image.indexOf(':', slash + 1) < 0 && !image.contains("@") ? image + ":latest" : image;
  }
}
