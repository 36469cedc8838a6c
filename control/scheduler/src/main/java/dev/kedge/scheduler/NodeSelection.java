package dev.kedge.scheduler;

import dev.kedge.model.JsonObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.LabelSelector.Requirement;
import java.util.List;
import java.util.Map;

/**
 * A {@code NodeSelector}: terms joined by "or", each of requirements on labels and on {@code
 * metadata.name}, compiled once.
 */
public record NodeSelection(List<Term> terms) {
  /** One term; an empty one selects no node. */
  public record Term(List<Requirement> labels, List<Requirement> fields) {
    /** Reads one of {@code nodeSelectorTerms}, or a {@code preference}. */
    public static Term of(JsonObject term) {
      return new Term(
          term.objects("matchExpressions").stream().map(LabelSelector::requirement).toList(),
          term.objects("matchFields").stream().map(LabelSelector::requirement).toList());
    }

    /** Whether a node of these labels and this name fulfils the term. */
    public boolean matches(Map<String, String> nodeLabels, String nodeName) {
      if (labels.isEmpty() && fields.isEmpty()) {
        return false;
      }
      for (Requirement requirement : labels) {
        if (!requirement.matches(nodeLabels)) {
          return false;
        }
      }
      for (Requirement requirement : fields) {
        if (!requirement.matches(Map.of("metadata.name", nodeName))) {
          return false;
        }
      }
      return true;
    }
  }

  public NodeSelection {
    terms = List.copyOf(terms);
  }

  /** Reads a {@code NodeSelector} object. */
  public static NodeSelection of(JsonObject selector) {
    return new NodeSelection(selector.objects("nodeSelectorTerms").stream().map(Term::of).toList());
  }

  /** Whether a node fulfils one of the terms. */
  public boolean matches(Map<String, String> nodeLabels, String nodeName) {
    for (Term term : terms) {
      if (term.matches(nodeLabels, nodeName)) {
        return true;
      }
    }
    return false;
  }

  /** Whether a node fulfils a pod's {@code nodeSelector} and required node affinity. */
  public static boolean podMatches(
      JsonObject podSpec, Map<String, String> nodeLabels, String nodeName) {
    for (Map.Entry<String, String> wanted : podSpec.map("nodeSelector").entrySet()) {
      if (!wanted.getValue().equals(nodeLabels.get(wanted.getKey()))) {
        return false;
      }
    }
    JsonObject required =
        podSpec.object(
            "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution");
    return required.isEmpty() || of(required).matches(nodeLabels, nodeName);
  }
}
