package dev.kedge.model;

import java.util.ArrayList;
import java.util.List;

/**
 * Names that stood twice in one mapping of a text; the last one counted. Kubernetes tells of those
 * in JSON by their paths and of those in YAML by their lines, so at most one of the two is filled.
 *
 * @param paths of repeated fields in JSON, such as {@code spec.replicas}
 * @param lines of repeated keys in YAML, such as {@code line 9: key "replicas" already set in map}
 */
public record Duplicates(List<String> paths, List<String> lines) {
  public static final Duplicates NONE = new Duplicates(List.of(), List.of());

  public Duplicates {
    paths = List.copyOf(paths);
    lines = List.copyOf(lines);
  }

  public boolean isEmpty() {
    return paths.isEmpty() && lines.isEmpty();
  }

  /** One sentence for each, as warnings have them. */
  public List<String> sentences() {
    List<String> sentences = new ArrayList<>(lines);
    paths.forEach(path -> sentences.add(SchemaDecoder.duplicateFault(path)));
    return sentences;
  }

  /** Those of YAML as one sentence, in goyaml's form. */
  public String yamlFault() {
    return "yaml: unmarshal errors:\n  " + String.join("\n  ", lines);
  }
}
