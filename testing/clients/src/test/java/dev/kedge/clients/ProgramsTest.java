package dev.kedge.clients;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Programs written against client-go and the Python client; they say what worked. */
@ExtendWith(Cluster.Extension.class)
class ProgramsTest {
  @Test
  void clientGoAndControllerRuntime(Cluster cluster) {
    String program = Programs.folder("go", "informers").resolve("informers").toString();
    Programs.Result result = run(cluster, List.of(program));
    assertThat(result.output())
        .contains(
            "ok discovery",
            "ok informer",
            "ok apply",
            "ok dynamic",
            "ok leader election",
            "ok controller-runtime",
            "ok clean up");
    assertThat(result.code()).as(result.output()).isZero();
  }

  @Test
  void pythonClient(Cluster cluster) {
    String python = Programs.folder("python3", "python").resolve("python").toString();
    Programs.Result result =
        run(cluster, List.of(python, Programs.MODULE.resolve("python/clients.py").toString()));
    assertThat(result.output())
        .contains("ok objects", "ok watch", "ok deployment", "ok custom resources");
    Cluster.image().ifPresent(_ -> assertThat(result.output()).contains("ok exec"));
    assertThat(result.code()).as(result.output()).isZero();
  }

  private static Programs.Result run(Cluster cluster, List<String> command) {
    Map<String, String> environment = new HashMap<>();
    environment.put("KUBECONFIG", cluster.kubeconfig().toString());
    Cluster.image().ifPresent(image -> environment.put("KEDGE_CLIENTS_IMAGE", image));
    return Programs.run(command, environment, Programs.MODULE, 180);
  }
}
