package dev.kedge.controllers;

import dev.kedge.client.Events;
import java.util.ArrayList;
import java.util.List;

/** Makes event recorders, one per component name, and closes them together. */
final class Recorders implements AutoCloseable {
  private final ControllerContext context;
  private final List<Events> recorders = new ArrayList<>();

  Recorders(ControllerContext context) {
    this.context = context;
  }

  Events of(String component) {
    Events events = new Events(context.client(), component, "", context.timeline());
    recorders.add(events);
    return events;
  }

  @Override
  public void close() {
    recorders.forEach(Events::close);
  }
}
