package dev.kedge.registry;

import java.time.Clock;

/** Custom resource definitions. */
final class CustomResources implements WriteHook, AutoCloseable {
  CustomResources(CatalogHolder catalogs, Objects objects, Clock clock) {}

  void deleteWith(Deletes deletes, Writes writes) {}

  void start() {}

  void requireNotTerminating(Served served, String verb) {}

  @Override
  public void close() {}
}
