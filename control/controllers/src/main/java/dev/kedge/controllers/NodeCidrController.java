package dev.kedge.controllers;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.client.KubeClient.Patch;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ObjectKey;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Gives each node its share of the pod networks ({@code spec.podCIDR}, {@code spec.podCIDRs}). */
final class NodeCidrController implements Reconciler {
  private final KubeClient client;
  private final Events events;
  private final Informer nodes;
  private final List<Range> ranges = new ArrayList<>();

  /** A network that is cut into shares of equal size. */
  private record Range(BigInteger base, int prefix, int share, int bits) {
    static Range of(String cidr, int share) {
      int slash = cidr.indexOf('/');
      try {
        byte[] address = InetAddress.getByName(cidr.substring(0, slash)).getAddress();
        return new Range(
            new BigInteger(1, address),
            Integer.parseInt(cidr.substring(slash + 1)),
            share,
            address.length * 8);
      } catch (UnknownHostException e) {
        throw new IllegalArgumentException("not a network: " + cidr, e);
      }
    }

    long shares() {
      return 1L << Math.min(62, share - prefix);
    }

    String at(long index) {
      byte[] number = base.add(BigInteger.valueOf(index).shiftLeft(bits - share)).toByteArray();
      byte[] address = new byte[bits / 8];
      for (int i = 0; i < Math.min(number.length, address.length); i++) {
        address[address.length - 1 - i] = number[number.length - 1 - i];
      }
      try {
        return InetAddress.getByAddress(address).getHostAddress() + "/" + share;
      } catch (UnknownHostException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  private NodeCidrController(ControllerContext context, Events events) {
    this.client = context.client();
    this.events = events;
    this.nodes = context.informer(Resources.NODES);
    List<String> cidrs = context.settings().clusterCidrs();
    for (int i = 0; i < cidrs.size(); i++) {
      ranges.add(Range.of(cidrs.get(i), context.settings().nodeMaskSizes().get(i)));
    }
  }

  static Controller create(ControllerContext context, Recorders recorders) {
    NodeCidrController reconciler = new NodeCidrController(context, recorders.of("cidrAllocator"));
    // One at a time: two nodes must not be given the same share.
    return Controller.builder("node-ipam", context.timeline(), reconciler)
        .workers(1)
        .changes(
            reconciler.nodes,
            (before, after) ->
                before.isEmpty() && after.isPresent() ? List.of(after.get().key()) : List.of())
        .build();
  }

  @Override
  public Result reconcile(ObjectKey key) throws InterruptedException {
    Optional<KubeObject> node = nodes.get(key);
    if (node.isEmpty() || !node.get().spec().text("podCIDR").isEmpty() || ranges.isEmpty()) {
      return Result.DONE;
    }
    Set<String> taken = new HashSet<>();
    for (KubeObject other : nodes.all()) {
      taken.add(other.spec().text("podCIDR"));
      taken.addAll(other.spec().strings("podCIDRs"));
    }
    List<String> shares = new ArrayList<>();
    for (Range range : ranges) {
      Optional<String> free = Optional.empty();
      for (long i = 0; i < range.shares() && free.isEmpty(); i++) {
        free = Optional.of(range.at(i)).filter(cidr -> !taken.contains(cidr));
      }
      if (free.isEmpty()) {
        events.normal(
            node.get(),
            "CIDRNotAvailable",
            "Node " + key.name() + " status is now: CIDRNotAvailable");
        throw new IllegalStateException(
            "no pod network left for node " + key.name() + ": widen --cluster-cidr");
      }
      shares.add(free.get());
    }
    Writes.awaitSeen(
        nodes,
        client.patch(
            Resources.NODES,
            "",
            key.name(),
            Patch.merge(
                JsonObject.of(
                    "spec", JsonObject.of("podCIDR", shares.getFirst(), "podCIDRs", shares)))));
    return Result.DONE;
  }
}
