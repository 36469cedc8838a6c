package dev.kedge.network.dns;

import java.util.List;
import org.xbill.DNS.Record;

/** What the cluster's zone says to a question. */
sealed interface Answer {
  /** There is such a name; without answers it has no records of the type asked for. */
  record Found(List<Record> answers, List<Record> additional) implements Answer {
    public Found {
      answers = List.copyOf(answers);
      additional = List.copyOf(additional);
    }
  }

  /** There is no such name in the zone. */
  record NoSuchName() implements Answer {}

  /** The name is another's: ask upstream. */
  record Elsewhere() implements Answer {}

  Answer NO_DATA = new Found(List.of(), List.of());
  Answer NO_SUCH_NAME = new NoSuchName();
  Answer ELSEWHERE = new Elsewhere();
}
