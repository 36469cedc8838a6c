package dev.kedge.store.etcd;

import dev.kedge.store.EngineBenchmark;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** Prints what etcd costs, with one member that syncs to the disk under the temporary directory. */
@EnabledIfSystemProperty(named = "kedge.benchmark", matches = "true")
class EtcdBenchmark {
  @Test
  void etcd() throws Exception {
    try (EtcdProcesses etcd = EtcdProcesses.startOnDisk()) {
      EngineBenchmark.measure("etcd", () -> etcd.open(""), true);
    }
  }
}
