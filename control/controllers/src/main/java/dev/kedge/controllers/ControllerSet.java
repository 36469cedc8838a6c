package dev.kedge.controllers;

import dev.kedge.reconcile.Controller;
import dev.kedge.reconcile.Controllers;
import java.util.ArrayList;
import java.util.List;

/** All controllers of the control plane, one line each. */
public final class ControllerSet implements AutoCloseable {
  private final Controllers controllers;
  private final Recorders recorders;
  private final GarbageCollector garbageCollector;

  private ControllerSet(
      List<Controller> controllers, Recorders recorders, GarbageCollector garbageCollector) {
    this.controllers = new Controllers(controllers);
    this.recorders = recorders;
    this.garbageCollector = garbageCollector;
  }

  /** Makes every controller; none works before {@link #start}. */
  public static ControllerSet all(ControllerContext context) {
    Recorders recorders = new Recorders(context);
    GarbageCollector garbageCollector = new GarbageCollector(context, recorders);
    List<Controller> all = new ArrayList<>();
    all.addAll(
        List.of(
            SystemObjectsController.create(context),
            NamespaceController.create(context),
            ServiceAccountController.create(context),
            ClusterRoleAggregationController.create(context),
            DeploymentController.create(context, recorders),
            ReplicaSetController.replicaSets(context, recorders),
            ReplicaSetController.replicationControllers(context, recorders),
            DaemonSetController.create(context, recorders),
            StatefulSetController.create(context, recorders),
            JobController.create(context, recorders),
            CronJobController.create(context, recorders),
            EndpointsController.create(context),
            EndpointSliceController.create(context),
            EndpointSliceMirror.create(context),
            VolumeController.create(context, recorders),
            EphemeralVolumeController.create(context),
            NodeLifecycleController.create(context, recorders),
            NodeCidrController.create(context, recorders),
            ServiceCidrController.create(context),
            PodGarbageController.create(context),
            DisruptionController.create(context, recorders),
            ResourceQuotaController.create(context, garbageCollector),
            AutoscalerController.create(context, recorders),
            CertificateController.create(context),
            garbageCollector.controller()));
    all.addAll(LegacyTokenController.create(context)); // where there is a key to sign with
    return new ControllerSet(all, recorders, garbageCollector);
  }

  /** Starts all; each begins to work as soon as what it reads is synced. Returns at once. */
  public void start() {
    controllers.start();
  }

  /** The controllers in the order of their start. */
  public List<Controller> controllers() {
    return controllers.all();
  }

  @Override
  public void close() {
    controllers.close();
    garbageCollector.close();
    recorders.close();
  }
}
