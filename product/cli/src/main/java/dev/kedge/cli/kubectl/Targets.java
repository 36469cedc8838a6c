package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import java.util.ArrayList;
import java.util.List;

/** Takes {@code pods web-1}, {@code pod/web-1 svc/web} and {@code pods,services} apart. */
final class Targets {
  private Targets() {}

  /** A resource and the names asked for; no names mean all of it. */
  record Target(Served served, List<String> names) {}

  /**
   * Reads resource arguments.
   *
   * @throws UsageException in kubectl's words
   */
  static List<Target> parse(Session session, List<String> words) {
    if (words.isEmpty()) {
      throw new UsageException(
          "You must specify the type of resource to " + session.verb().name() + ".");
    }
    Discovery discovery = session.discovery();
    List<Target> targets = new ArrayList<>();
    if (words.stream().anyMatch(word -> word.contains("/"))) {
      for (String word : words) {
        String[] parts = word.split("/", -1);
        if (parts.length == 1) {
          throw new UsageException(
              "there is no need to specify a resource type as a separate argument when passing"
                  + " arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>'"
                  + " instead of 'kubectl get resource resource/<resource_name>'");
        }
        if (parts.length != 2 || parts[0].isEmpty() || parts[1].isEmpty()) {
          throw new UsageException(
              "arguments in resource/name form may not have more than one slash");
        }
        add(targets, discovery.find(parts[0]), parts[1]);
      }
      return targets;
    }
    List<String> names = words.subList(1, words.size());
    for (String word : words.getFirst().split(",")) {
      List<Served> category =
          word.isEmpty() || word.contains(".") ? List.of() : discovery.category(word);
      if (!category.isEmpty()) {
        category.stream()
            .filter(served -> served.can("list"))
            .forEach(served -> targets.add(new Target(served, names)));
      } else {
        targets.add(new Target(discovery.find(word), names));
      }
    }
    return targets;
  }

  private static void add(List<Target> targets, Served served, String name) {
    if (!targets.isEmpty() && targets.getLast().served().equals(served)) {
      List<String> names = new ArrayList<>(targets.getLast().names());
      names.add(name);
      targets.set(targets.size() - 1, new Target(served, names));
    } else {
      targets.add(new Target(served, List.of(name)));
    }
  }
}
