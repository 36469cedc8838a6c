package dev.kedge.cli.kubectl;

import dev.kedge.cli.kubectl.Discovery.Served;
import dev.kedge.model.ApiException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * {@code completion}: scripts that make shells ask {@code kubectl __complete WORDS…} what may stand
 * in the place of the last word; and the answers, one a line, a tab before what describes it. Where
 * there is no answer shells offer files.
 */
final class CompletionCommand {
  /** What shells call. */
  static final String QUESTION = "__complete";

  private static final String BASH =
      """
      # Completion of kubectl in bash:  source <(NAME kubectl completion bash)
      # For an alias of your own:       complete -o default -F __NAME_kubectl ALIAS
      __NAME_kubectl() {
        local words=("${COMP_WORDS[@]:1:COMP_CWORD}") candidate description
        COMPREPLY=()
        if [ "${COMP_WORDS[0]##*/}" = NAME ]; then
          [ "$COMP_CWORD" -gt 1 ] && [ "${words[0]}" = kubectl ] || return 0
          words=("${words[@]:1}")
        fi
        while IFS=$'\\t' read -r candidate description; do
          COMPREPLY+=("$candidate")
        done < <(NAME kubectl __complete "${words[@]}" 2>/dev/null)
        [ ${#COMPREPLY[@]} -ne 1 ] || [ "${COMPREPLY[0]%/}" = "${COMPREPLY[0]}" ] || compopt -o nospace
      }
      complete -o default -F __NAME_kubectl NAME
      [ "$(type -t kubectl)" != alias ] || complete -o default -F __NAME_kubectl kubectl
      """;

  private static final String ZSH =
      """
      #compdef NAME
      # Completion of kubectl in zsh:  source <(NAME kubectl completion zsh)
      __NAME_kubectl() {
        local -a asked found
        asked=("${(@)words[2,CURRENT]}")
        if [[ ${words[1]:t} == NAME ]]; then
          [[ ${asked[1]} == kubectl ]] && (( CURRENT > 2 )) || return 0
          shift asked
        fi
        found=("${(@f)$(NAME kubectl __complete "${asked[@]}" 2>/dev/null)}")
        if [[ -z ${found[1]} ]]; then
          _files
          return
        fi
        found=("${(@)found//:/\\\\:}")
        found=("${(@)found/$'\\t'/:}")
        _describe -t kubectl kubectl found
      }
      compdef __NAME_kubectl NAME
      """;

  private static final String FISH =
      """
      # Completion of kubectl in fish:  NAME kubectl completion fish | source
      function __NAME_kubectl
        set -l asked (commandline -opc) (commandline -ct)
        NAME kubectl __complete $asked[3..-1] 2>/dev/null
      end
      complete -c NAME -n 'test (count (commandline -opc)) -gt 1; and test (commandline -opc)[2] = kubectl' -a '(__NAME_kubectl)'
      """;

  private static final String POWERSHELL =
      """
      # Completion of kubectl in PowerShell:  NAME kubectl completion powershell | Out-String | Invoke-Expression
      Register-ArgumentCompleter -Native -CommandName NAME -ScriptBlock {
        param($word, $line, $cursor)
        $asked = @($line.CommandElements | Select-Object -Skip 1 | ForEach-Object { $_.Extent.Text })
        if ($asked.Count -eq 0 -or $asked[0] -ne 'kubectl') { return }
        $asked = @($asked | Select-Object -Skip 1)
        if ($word -eq '') { $asked += '""' }
        NAME kubectl __complete @asked 2>$null | ForEach-Object {
          $candidate, $description = $_ -split "`t", 2
          if (-not $description) { $description = $candidate }
          [System.Management.Automation.CompletionResult]::new($candidate, $candidate, 'ParameterValue', $description)
        }
      }
      """;

  private CompletionCommand() {}

  static Verb verb() {
    return Verb.of(
        "completion",
        "completion bash|zsh|fish|powershell",
        "Print what makes a shell complete commands",
        List.of(),
        CompletionCommand::script);
  }

  private static int script(Session session) {
    if (session.words().size() != 1) {
      throw new UsageException(
          session.words().isEmpty()
              ? "Shell not specified."
              : "Too many arguments. Expected only the shell type.");
    }
    String script =
        switch (session.words().getFirst()) {
          case "bash" -> BASH;
          case "zsh" -> ZSH;
          case "fish" -> FISH;
          case "powershell" -> POWERSHELL;
          default ->
              throw new UsageException(
                  "Unsupported shell type \"" + session.words().getFirst() + "\".");
        };
    session.out().print(script.replace("NAME", System.getProperty("kedge.name", "kedge")));
    return 0;
  }

  // ---- answers

  /** The line before the last word: the command, its own words, all words behind it. */
  private record Typed(Optional<Verb> verb, List<String> words, Session session) {}

  /**
   * Answers a shell: what may stand in the place of the last word. Nothing is said of what goes
   * wrong; the command itself will.
   */
  static void answer(List<String> line, Console console) {
    List<String> before = together(line);
    String last = before.isEmpty() ? "" : before.removeLast();
    Typed typed = typed(before, console);
    try (Session session = typed.session()) {
      candidates(session, typed, before, last)
          .filter(candidate -> candidate.startsWith(last))
          .map(candidate -> divided(line) ? candidate.substring(last.indexOf('=') + 1) : candidate)
          .sorted()
          .distinct()
          .forEach(candidate -> console.out().print(candidate + "\n"));
    } catch (ApiException | UncheckedIOException | UsageException e) {
      console.out().flush();
    }
  }

  /** Whether the shell takes the value of a flag behind "=" for a word of its own. */
  private static boolean divided(List<String> line) {
    return !line.isEmpty() && line.getLast().equals("=")
        || line.size() > 1 && line.get(line.size() - 2).equals("=");
  }

  /** The words as they were typed: bash divides them at "=", PowerShell writes empty ones. */
  private static List<String> together(List<String> line) {
    List<String> words = new ArrayList<>();
    for (String word : line) {
      boolean flag = !words.isEmpty() && words.getLast().startsWith("--");
      if (flag && (word.equals("=") || words.getLast().endsWith("="))) {
        words.add(words.removeLast() + word);
      } else {
        words.add(word.equals("\"\"") ? "" : word);
      }
    }
    return words;
  }

  private static Typed typed(List<String> before, Console console) {
    List<Verb> verbs = Verbs.all();
    Verb verb = null;
    int behind = 0;
    for (int i = 0; i < before.size(); i++) {
      String word = before.get(i);
      Optional<Verb> next =
          verbs.stream()
              .filter(v -> v.name().equals(word) || v.aliases().contains(word))
              .findFirst();
      if (next.isPresent()) {
        verb = next.get();
        verbs = verb.children();
        behind = i + 1;
      }
    }
    List<Flag> flags =
        Flags.with(verb == null ? List.of() : verb.flags(), Session.GLOBAL.toArray(Flag[]::new));
    Arguments arguments;
    try {
      arguments = Arguments.parse(flags, before.subList(behind, before.size()));
    } catch (UsageException e) {
      // A flag whose value is what is asked for.
      arguments = Arguments.parse(flags, List.of());
    }
    return new Typed(
        Optional.ofNullable(verb),
        arguments.positionals(),
        new Session(verb == null ? Verbs.find("options") : verb, arguments, console));
  }

  private static Stream<String> candidates(
      Session session, Typed typed, List<String> before, String last) {
    List<Flag> flags = new ArrayList<>(Session.GLOBAL);
    typed.verb().ifPresent(verb -> flags.addAll(verb.flags()));
    int equals = last.indexOf('=');
    if (last.startsWith("--") && equals > 0) {
      return flag(flags, last.substring(0, equals)).stream()
          .flatMap(flag -> values(session, flag))
          .map(value -> last.substring(0, equals + 1) + value);
    }
    if (last.startsWith("-")) {
      return flags.stream().map(flag -> "--" + flag.name() + "\t" + flag.description());
    }
    Optional<Flag> waiting =
        before.isEmpty() || before.getLast().contains("=")
            ? Optional.empty()
            : flag(flags, before.getLast());
    if (waiting.isPresent()
        && (waiting.get().kind() == Flag.Kind.TEXT
            || waiting.get().kind() == Flag.Kind.LIST
            || waiting.get().kind() == Flag.Kind.REPEATED)) {
      return values(session, waiting.get());
    }
    if (typed.verb().isEmpty() || !typed.verb().get().children().isEmpty()) {
      List<Verb> verbs = typed.verb().map(Verb::children).orElseGet(Verbs::all);
      return verbs.stream().map(verb -> verb.name() + "\t" + verb.summary());
    }
    return objects(session, typed.verb().get(), typed.words(), last);
  }

  private static Optional<Flag> flag(List<Flag> flags, String word) {
    return flags.stream()
        .filter(
            flag ->
                word.equals("--" + flag.name())
                    || flag.shorthand() != 0 && word.equals("-" + flag.shorthand()))
        .findFirst();
  }

  private static Stream<String> values(Session session, Flag flag) {
    return switch (flag.name()) {
      case "namespace", "namespaces" -> names(session, "namespaces", "");
      case "context" -> entries(session, "contexts");
      case "cluster" -> entries(session, "clusters");
      case "user" -> entries(session, "users");
      case "output" -> Stream.of("json", "name", "wide", "yaml");
      case "dry-run" -> Stream.of("client", "none", "server");
      default -> Stream.empty();
    };
  }

  private static Stream<String> entries(Session session, String part) {
    return session.config().json().objects(part).stream().map(entry -> entry.text("name"));
  }

  /** What the usage line of a command says it takes. */
  private static Stream<String> objects(
      Session session, Verb verb, List<String> words, String last) {
    String usage = verb.usage();
    int slash = last.indexOf('/');
    if (slash > 0) {
      return usage.contains("TYPE")
          ? names(session, last.substring(0, slash), last.substring(0, slash + 1))
          : Stream.empty();
    }
    if (usage.contains("NODE")) {
      return names(session, "nodes", "");
    }
    if (usage.contains("POD")) {
      return words.isEmpty() ? names(session, "pods", "") : Stream.empty();
    }
    if (usage.contains("-context ")) {
      return words.isEmpty() ? entries(session, "contexts") : Stream.empty();
    }
    if (!usage.contains("TYPE")) {
      return usage.endsWith("powershell")
          ? Stream.of("bash", "fish", "powershell", "zsh")
          : Stream.empty();
    }
    if (!words.isEmpty()) {
      return words.getFirst().contains("/") ? Stream.empty() : names(session, words.getFirst(), "");
    }
    return session.discovery().all().stream()
        .filter(served -> served.can("get"))
        .map(served -> served.type().plural());
  }

  /** The names of a resource's objects, each behind a prefix. */
  private static Stream<String> names(Session session, String resource, String prefix) {
    Served served = session.discovery().find(resource);
    return session.list(served, session.namespace(), "", "").stream()
        .map(object -> prefix + object.text("metadata", "name"));
  }
}
