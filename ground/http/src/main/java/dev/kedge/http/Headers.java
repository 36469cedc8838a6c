package dev.kedge.http;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Header fields in order; names are compared without case. Immutable. */
public record Headers(List<Header> all) {
  /** One field. */
  public record Header(String name, String value) {}

  /** No fields. */
  public static final Headers NONE = new Headers(List.of());

  public Headers {
    all = List.copyOf(all);
  }

  /** Alternating names and values. */
  public static Headers of(String... namesAndValues) {
    List<Header> all = new ArrayList<>();
    for (int i = 0; i < namesAndValues.length; i += 2) {
      all.add(new Header(namesAndValues[i], namesAndValues[i + 1]));
    }
    return new Headers(all);
  }

  /** These fields and one more. */
  public Headers and(String name, String value) {
    List<Header> more = new ArrayList<>(all);
    more.add(new Header(name, value));
    return new Headers(more);
  }

  /** These fields without those of a name. */
  public Headers without(String name) {
    return new Headers(
        all.stream().filter(header -> !header.name().equalsIgnoreCase(name)).toList());
  }

  // Loops, not streams: every request asks for a dozen fields.

  /** The first value of a field. */
  public Optional<String> first(String name) {
    for (Header header : all) {
      if (header.name().equalsIgnoreCase(name)) {
        return Optional.of(header.value());
      }
    }
    return Optional.empty();
  }

  /** All values of a field, in order. */
  public List<String> values(String name) {
    List<String> values = new ArrayList<>(1);
    for (Header header : all) {
      if (header.name().equalsIgnoreCase(name)) {
        values.add(header.value());
      }
    }
    return List.copyOf(values);
  }
}
