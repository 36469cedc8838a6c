package dev.kedge.cli.kubectl;

import dev.kedge.model.Durations;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A command line taken apart by a table of flags, as pflag does it. Immutable once parsed. */
final class Arguments {
  private final Map<String, Flag> known = new HashMap<>();
  private final Map<Character, Flag> shorthands = new HashMap<>();
  private final Map<String, List<String>> values = new HashMap<>();
  private final List<String> positionals = new ArrayList<>();
  private int dash = -1;

  private Arguments(List<Flag> flags) {
    for (Flag flag : flags) {
      known.put(flag.name(), flag);
      if (flag.shorthand() != 0) {
        shorthands.put(flag.shorthand(), flag);
      }
    }
  }

  /**
   * Reads a command line.
   *
   * @throws UsageException if a flag is unknown (naming the nearest known one) or lacks its value
   */
  static Arguments parse(List<Flag> flags, List<String> line) {
    Arguments arguments = new Arguments(flags);
    for (int i = 0; i < line.size(); i++) {
      String word = line.get(i);
      if (word.equals("--")) {
        arguments.dash = arguments.positionals.size();
        arguments.positionals.addAll(line.subList(i + 1, line.size()));
        break;
      }
      if (word.startsWith("--")) {
        i = arguments.named(word.substring(2), line, i);
      } else if (word.length() > 1 && word.startsWith("-")) {
        i = arguments.shorthands(word.substring(1), line, i);
      } else {
        arguments.positionals.add(word);
      }
    }
    return arguments;
  }

  private int named(String word, List<String> line, int at) {
    int equals = word.indexOf('=');
    String name = equals < 0 ? word : word.substring(0, equals);
    Flag flag = known.get(name);
    if (flag == null) {
      throw new UsageException(
          "unknown flag: --"
              + name
              + nearest(name).map(near -> " (did you mean --" + near + "?)").orElse(""));
    }
    if (equals >= 0) {
      add(flag, word.substring(equals + 1));
      return at;
    }
    return value(flag, "--" + name, line, at);
  }

  private int shorthands(String letters, List<String> line, int at) {
    for (int i = 0; i < letters.length(); i++) {
      Flag flag = shorthands.get(letters.charAt(i));
      if (flag == null) {
        throw new UsageException(
            "unknown shorthand flag: '" + letters.charAt(i) + "' in -" + letters);
      }
      if (i + 1 < letters.length() && letters.charAt(i + 1) == '=') {
        add(flag, letters.substring(i + 2));
        return at;
      }
      if (flag.kind() == Flag.Kind.SWITCH) {
        add(flag, "true");
      } else if (i + 1 < letters.length()) {
        add(flag, letters.substring(i + 1));
        return at;
      } else {
        return value(flag, "'" + flag.shorthand() + "' in -" + letters, line, at);
      }
    }
    return at;
  }

  private int value(Flag flag, String shown, List<String> line, int at) {
    if (flag.kind() == Flag.Kind.SWITCH || flag.kind() == Flag.Kind.OPTIONAL) {
      add(flag, flag.implied());
      return at;
    }
    if (at + 1 >= line.size()) {
      throw new UsageException("flag needs an argument: " + shown);
    }
    add(flag, line.get(at + 1));
    return at + 1;
  }

  private void add(Flag flag, String value) {
    if (flag.kind() == Flag.Kind.SWITCH && !value.equals("true") && !value.equals("false")) {
      throw new UsageException(
          "invalid argument \""
              + value
              + "\" for \"--"
              + flag.name()
              + "\" flag: must be true or false");
    }
    List<String> list = values.computeIfAbsent(flag.name(), _ -> new ArrayList<>());
    switch (flag.kind()) {
      case REPEATED -> list.add(value);
      case LIST -> list.addAll(List.of(value.split(",")));
      case TEXT, SWITCH, OPTIONAL -> {
        list.clear();
        list.add(value);
      }
    }
  }

  private Optional<String> nearest(String name) {
    return Nearest.of(name, known.keySet());
  }

  /** Words that are no flags, those after {@code --} included. */
  List<String> positionals() {
    return positionals;
  }

  /** Words before {@code --}. */
  List<String> beforeDash() {
    return dash < 0 ? positionals : positionals.subList(0, dash);
  }

  /** Words after {@code --}. */
  List<String> afterDash() {
    return dash < 0 ? List.of() : positionals.subList(dash, positionals.size());
  }

  boolean hasDash() {
    return dash >= 0;
  }

  /** Whether the flag stands on the command line. */
  boolean given(String name) {
    return values.containsKey(name);
  }

  private Flag flag(String name) {
    Flag flag = known.get(name);
    if (flag == null) {
      throw new IllegalArgumentException("no such flag in the table: " + name);
    }
    return flag;
  }

  String text(String name) {
    List<String> list = values.get(name);
    return list == null || list.isEmpty() ? flag(name).initial() : list.getLast();
  }

  boolean on(String name) {
    return text(name).equals("true");
  }

  List<String> list(String name) {
    return values.getOrDefault(flag(name).name(), List.of());
  }

  long number(String name) {
    try {
      return Long.parseLong(text(name));
    } catch (NumberFormatException e) {
      throw new UsageException(
          "invalid argument \"" + text(name) + "\" for \"--" + name + "\" flag: not a number");
    }
  }

  /** A duration; a bare number counts as seconds. */
  Duration duration(String name) {
    String text = text(name);
    if (text.matches("-?\\d+")) {
      return Duration.ofSeconds(Long.parseLong(text));
    }
    return Durations.find(text)
        .orElseThrow(
            () ->
                new UsageException(
                    "invalid argument \""
                        + text
                        + "\" for \"--"
                        + name
                        + "\" flag: time: invalid duration \""
                        + text
                        + "\""));
  }
}
