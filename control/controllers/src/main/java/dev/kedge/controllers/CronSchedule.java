package dev.kedge.controllers;

import java.time.Duration;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.time.temporal.ChronoUnit;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * A cron schedule: five fields with lists, ranges, steps and names, {@code @hourly} and its like,
 * and {@code @every 90m}.
 */
public sealed interface CronSchedule {
  /** The first time after an instant; empty if there is none within five years. */
  Optional<Instant> next(Instant after, ZoneId zone);

  /**
   * Reads a schedule.
   *
   * @throws IllegalArgumentException saying what is wrong
   */
  static CronSchedule parse(String text) {
    String schedule = text.strip();
    if (schedule.startsWith("@every ")) {
      return new Every(duration(schedule.substring(7).strip()));
    }
    String fields =
        switch (schedule) {
          case "@yearly", "@annually" -> "0 0 1 1 *";
          case "@monthly" -> "0 0 1 * *";
          case "@weekly" -> "0 0 * * 0";
          case "@daily", "@midnight" -> "0 0 * * *";
          case "@hourly" -> "0 * * * *";
          default -> schedule;
        };
    String[] parts = fields.split("\\s+", -1);
    if (parts.length != 5) {
      throw new IllegalArgumentException(
          "expected exactly 5 fields, found " + parts.length + ": [" + text + "]");
    }
    BitSet weekdays = Fields.parse(parts[4], 0, 7, Fields.DAYS);
    if (weekdays.get(7)) {
      weekdays.set(0);
    }
    return new Fields(
        Fields.parse(parts[0], 0, 59, List.of()),
        Fields.parse(parts[1], 0, 23, List.of()),
        Fields.parse(parts[2], 1, 31, List.of()),
        Fields.parse(parts[3], 1, 12, Fields.MONTHS),
        weekdays,
        !Fields.any(parts[2]),
        !Fields.any(parts[4]));
  }

  private static Duration duration(String text) {
    Duration sum = Duration.ZERO;
    java.util.regex.Matcher part =
        java.util.regex.Pattern.compile("([0-9.]+)(h|m|s|ms)").matcher(text);
    int end = 0;
    while (part.find() && part.start() == end) {
      double number = Double.parseDouble(part.group(1));
      double seconds =
          switch (part.group(2)) {
            case "h" -> number * 3600;
            case "m" -> number * 60;
            case "ms" -> number / 1000;
            default -> number;
          };
      sum = sum.plusMillis((long) (seconds * 1000));
      end = part.end();
    }
    if (end != text.length() || sum.isZero()) {
      throw new IllegalArgumentException("failed to parse duration @every " + text);
    }
    return sum.compareTo(Duration.ofSeconds(1)) < 0 ? Duration.ofSeconds(1) : sum;
  }

  /** At a constant distance. */
  record Every(Duration distance) implements CronSchedule {
    @Override
    public Optional<Instant> next(Instant after, ZoneId zone) {
      return Optional.of(after.plus(distance).truncatedTo(ChronoUnit.SECONDS));
    }
  }

  /** By the calendar. If day of month and day of week are both restricted, either suffices. */
  record Fields(
      BitSet minutes,
      BitSet hours,
      BitSet days,
      BitSet months,
      BitSet weekdays,
      boolean daysRestricted,
      boolean weekdaysRestricted)
      implements CronSchedule {
    static final List<String> MONTHS =
        List.of(
            "", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec");
    static final List<String> DAYS = List.of("sun", "mon", "tue", "wed", "thu", "fri", "sat");

    static boolean any(String field) {
      return field.equals("*") || field.equals("?");
    }

    static BitSet parse(String field, int least, int most, List<String> names) {
      BitSet set = new BitSet(most + 1);
      for (String part : field.split(",", -1)) {
        int slash = part.indexOf('/');
        String range = slash < 0 ? part : part.substring(0, slash);
        int step = slash < 0 ? 1 : number(part.substring(slash + 1), List.of());
        int from;
        int to;
        if (any(range)) {
          from = least;
          to = most == 7 ? 6 : most;
        } else {
          int dash = range.indexOf('-');
          from = number(dash < 0 ? range : range.substring(0, dash), names);
          to = dash < 0 ? (slash < 0 ? from : most) : number(range.substring(dash + 1), names);
        }
        if (from < least || to > most || from > to || step < 1) {
          throw new IllegalArgumentException(
              "\"" + part + "\" is not within " + least + "-" + most);
        }
        for (int i = from; i <= to; i += step) {
          set.set(i);
        }
      }
      return set;
    }

    private static int number(String text, List<String> names) {
      int name = names.indexOf(text.toLowerCase(Locale.ROOT));
      if (name >= 0) {
        return name;
      }
      if (!text.matches("[0-9]{1,4}")) {
        throw new IllegalArgumentException("failed to parse int from \"" + text + "\"");
      }
      return Integer.parseInt(text);
    }

    @Override
    public Optional<Instant> next(Instant after, ZoneId zone) {
      LocalDateTime time =
          LocalDateTime.ofInstant(after, zone).truncatedTo(ChronoUnit.MINUTES).plusMinutes(1);
      LocalDateTime limit = time.plusYears(5);
      while (time.isBefore(limit)) {
        if (!months.get(time.getMonthValue())) {
          time = time.withDayOfMonth(1).truncatedTo(ChronoUnit.DAYS).plusMonths(1);
        } else if (!day(time)) {
          time = time.truncatedTo(ChronoUnit.DAYS).plusDays(1);
        } else if (!hours.get(time.getHour())) {
          time = time.truncatedTo(ChronoUnit.HOURS).plusHours(1);
        } else if (!minutes.get(time.getMinute())) {
          time = time.plusMinutes(1);
        } else {
          ZonedDateTime found = time.atZone(zone);
          // A local time that daylight saving leaves out is skipped, one that comes twice fires
          // once.
          if (found.toLocalDateTime().equals(time) && found.toInstant().isAfter(after)) {
            return Optional.of(found.toInstant());
          }
          time = time.plusMinutes(1);
        }
      }
      return Optional.empty();
    }

    private boolean day(LocalDateTime time) {
      boolean day = days.get(time.getDayOfMonth());
      boolean weekday = weekdays.get(time.getDayOfWeek().getValue() % 7);
      return daysRestricted && weekdaysRestricted ? day || weekday : day && weekday;
    }
  }
}
