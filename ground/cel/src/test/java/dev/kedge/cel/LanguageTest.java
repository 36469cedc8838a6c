package dev.kedge.cel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.kedge.cel.Declaration.ListKind;
import dev.kedge.model.Json;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The language: what expressions evaluate to, what they cost, and what is refused. */
class LanguageTest {
  private static final Declaration TEXT = Declaration.of(CelType.STRING, 10, 2);
  private static final Declaration INT = Declaration.of(CelType.INT, 0, 1);
  private static final Declaration SELF =
      Declaration.struct(
          "object",
          Map.of(
              "name", TEXT,
              "replicas", INT,
              "tags", Declaration.list(TEXT, 20, ListKind.SET, List.of()),
              "labels", Declaration.map(TEXT, 5),
              "x__dash__y", TEXT),
          2);
  private static final Environment ENVIRONMENT =
      Environment.of(Map.of("self", SELF, "any", Declaration.DYN));
  private static final Map<String, Object> VALUES =
      Map.of(
          "self",
          Values.of(
              Json.parse(
                  "{\"name\":\"web\",\"replicas\":3,\"tags\":[\"a\",\"b\"],\"labels\":{\"k\":\"v\"},"
                      + "\"x-y\":\"z\"}"),
              SELF),
          "any",
          Values.of(Json.parse("{\"n\":1,\"list\":[1,2.5,\"x\",null]}"), Declaration.DYN));

  private static Object eval(String expression) throws Exception {
    return ENVIRONMENT.compile(expression).evaluate(VALUES, 1_000_000).value();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "self.replicas + 1 == 4 && self.name.startsWith('we')",
        "self.tags.all(t, t.size() == 1) && self.tags.exists(t, t == 'b')",
        "self.tags.exists_one(t, t == 'a') && !self.tags.exists_one(t, t != '')",
        "self.tags.map(t, t + 'x') == ['ax', 'bx']",
        "self.tags.map(t, t != 'a', t + 'x') == ['bx']",
        "self.tags.filter(t, t > 'a') == ['b']",
        "self.tags == ['b', 'a']",
        "(self.tags + ['b', 'c']).size() == 3",
        "self.labels.all(k, self.labels[k] == 'v') && 'k' in self.labels && !('z' in self.labels)",
        "self.x__dash__y == 'z'",
        "has(self.name) && !has(self.labels.q)",
        "self.labels[?'q'].orValue('none') == 'none' && self.?name.hasValue()",
        "self.?name.optMap(n, n + '!').orValue('') == 'web!'",
        "[1, 2, 3].transformList(i, v, i + v) == [1, 3, 5]",
        "{'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
        "{'a': 'b'}.transformMapEntry(k, v, {v: k}) == {'b': 'a'}",
        "[3, 1, 2].all(i, v, i < 3 && v > 0)",
        "cel.bind(x, self.replicas * 2, x + x == 12)",
        "any.n == 1 && any.n == 1.0 && any.list[1] == 2.5 && any.list[3] == null",
        "dyn(1) == 1u && 1 < 1.5 && 2u > 1 && dyn(1) == 1.0",
        "true || any.missing == 1",
        "any.missing == 1 || true",
        "[1, 2].exists(x, x == 2 || any.missing == x)",
        "!(false && any.missing)",
        "(1 > 2 ? 'a' : 'b') == 'b'",
        "'%s is %d and %.2f'.format(['x', 3, 1.5]) == 'x is 3 and 1.50'",
        "'%e'.format([3.14]) == '3.140000×10⁰⁰' && '%o %o'.format([7, 8]) == '7 10'",
        "'a,b,c'.split(',') == ['a', 'b', 'c'] && 'a,b,c'.split(',', 2) == ['a', 'b,c']",
        "['a', 'b'].join('-') == 'a-b' && ' x '.trim() == 'x' && 'abc'.substring(1, 2) == 'b'",
        "'hello'.replace('l', 'L', 1) == 'heLlo' && 'AbC'.lowerAscii() == 'abc'",
        "'hello'.indexOf('l') == 2 && 'hello'.lastIndexOf('l') == 3 && 'abc'.charAt(1) == 'b'",
        "strings.quote('a\"b') == '\"a\\\\\"b\"'",
        "'abc123'.find('[0-9]+') == '123' && 'a1b2'.findAll('[0-9]') == ['1', '2']",
        "'foo@bar.com'.matches('^[a-z]+@[a-z.]+$')",
        "[1, 2, 2].isSorted() && [1, 2].sum() == 3 && [1, 2].max() == 2 && [2, 1].min() == 1",
        "[1, 2, 1].indexOf(2) == 1 && [1, 2, 1].lastIndexOf(1) == 2",
        "sets.contains([1, 2], [2]) && sets.equivalent([1, 2], [2, 1, 1]) && sets.intersects([1],"
            + " [1, 5])",
        "quantity('1Gi').isGreaterThan(quantity('1000M')) && quantity('1.5').asApproximateFloat()"
            + " == 1.5",
        "quantity('50k').add(20) == quantity('50020') && isQuantity('20Mi') && !isQuantity('x')",
        "quantity('200M').compareTo(quantity('0.2G')) == 0 && quantity('1k').asInteger() == 1000",
        "url('https://example.com:8080/a?b=c').getHost() == 'example.com:8080'",
        "url('https://example.com:8080/a?b=c').getPort() == '8080' && isURL('https://a/b') &&"
            + " !isURL('../a')",
        "url('https://e.com/?k=a&k=b').getQuery() == {'k': ['a', 'b']}",
        "ip('127.0.0.1').family() == 4 && ip('::1').isLoopback() && !isIP('1.2.3') &&"
            + " isIP('2001:db8::1')",
        "ip.isCanonical('2001:db8::1') && !ip.isCanonical('2001:DB8::1')",
        "cidr('192.168.0.0/24').containsIP('192.168.0.7') &&"
            + " !cidr('10.0.0.0/8').containsIP('11.0.0.1')",
        "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && cidr('10.0.0.5/8').masked() =="
            + " cidr('10.0.0.0/8')",
        "cidr('10.0.0.0/8').prefixLength() == 8 && cidr('10.0.0.0/8').ip() == ip('10.0.0.0')",
        "!format.dns1123Label().validate('my-name').hasValue()",
        "format.named('dns1123Label').value().validate('My').value().size() == 1",
        "semver('1.2.3').isLessThan(semver('1.10.0')) && isSemver('1.0.0-alpha.1') &&"
            + " semver('v1.2', true).patch() == 0",
        "semver('1.0.0-alpha').compareTo(semver('1.0.0')) == -1",
        "duration('1h30m').getMinutes() == 90 && duration('1s') < duration('1m')",
        "timestamp('2024-02-29T10:00:00Z').getDayOfMonth() == 28",
        "timestamp('2024-02-29T23:00:00Z').getHours('Europe/Berlin') == 0",
        "timestamp('2024-01-02T00:00:00Z') - timestamp('2024-01-01T00:00:00Z') == duration('24h')",
        "int('42') == 42 && string(1.0) == '1' && double('1e3') == 1000.0 && bool('true')",
        "type(1) == int && type('a') == string && type([]) == list",
        "b'abc' == bytes('abc') && size(b'ÿ') == 2 && size('ÿ') == 1",
        "r'\\d' == '\\\\d' && '''a\nb''' == 'a\\nb' && '\\u00e9' == 'é'",
        "[3, 1, 2].sort() == [1, 2, 3] && ['bb', 'a'].sortBy(x, size(x)) == ['a', 'bb']",
        "[1, 2, 3].slice(1, 2) == [2] && [1, 1].distinct() == [1] && [1, 2].reverse() == [2, 1]",
        "[[1], [2]].flatten() == [1, 2] && lists.range(3) == [0, 1, 2] && [1, 2].first().value() =="
            + " 1",
        "optional.none().orValue(1) == 1 && optional.of(2).value() == 2",
        "-1 < 0 && --1 == 1 && !!true && 0x10 == 16 && 7 % 4 == 3 && 7 / 2 == 3",
        "{'a': 1, ?'b': optional.none()}.size() == 1 && [1, ?optional.of(2)] == [1, 2]",
      })
  void isTrue(String expression) throws Exception {
    assertThat(eval(expression)).as(expression).isEqualTo(true);
  }

  @ParameterizedTest
  @CsvSource(
      delimiterString = "=>",
      textBlock =
          """
          self.foo => ERROR: <input>:1:5: undefined field 'foo'\\n | self.foo\\n | ....^
          foo => ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\\n | foo\\n | ^
          self.replicas + 'a' => ERROR: <input>:1:15: found no matching overload for '_+_' applied to '(int, string)'\\n | self.replicas + 'a'\\n | ..............^
          self.name.size(1) => ERROR: <input>:1:15: found no matching overload for 'size' applied to 'string.(int)'\\n | self.name.size(1)\\n | ..............^
          self.replicas.all(x, true) => ERROR: <input>:1:5: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)\\n | self.replicas.all(x, true)\\n | ....^
          [1, 'a'] => ERROR: <input>:1:5: expected type 'int' but found 'string'\\n | [1, 'a']\\n | ....^
          self.name && true => ERROR: <input>:1:5: expected type 'bool' but found 'string'\\n | self.name && true\\n | ....^
          duration('x') == duration('1s') => ERROR: <input>:1:10: invalid duration argument\\n | duration('x') == duration('1s')\\n | .........^
          self.name.nope() => ERROR: <input>:1:15: undeclared reference to 'nope' (in container '')\\n | self.name.nope()\\n | ..............^
          self.name.x => ERROR: <input>:1:10: type 'string' does not support field selection\\n | self.name.x\\n | .........^
          """)
  void refuses(String expression, String message) {
    assertThatThrownBy(() -> ENVIRONMENT.compile(expression))
        .isInstanceOf(Environment.InvalidException.class)
        .hasMessage(message.replace("\\n", "\n"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "1 +",
        "(1",
        "[1, ",
        "'abc",
        "a.",
        "a b",
        "1 ? 2",
        "{1: }",
        "#",
        "\"\\q\"",
        "a.b(",
        "`",
        "99999999999999999999",
        "for",
        "has(1)",
        "[1].map(1, 2)",
        "0x",
        "''' ''",
        "b'\\u1'"
      })
  void malformedTextIsRefused(String expression) {
    assertThatThrownBy(() -> ENVIRONMENT.compile(expression))
        .isInstanceOf(Environment.InvalidException.class);
  }

  @Test
  void deepTextIsRefused() {
    String deep = "(".repeat(100_00) + "1" + ")".repeat(100_00);
    assertThatThrownBy(() -> ENVIRONMENT.compile(deep))
        .isInstanceOf(Environment.InvalidException.class);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          1 / 0 | division by zero
          any.missing | no such key: missing
          [1][3] | index out of bounds: 3
          9223372036854775807 + 1 | return error for overflow
          int('x') | type conversion error from 'string' to 'int'
          optional.none().value() | optional.none() dereference
          any.n + 'a' | no such overload
          """)
  void failsWith(String expression, String message) {
    assertThatThrownBy(() -> eval(expression)).isInstanceOf(CelException.class).hasMessage(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          1 + 1 | 1 | 1
          self.name | 2 | 2
          self.replicas == 3 | 3 | 2
          self.name == 'web' | 3 | 3
          has(self.name) | 1 | 1
          self.tags.all(t, t == 'a') | 13 | 103
          [1, 2] | 10 | 10
          self.name.contains('w') | 3 | 3
          self.name.lowerAscii() == 'web' | 4 | 4
          """)
  void costsAsUpstream(String expression, long actual, long estimate) throws Exception {
    Program program = ENVIRONMENT.compile(expression);
    assertThat(program.estimate()).as("estimate of " + expression).isEqualTo(estimate);
    assertThat(program.evaluate(VALUES, 1_000_000).cost())
        .as("cost of " + expression)
        .isEqualTo(actual);
  }

  @Test
  void stopsWhatCostsTooMuch() throws Exception {
    Program program =
        ENVIRONMENT.compile(
            "lists.range(1000).all(a, lists.range(1000).all(b, lists.range(1000).all(c, a >= 0)))");
    assertThatThrownBy(() -> program.evaluate(VALUES, 1_000_000))
        .hasMessage(CelException.TOO_EXPENSIVE);
    Program regex =
        ENVIRONMENT.compile("'" + "a".repeat(200) + "'.matches('(.*)(.*)(.*)(.*)(.*)(.*)(.*)[x]')");
    assertThatThrownBy(() -> regex.evaluate(VALUES, 1_000_000))
        .hasMessage(CelException.TOO_EXPENSIVE);
  }

  @Test
  void namesThatAreNoIdentifiersAreEscaped() {
    assertThat(Names.escape("a-b.c/d__e")).contains("a__dash__b__dot__c__slash__d__underscores__e");
    assertThat(Names.escape("namespace")).contains("__namespace__");
    assertThat(Names.escape("1a")).isEmpty();
    assertThat(Names.escape("a b")).isEmpty();
    assertThat(Names.unescape("__namespace__")).isEqualTo("namespace");
  }
}
