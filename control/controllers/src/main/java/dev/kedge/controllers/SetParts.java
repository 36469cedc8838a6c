package dev.kedge.controllers;

import dev.kedge.client.Events;
import dev.kedge.client.Informer;
import dev.kedge.client.KubeClient;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Reconciler;
import dev.kedge.reconcile.Timeline;
import java.util.List;

/**
 * What the controllers of DaemonSets and StatefulSets work with alike: sets whose pods they make
 * themselves, and whose templates of old they keep as ControllerRevisions.
 */
record SetParts(
    ResourceType type,
    KubeClient client,
    Timeline timeline,
    Events events,
    Informer sets,
    Informer pods,
    Informer revisions,
    PodControl podControl) {

  static SetParts of(ControllerContext context, ResourceType type, Events events) {
    Informer pods = context.informer(Resources.PODS);
    return new SetParts(
        type,
        context.client(),
        context.timeline(),
        events,
        context.informer(type),
        pods,
        context.informer(Resources.CONTROLLER_REVISIONS),
        new PodControl(context.client(), pods, events));
  }

  /** A controller that looks at a set when it, one of its pods, or a revision changes. */
  Controller.Builder controller(String name, Reconciler reconciler) {
    return Controller.builder(name, timeline, reconciler)
        .watches(sets)
        .owned(pods, type)
        .owned(revisions, type);
  }

  /** The pods of a set, matching orphans adopted. */
  List<KubeObject> claimPods(KubeObject set) throws InterruptedException {
    return Owners.claim(
        client, type, set, LabelSelector.of(set.spec().object("selector")), Resources.PODS, pods);
  }

  /** The templates that a set ever had. */
  Revisions history(KubeObject set) throws InterruptedException {
    return new Revisions(client, revisions, type, set);
  }
}
