package dev.kedge.cli.kubectl;

/**
 * One flag of a command.
 *
 * @param shorthand the letter after a single dash, 0 where there is none
 * @param initial value when the flag is not given
 * @param implied value of a flag given without one, for {@link Kind#OPTIONAL}
 */
record Flag(
    String name, char shorthand, Kind kind, String initial, String implied, String description) {
  enum Kind {
    /** Takes a value. */
    TEXT,
    /** true, or {@code --flag=false}. */
    SWITCH,
    /** May stand alone or be given a value after an equals sign. */
    OPTIONAL,
    /** May be repeated; every occurrence is one value. */
    REPEATED,
    /** May be repeated; commas divide values. */
    LIST
  }

  static Flag text(String name, char shorthand, String initial, String description) {
    return new Flag(name, shorthand, Kind.TEXT, initial, "", description);
  }

  static Flag text(String name, String description) {
    return text(name, '\0', "", description);
  }

  static Flag toggle(String name, char shorthand, String description) {
    return new Flag(name, shorthand, Kind.SWITCH, "false", "true", description);
  }

  static Flag toggle(String name, String description) {
    return toggle(name, '\0', description);
  }

  static Flag on(String name, String description) {
    return new Flag(name, '\0', Kind.SWITCH, "true", "true", description);
  }

  static Flag optional(String name, String initial, String implied, String description) {
    return new Flag(name, '\0', Kind.OPTIONAL, initial, implied, description);
  }

  static Flag repeated(String name, char shorthand, String description) {
    return new Flag(name, shorthand, Kind.REPEATED, "", "", description);
  }

  static Flag list(String name, char shorthand, String description) {
    return new Flag(name, shorthand, Kind.LIST, "", "", description);
  }
}
