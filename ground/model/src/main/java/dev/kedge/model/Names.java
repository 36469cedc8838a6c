package dev.kedge.model;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.regex.Pattern;

/**
 * The name formats of Kubernetes. Each method returns what is wrong with a text in upstream's words
 * (apimachinery {@code util/validation}), nothing if it is right.
 */
public final class Names {
  public static final int LABEL_LENGTH = 63;
  public static final int SUBDOMAIN_LENGTH = 253;

  private static final String LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
  private static final String SUBDOMAIN = LABEL + "(\\." + LABEL + ")*";
  private static final String LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?";
  private static final String QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
  private static final String LABEL_VALUE = "(" + QUALIFIED + ")?";
  private static final String CONFIG_KEY = "[-._a-zA-Z0-9]+";
  private static final String ENV_NAME = "[-._a-zA-Z][-._a-zA-Z0-9]*";

  private static final String PATH = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";

  private static final Pattern PATH_PATTERN = Pattern.compile(PATH);
  private static final Pattern LABEL_PATTERN = Pattern.compile(LABEL);
  // Possessive: the library's loop over groups is recursive otherwise, and long texts end its
  // stack.
  private static final Pattern SUBDOMAIN_PATTERN =
      Pattern.compile(LABEL + "(?:\\." + LABEL + ")*+");
  private static final Pattern LABEL_1035_PATTERN = Pattern.compile(LABEL_1035);
  private static final Pattern QUALIFIED_PATTERN = Pattern.compile(QUALIFIED);
  private static final Pattern LABEL_VALUE_PATTERN = Pattern.compile(LABEL_VALUE);
  private static final Pattern CONFIG_KEY_PATTERN = Pattern.compile(CONFIG_KEY);
  private static final Pattern PORT_NAME_PATTERN = Pattern.compile("[-a-z0-9]+");

  private static final String SUBDOMAIN_FAULT =
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or"
          + " '.', and must start and end with an alphanumeric character";
  private static final String QUALIFIED_FAULT =
      "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
          + " alphanumeric character";

  /** Letters of generated names: without those that make words. As upstream's util/rand. */
  public static final String GENERATED_LETTERS = "bcdfghjklmnpqrstvwxz2456789";

  private static final int GENERATED_LENGTH = 5;

  private Names() {}

  /** Five random letters, as generated names end with. */
  public static String suffix(RandomGenerator random) {
    StringBuilder text = new StringBuilder(GENERATED_LENGTH);
    for (int i = 0; i < GENERATED_LENGTH; i++) {
      text.append(GENERATED_LETTERS.charAt(random.nextInt(GENERATED_LETTERS.length())));
    }
    return text.toString();
  }

  /** RFC 1123 label: names of namespaces, containers, volumes. */
  public static List<String> label(String text) {
    return check(
        text,
        LABEL_LENGTH,
        LABEL_PATTERN,
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and"
            + " must start and end with an alphanumeric character",
        LABEL,
        "my-name",
        "123-abc");
  }

  /** RFC 1123 subdomain: names of most objects. */
  public static List<String> subdomain(String text) {
    return check(
        text, SUBDOMAIN_LENGTH, SUBDOMAIN_PATTERN, SUBDOMAIN_FAULT, SUBDOMAIN, "example.com");
  }

  /** RFC 1035 label: names of services. */
  public static List<String> label1035(String text) {
    return check(
        text,
        LABEL_LENGTH,
        LABEL_1035_PATTERN,
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an"
            + " alphabetic character, and end with an alphanumeric character",
        LABEL_1035,
        "my-name",
        "abc-123");
  }

  /** A name that stands as one segment of a URL path: names of roles and bindings. */
  public static List<String> pathSegment(String text) {
    if (text.equals(".") || text.equals("..")) {
      return List.of("may not be '" + text + "'");
    }
    List<String> faults = new ArrayList<>();
    for (String character : List.of("/", "%")) {
      if (text.contains(character)) {
        faults.add("may not contain '" + character + "'");
      }
    }
    return faults;
  }

  /**
   * Key of a label, annotation, taint or finalizer: a name with an optional subdomain before a
   * slash.
   */
  public static List<String> qualified(String text) {
    List<String> faults = new ArrayList<>();
    String[] parts = text.split("/", -1);
    String name;
    switch (parts.length) {
      case 1 -> name = parts[0];
      case 2 -> {
        name = parts[1];
        if (parts[0].isEmpty()) {
          faults.add("prefix part must be non-empty");
        } else {
          subdomain(parts[0]).forEach(fault -> faults.add("prefix part " + fault));
        }
      }
      default -> {
        faults.add(
            "a qualified name "
                + expected(QUALIFIED_FAULT, QUALIFIED, "MyName", "my.name", "123-abc")
                + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')");
        return faults;
      }
    }
    if (name.isEmpty()) {
      faults.add("name part must be non-empty");
    } else if (length(name) > LABEL_LENGTH) {
      faults.add("name part " + tooLong(LABEL_LENGTH));
    }
    if (!QUALIFIED_PATTERN.matcher(name).matches()) {
      faults.add(
          "name part " + expected(QUALIFIED_FAULT, QUALIFIED, "MyName", "my.name", "123-abc"));
    }
    return faults;
  }

  /** A path below a domain, such as {@code acme.io/foo}: who manages a Job. */
  public static List<String> domainPrefixedPath(String text) {
    int slash = text.indexOf('/');
    if (slash <= 0 || slash == text.length() - 1) {
      return List.of("must be a domain-prefixed path (such as \"acme.io/foo\")");
    }
    List<String> faults = new ArrayList<>(subdomain(text.substring(0, slash)));
    if (!PATH_PATTERN.matcher(text.substring(slash + 1)).matches()) {
      faults.add("Invalid path (regex used for validation is '" + PATH + "')");
    }
    return faults;
  }

  /** Value of a label. */
  public static List<String> labelValue(String text) {
    return check(
        text,
        LABEL_LENGTH,
        LABEL_VALUE_PATTERN,
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or"
            + " '.', and must start and end with an alphanumeric character",
        LABEL_VALUE,
        "MyValue",
        "my_value",
        "12345");
  }

  /** Key in the data of a ConfigMap or Secret. */
  public static List<String> configKey(String text) {
    List<String> faults =
        new ArrayList<>(
            check(
                text,
                SUBDOMAIN_LENGTH,
                CONFIG_KEY_PATTERN,
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
                CONFIG_KEY,
                "key.name",
                "KEY_NAME",
                "key-name"));
    dots(text, faults);
    return faults;
  }

  /** Name of an environment variable: any printable ASCII but '='. */
  public static List<String> environmentVariable(String text) {
    boolean printable =
        !text.isEmpty() && text.chars().allMatch(c -> c >= ' ' && c <= '~' && c != '=');
    return printable
        ? List.of()
        : List.of(
            "a valid environment variable name must consist only of printable ASCII characters"
                + " other than '='");
  }

  /** Whether a text is an environment variable name that shells understand. */
  public static boolean conventionalEnvironmentVariable(String text) {
    return text.matches(ENV_NAME);
  }

  /** Name of a container port. */
  public static List<String> portName(String text) {
    List<String> faults = new ArrayList<>();
    if (text.length() > 15) {
      faults.add("must be no more than 15 characters");
    }
    if (!PORT_NAME_PATTERN.matcher(text).matches()) {
      faults.add("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if (text.chars().noneMatch(c -> c >= 'a' && c <= 'z')) {
      faults.add("must contain at least one letter (a-z)");
    }
    if (text.contains("--")) {
      faults.add("must not contain consecutive hyphens");
    }
    if (text.startsWith("-") || text.endsWith("-")) {
      faults.add("must not begin or end with a hyphen");
    }
    return faults;
  }

  private static void dots(String text, List<String> faults) {
    if (text.equals(".") || text.equals("..")) {
      faults.add("must not be '" + text + "'");
    } else if (text.startsWith("..")) {
      faults.add("must not start with '..'");
    }
  }

  private static List<String> check(
      String text, int limit, Pattern pattern, String fault, String regex, String... examples) {
    List<String> faults = new ArrayList<>(2);
    if (length(text) > limit) {
      faults.add(tooLong(limit));
    }
    if (!pattern.matcher(text).matches()) {
      faults.add(expected(fault, regex, examples));
    }
    return faults;
  }

  private static int length(String text) {
    return text.getBytes(StandardCharsets.UTF_8).length;
  }

  private static String tooLong(int limit) {
    return "must be no more than " + limit + " bytes";
  }

  /** Upstream's wording, the double blank between examples included. */
  private static String expected(String fault, String regex, String... examples) {
    StringBuilder text = new StringBuilder(fault).append(" (e.g. ");
    for (int i = 0; i < examples.length; i++) {
      text.append(i > 0 ? " or " : "").append('\'').append(examples[i]).append("', ");
    }
    return text.append("regex used for validation is '").append(regex).append("')").toString();
  }
}
