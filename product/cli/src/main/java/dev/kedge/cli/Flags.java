package dev.kedge.cli;

import dev.kedge.lifecycle.UserException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The flags of a command as a table, and how values for them are found: the command line wins over
 * the configuration file, the file over the environment, the environment over the default.
 *
 * <p>A flag that K3s has and kedge does not support stands in the table too, with the reason:
 * naming it is refused, never ignored. A flag that nobody has is refused with the nearest known
 * one.
 */
final class Flags {
  /** How a flag takes its value. */
  enum Kind {
    /** {@code --x}, {@code --x=true|false}. */
    SWITCH,
    TEXT,
    /** May be repeated; commas separate values too. */
    LIST
  }

  /**
   * One flag.
   *
   * @param name without dashes
   * @param aliases such as {@code t}; one letter means one dash
   * @param environment variables, first one set wins
   * @param absent default value, empty where there is none
   * @param refused why the flag is not supported; empty for those that are
   */
  record Flag(
      String name,
      List<String> aliases,
      Kind kind,
      List<String> environment,
      String absent,
      String help,
      String refused) {
    static Flag of(Kind kind, String names, String environment, String absent, String help) {
      List<String> all = List.of(names.split(","));
      return new Flag(
          all.getFirst(),
          all.subList(1, all.size()),
          kind,
          environment.isEmpty() ? List.of() : List.of(environment.split(",")),
          absent,
          help,
          "");
    }

    static Flag refused(String names, String why) {
      List<String> all = List.of(names.split(","));
      return new Flag(
          all.getFirst(), all.subList(1, all.size()), Kind.TEXT, List.of(), "", "", why);
    }
  }

  private final String command;
  private final Map<String, Flag> byName = new LinkedHashMap<>();
  private final List<Flag> all;

  Flags(String command, List<Flag> all) {
    this.command = command;
    this.all = List.copyOf(all);
    for (Flag flag : all) {
      byName.put(flag.name(), flag);
      flag.aliases().forEach(alias -> byName.put(alias, flag));
    }
  }

  /** The supported flags, in the order of the table. */
  List<Flag> supported() {
    return all.stream().filter(flag -> flag.refused().isEmpty()).toList();
  }

  /**
   * Reads a command line.
   *
   * @throws UserException for an unknown flag, one that is not supported, or a missing or wrong
   *     value
   */
  Values parse(List<String> arguments) {
    Map<String, List<String>> given = new LinkedHashMap<>();
    List<String> rest = new ArrayList<>();
    for (int i = 0; i < arguments.size(); i++) {
      String argument = arguments.get(i);
      if (argument.equals("--")) {
        rest.addAll(arguments.subList(i + 1, arguments.size()));
        break;
      }
      if (!argument.startsWith("-") || argument.equals("-")) {
        rest.add(argument);
        continue;
      }
      int equals = argument.indexOf('=');
      String name =
          argument.substring(
              argument.startsWith("--") ? 2 : 1, equals < 0 ? argument.length() : equals);
      Flag flag = known(name, argument.startsWith("--") ? "--" + name : "-" + name, "");
      String value;
      if (equals >= 0) {
        value = argument.substring(equals + 1);
      } else if (flag.kind() == Kind.SWITCH) {
        value = "true";
      } else if (i + 1 < arguments.size()) {
        value = arguments.get(++i);
      } else {
        throw new UserException("--" + flag.name() + " needs a value: --" + flag.name() + "=VALUE");
      }
      add(given, flag, value, "--" + flag.name());
    }
    return new Values(given, rest);
  }

  private Flag known(String name, String shown, String where) {
    Flag flag = byName.get(name);
    if (flag == null) {
      throw new UserException(
          "unknown flag "
              + shown
              + where
              + nearest(name).map(near -> "; did you mean --" + near + "?").orElse("")
              + " (kedge "
              + command
              + " --help lists all)");
    }
    if (!flag.refused().isEmpty()) {
      throw new UserException(shown + where + " is not supported: " + flag.refused());
    }
    return flag;
  }

  private static void add(Map<String, List<String>> given, Flag flag, String value, String shown) {
    switch (flag.kind()) {
      case SWITCH -> {
        if (!value.equals("true") && !value.equals("false")) {
          throw new UserException(shown + " is a switch: true or false, not " + value);
        }
        given.put(flag.name(), List.of(value));
      }
      case TEXT -> given.put(flag.name(), List.of(value));
      case LIST ->
          given
              .computeIfAbsent(flag.name(), _ -> new ArrayList<>())
              .addAll(value.isEmpty() ? List.of() : List.of(value.split(",")));
    }
  }

  private Optional<String> nearest(String name) {
    return supported().stream()
        .map(Flag::name)
        .min(Comparator.comparingInt(known -> Distance.between(known, name)))
        .filter(known -> Distance.between(known, name) <= Math.max(2, name.length() / 3));
  }

  /** What was given, and where to look for the rest. */
  final class Values {
    private final Map<String, List<String>> commandLine;
    private final List<String> arguments;
    private Map<String, List<String>> file = Map.of();
    private Map<String, String> environment = Map.of();

    private Values(Map<String, List<String>> commandLine, List<String> arguments) {
      this.commandLine = commandLine;
      this.arguments = List.copyOf(arguments);
    }

    /** What stood beside the flags. */
    List<String> arguments() {
      return arguments;
    }

    /** Adds the environment. */
    Values withEnvironment(Map<String, String> variables) {
      environment = Map.copyOf(variables);
      return this;
    }

    /**
     * Adds a configuration file's entries.
     *
     * @throws UserException for names and values that the command line would refuse too
     */
    Values withFile(Map<String, List<String>> entries, String fileName) {
      Map<String, List<String>> checked = new LinkedHashMap<>();
      entries.forEach(
          (name, values) -> {
            Flag flag = known(name, name, " in " + fileName);
            values.forEach(value -> add(checked, flag, value, name + " in " + fileName));
          });
      file = checked;
      return this;
    }

    String text(String name) {
      List<String> values = list(name);
      return values.isEmpty() ? "" : values.getLast();
    }

    boolean isSet(String name) {
      return given(name).isPresent();
    }

    boolean on(String name) {
      return text(name).equals("true");
    }

    /**
     * An integer within bounds.
     *
     * @throws UserException if the value is not
     */
    int number(String name, int least, int most) {
      String value = text(name);
      try {
        int number = Integer.parseInt(value);
        if (number >= least && number <= most) {
          return number;
        }
      } catch (NumberFormatException e) {
        throw new UserException(
            "--" + name + " must be a number from " + least + " to " + most + ", not " + value, e);
      }
      throw new UserException(
          "--" + name + " must be a number from " + least + " to " + most + ", not " + value);
    }

    List<String> list(String name) {
      return given(name)
          .orElseGet(
              () -> {
                String absent = flag(name).absent();
                return absent.isEmpty() ? List.of() : List.of(absent.split(","));
              });
    }

    private Optional<List<String>> given(String name) {
      if (commandLine.containsKey(name)) {
        return Optional.of(commandLine.get(name));
      }
      if (file.containsKey(name)) {
        return Optional.of(file.get(name));
      }
      Flag flag = flag(name);
      for (String variable : flag.environment()) {
        String value = environment.get(variable);
        if (value != null && !value.isEmpty()) {
          Map<String, List<String>> one = new LinkedHashMap<>();
          add(one, flag, value, variable);
          return Optional.of(one.getOrDefault(flag.name(), List.of()));
        }
      }
      return Optional.empty();
    }

    private Flag flag(String name) {
      Flag flag = byName.get(name);
      if (flag == null) {
        throw new IllegalArgumentException("no flag " + name + " in the table of " + command);
      }
      return flag;
    }
  }
}
