package dev.kedge.cli.kubectl;

import dev.kedge.model.ApiException;
import dev.kedge.model.Json;
import dev.kedge.model.JsonString;
import dev.kedge.model.JsonSyntaxException;
import dev.kedge.model.Status;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ConnectException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import javax.net.ssl.SSLException;

/** The entry of {@code kedge kubectl}. */
public final class Kubectl {
  private Kubectl() {}

  /**
   * Runs one command on the process's streams.
   *
   * @param args the words behind {@code kubectl}
   * @return the exit code: 0, 1 for failures, or that of a command that was run in a container
   */
  public static int run(String[] args) {
    Console console = Console.system();
    try {
      return run(Arrays.asList(args), console);
    } finally {
      console.out().flush();
      console.err().flush();
    }
  }

  static int run(List<String> line, Console console) {
    if (!line.isEmpty() && line.getFirst().equals(CompletionCommand.QUESTION)) {
      CompletionCommand.answer(line.subList(1, line.size()), console);
      return 0;
    }
    Found found;
    try {
      if (!line.isEmpty() && isUnknown(line.getFirst())) {
        Optional<Integer> plugin = Programs.plugin(console, line);
        if (plugin.isPresent()) {
          return plugin.get();
        }
      }
      found = verb(line);
    } catch (UsageException e) {
      console.err().println("error: " + e.getMessage());
      return 1;
    }
    Verb verb = found.verb();
    if (verb == null) {
      console.out().print(Help.overview(Verbs.all()));
      return 0;
    }
    boolean help =
        line.stream()
            .takeWhile(word -> !word.equals("--"))
            .anyMatch(word -> word.equals("--help") || word.equals("-h"));
    if (help || !verb.children().isEmpty() && verb.flags().isEmpty()) {
      console.out().print(Help.of(found.path(), verb));
      return help ? 0 : 1;
    }
    Arguments arguments;
    try {
      arguments =
          Arguments.parse(
              Flags.with(verb.flags(), Session.GLOBAL.toArray(Flag[]::new)), found.rest());
    } catch (UsageException e) {
      console.err().println("error: " + e.getMessage());
      console.err().println("See 'kubectl " + found.path() + " --help' for usage.");
      return 1;
    }
    String server = "";
    try (Session session = new Session(verb, arguments, console)) {
      try {
        return verb.action().run(session);
      } catch (ApiException | UncheckedIOException | IOException e) {
        server = session.target().server();
        throw e;
      }
    } catch (ExitException e) {
      return e.code();
    } catch (Exception e) {
      console.out().flush();
      report(console, e, server);
      return 1;
    }
  }

  /** Whether a word is no command, so that a plugin may be meant. */
  private static boolean isUnknown(String word) {
    return !word.startsWith("-")
        && Verbs.all().stream()
            .noneMatch(verb -> verb.name().equals(word) || verb.aliases().contains(word));
  }

  private record Found(
      @org.jspecify.annotations.Nullable Verb verb, String path, List<String> rest) {}

  /** Finds the command; flags may stand before it. */
  private static Found verb(List<String> line) {
    List<Verb> verbs = Verbs.all();
    List<String> rest = new ArrayList<>(line);
    Verb verb = null;
    String path = "";
    int at = 0;
    while (verb == null || !verb.children().isEmpty()) {
      at = nextWord(rest, at);
      if (at >= rest.size()) {
        return new Found(verb, path, rest);
      }
      String word = rest.get(at);
      Optional<Verb> next =
          verbs.stream()
              .filter(v -> v.name().equals(word) || v.aliases().contains(word))
              .findFirst();
      if (next.isEmpty() && verb != null && !verb.flags().isEmpty()) {
        return new Found(verb, path, rest);
      }
      String command = path.isEmpty() ? word : path + " " + word;
      if (next.isEmpty() && Verbs.refused(command)) {
        throw new UsageException(
            "kubectl "
                + command
                + " is not supported by kedge kubectl; use upstream's kubectl for it");
      }
      if (next.isEmpty()) {
        Set<String> known = new LinkedHashSet<>(verbs.stream().map(Verb::name).toList());
        String near =
            Nearest.of(word, known).map(name -> "\n\nDid you mean this?\n\t" + name).orElse("");
        throw new UsageException(
            "unknown command \""
                + word
                + "\" for \"kubectl"
                + (path.isEmpty() ? "" : " " + path)
                + "\""
                + near);
      }
      verb = next.get();
      path = path.isEmpty() ? verb.name() : path + " " + verb.name();
      verbs = verb.children();
      rest.remove(at);
    }
    return new Found(verb, path, rest);
  }

  /** The next word that is neither a global flag nor the value of one. */
  private static int nextWord(List<String> line, int from) {
    int i = from;
    while (i < line.size() && line.get(i).startsWith("-")) {
      String word = line.get(i);
      boolean takesValue =
          Session.GLOBAL.stream()
              .filter(flag -> flag.kind() != Flag.Kind.SWITCH)
              .anyMatch(
                  flag ->
                      word.equals("--" + flag.name())
                          || flag.shorthand() != 0 && word.equals("-" + flag.shorthand()));
      i += takesValue ? 2 : 1;
    }
    return i;
  }

  /** Says what went wrong as kubectl says it. */
  static void report(Console console, Exception e, String server) {
    console.err().println(message(e, server));
    console.err().flush();
    if (console.variable("KEDGE_DEBUG").equals("true")) {
      e.printStackTrace(console.err());
    }
  }

  static String message(Exception e, String server) {
    return switch (e) {
      case ApiException api -> message(api.status());
      case UsageException usage -> "error: " + usage.getMessage();
      case JsonSyntaxException syntax -> "error: " + syntax.located();
      case UncheckedIOException io when io.getCause() != null -> unreachable(io.getCause(), server);
      case IOException io -> unreachable(io, server);
      default ->
          "error: " + (e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage());
    };
  }

  private static String message(Status status) {
    if (status.reason().equals("Unauthorized")) {
      return "error: You must be logged in to the server (" + status.message() + ")";
    }
    if (status.reason().equals("Invalid")) {
      return invalid(status);
    }
    return "Error from server"
        + (status.reason().isEmpty() || status.reason().equals("Unknown")
            ? ""
            : " (" + status.reason() + ")")
        + ": "
        + status.message();
  }

  private static String invalid(Status status) {
    Status.Details details = status.details();
    String subject = "The request is invalid";
    if (!details.kind().isEmpty() || !details.name().isEmpty()) {
      subject =
          "The "
              + details.kind()
              + " "
              + Json.write(new JsonString(details.name()))
              + " is invalid";
    } else if (details.causes().isEmpty()
        || details.causes().getFirst().reason().equals("UnexpectedServerResponse")) {
      return subject + ": " + status.message();
    }
    List<String> causes =
        details.causes().stream()
            .map(
                cause ->
                    cause.field().isEmpty()
                        ? cause.message()
                        : cause.field() + ": " + cause.message())
            .distinct()
            .toList();
    return switch (causes.size()) {
      case 0 -> subject;
      case 1 -> subject + ": " + causes.getFirst();
      default -> subject + ": \n* " + String.join("\n* ", causes);
    };
  }

  private static String unreachable(Throwable cause, String server) {
    String host = server.replaceFirst("^https?://", "");
    for (Throwable at = cause; at != null; at = at.getCause()) {
      if (at instanceof ConnectException) {
        return "The connection to the server "
            + host
            + " was refused - did you specify the right host or port?";
      }
      if (at instanceof java.nio.channels.UnresolvedAddressException
          || at instanceof java.net.UnknownHostException) {
        return "Unable to connect to the server: dial tcp: lookup "
            + host.replaceFirst(":\\d+$", "")
            + ": no such host";
      }
      if (at instanceof java.security.cert.CertificateException
          || at instanceof java.security.cert.CertPathBuilderException) {
        return "Unable to connect to the server: tls: failed to verify certificate: "
            + at.getMessage();
      }
      if (at instanceof java.net.SocketTimeoutException) {
        return "Unable to connect to the server: net/http: request canceled (Client.Timeout"
            + " exceeded while awaiting headers)";
      }
    }
    if (cause instanceof SSLException) {
      return "Unable to connect to the server: " + cause.getMessage();
    }
    return "error: "
        + (cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage());
  }
}
