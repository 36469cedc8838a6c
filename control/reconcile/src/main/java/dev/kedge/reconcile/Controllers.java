package dev.kedge.reconcile;

import java.util.List;

/** Controllers that live and die together: started in order, closed in reverse. */
public final class Controllers implements AutoCloseable {
  private final List<Controller> controllers;

  /** Takes controllers that were not started. */
  public Controllers(List<Controller> controllers) {
    this.controllers = List.copyOf(controllers);
  }

  /** Starts all; returns at once, each begins to work when its informers are synced. */
  public void start() {
    controllers.forEach(Controller::start);
  }

  /** The controllers in order. */
  public List<Controller> all() {
    return controllers;
  }

  @Override
  public void close() {
    controllers.reversed().forEach(Controller::close);
  }
}
