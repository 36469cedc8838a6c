package dev.kedge.registry.kinds;

import java.time.DateTimeException;
import java.time.ZoneId;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The syntax of a CronJob's schedule, with the messages of the parser upstream uses. */
final class CronSchedule {
  private static final List<String> MONTHS =
      List.of("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec");
  private static final List<String> DAYS = List.of("sun", "mon", "tue", "wed", "thu", "fri", "sat");

  private CronSchedule() {}

  /** What is wrong with a schedule; empty if it is right. */
  static Optional<String> fault(String schedule) {
    String text = schedule;
    if (text.startsWith("TZ=") || text.startsWith("CRON_TZ=")) {
      int space = text.indexOf(' ');
      if (space < 0) {
        return Optional.of("expected exactly 5 fields, found 0: []");
      }
      String zone = text.substring(text.indexOf('=') + 1, space);
      if (!isZone(zone)) {
        return Optional.of("provided bad location " + zone + ": unknown time zone " + zone);
      }
      text = text.substring(space).strip();
    }
    if (text.startsWith("@")) {
      return descriptor(text);
    }
    String[] fields = text.isBlank() ? new String[0] : text.strip().split("\\s+");
    if (fields.length != 5) {
      return Optional.of(
          "expected exactly 5 fields, found "
              + fields.length
              + ": ["
              + String.join(" ", fields)
              + "]");
    }
    int[][] bounds = {{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 6}};
    for (int i = 0; i < 5; i++) {
      for (String part : fields[i].split(",")) {
        Optional<String> fault =
            part(
                part,
                bounds[i][0],
                bounds[i][1],
                i == 3 ? MONTHS : i == 4 ? DAYS : List.of(),
                i == 3 ? 1 : 0);
        if (fault.isPresent()) {
          return fault;
        }
      }
    }
    return Optional.empty();
  }

  /** Whether a name is a time zone's. */
  static boolean isZone(String name) {
    try {
      return !name.isEmpty() && ZoneId.of(name) != null;
    } catch (DateTimeException _) {
      return false;
    }
  }

  private static Optional<String> descriptor(String text) {
    return switch (text) {
      case "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly" ->
          Optional.empty();
      default -> {
        if (text.startsWith("@every ")) {
          String duration = text.substring(7);
          yield dev.kedge.model.Durations.find(duration).isPresent()
              ? Optional.empty()
              : Optional.of(
                  "failed to parse duration "
                      + text
                      + ": time: invalid duration \""
                      + duration
                      + "\"");
        }
        yield Optional.of("unrecognized descriptor: " + text);
      }
    };
  }

  private static Optional<String> part(
      String part, int least, int most, List<String> names, int firstName) {
    String[] stepped = part.split("/", -1);
    if (stepped.length > 2) {
      return Optional.of("too many slashes: " + part);
    }
    String[] range = stepped[0].split("-", -1);
    if (range.length > 2) {
      return Optional.of("too many hyphens: " + part);
    }
    int start = least;
    int end = most;
    if (!range[0].equals("*") && !range[0].equals("?")) {
      Optional<Integer> first = number(range[0], names, firstName);
      if (first.isEmpty()) {
        return Optional.of(unreadable(range[0]));
      }
      start = first.get();
      end = stepped.length == 2 ? most : start;
      if (range.length == 2) {
        Optional<Integer> last = number(range[1], names, firstName);
        if (last.isEmpty()) {
          return Optional.of(unreadable(range[1]));
        }
        end = last.get();
      }
    }
    if (stepped.length == 2) {
      Optional<Integer> step = number(stepped[1], List.of(), 0);
      if (step.isEmpty()) {
        return Optional.of(unreadable(stepped[1]));
      }
      if (step.get() == 0) {
        return Optional.of("step of range should be a positive number: " + part);
      }
    }
    if (start < least) {
      return Optional.of(
          "beginning of range (" + start + ") below minimum (" + least + "): " + part);
    }
    if (end > most) {
      return Optional.of("end of range (" + end + ") above maximum (" + most + "): " + part);
    }
    return start > end
        ? Optional.of(
            "beginning of range (" + start + ") beyond end of range (" + end + "): " + part)
        : Optional.empty();
  }

  private static Optional<Integer> number(String text, List<String> names, int firstName) {
    int name = names.indexOf(text.toLowerCase(Locale.ROOT));
    if (name >= 0) {
      return Optional.of(name + firstName);
    }
    return text.matches("\\d{1,9}") ? Optional.of(Integer.parseInt(text)) : Optional.empty();
  }

  private static String unreadable(String text) {
    return "failed to parse int from "
        + text
        + ": strconv.Atoi: parsing \""
        + text
        + "\": invalid syntax";
  }
}
