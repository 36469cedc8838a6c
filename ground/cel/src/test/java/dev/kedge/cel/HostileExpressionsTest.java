package dev.kedge.cel;

import dev.kedge.cel.Declaration.ListKind;
import dev.kedge.cel.Environment.InvalidException;
import dev.kedge.model.Fuzz;
import dev.kedge.model.Json;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Broken and costly expressions are refused when compiled, or end when evaluated. */
class HostileExpressionsTest {
  private static final Declaration TEXT = Declaration.of(CelType.STRING, 1000, 2);
  private static final Declaration SELF =
      Declaration.struct(
          "object",
          Map.of(
              "name", TEXT,
              "replicas", Declaration.of(CelType.INT, 0, 1),
              "tags", Declaration.list(TEXT, 1000, ListKind.SET, List.of()),
              "labels", Declaration.map(TEXT, 1000)),
          2);
  private static final Environment ENVIRONMENT =
      Environment.of(Map.of("self", SELF, "any", Declaration.DYN));
  private static final Map<String, Object> VALUES =
      Map.of(
          "self",
          Values.of(
              Json.parse(
                  "{\"name\":\""
                      + "a".repeat(200)
                      + "b\",\"replicas\":3,\"tags\":[\"a\",\"b\"],\"labels\":{\"k\":\"v\"}}"),
              SELF),
          "any",
          Values.of(Json.parse("{\"n\":1,\"list\":[1,2.5,\"x\",null]}"), Declaration.DYN));

  private static void evaluate(byte[] input) throws InvalidException {
    ENVIRONMENT
        .compile(new String(input, StandardCharsets.UTF_8))
        .evaluate(VALUES, Environment.PER_CALL_LIMIT);
  }

  @Test
  void mutations() {
    Fuzz.texts(
        "CEL",
        List.of(
            "self.replicas + 1 == 4 && self.name.startsWith('we') || !has(self.labels.q)",
            "self.tags.all(t, t.size() == 1) && self.tags.exists(t, t == 'b')",
            "self.tags.map(t, t + 'x').filter(t, t > 'a') == ['bx'] ? {'a': 1u} : {'a': 2u}",
            "self.labels.all(k, self.labels[k] == 'v') && 'k' in self.labels",
            "self.labels[?'q'].orValue('none') == 'none' && self.?name.hasValue()",
            "[1, 2, 3].transformList(i, v, i + v).sum() == {'a': 1}.transformMap(k, v, v + 1).a",
            "cel.bind(x, self.replicas * 2, x + x == 12) && dyn(1) == 1u",
            "'%s is %d and %.2f %e'.format(['x', 3, 1.5, 2.0]) == r'x\\d' + b'\\x00\\777'",
            "'a,b,c'.split(',', 2).join('-').replace('l', 'L', 1).substring(1, 2).charAt(0)",
            "duration('1h2m') + timestamp('2026-01-02T03:04:05Z') >"
                + " timestamp('2026-01-01T00:00:00Z')",
            "quantity('1Gi').add(quantity('5M')).isGreaterThan(quantity('1')) && isQuantity('x')",
            "ip('::1').family() == 6 && cidr('10.0.0.0/8').containsIP('10.1.2.3')",
            "url('https://a.b:80/c?d=e').getHost() == 'a.b' && isURL('x')",
            "'abc'.matches('^(a|b)*c$') && 'aaa'.findAll('a+', 2).size() == 1",
            "semver('1.2.3-a+b').major() == 1 && isSemver('1') &&"
                + " format.dns1123Label().validate('a').hasValue()",
            "lists.range(10).slice(1, 3).flatten().reverse().sort().distinct() == [1, 2]",
            "-9223372036854775808 / -1 + 0x7fffffffffffffff % 0 - 1e308 * 10.0",
            "sets.contains([1], [2]) || math.greatest(1, 2.0) > 1 || base64.decode('eA==') =="
                + " b'x'"),
        Set.of(InvalidException.class, CelException.class),
        HostileExpressionsTest::evaluate);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "(",
        "[",
        "{'a':",
        "-",
        "!",
        "a.",
        "a[",
        "1+",
        "1?1:",
        "true||",
        "f(",
        "has(",
        "[1].map(x,"
      })
  void deep(String opening) {
    for (int times : List.of(300, 20_000)) {
      Fuzz.feed(
          "deep " + opening,
          (opening.repeat(times) + "1").getBytes(StandardCharsets.UTF_8),
          Set.of(InvalidException.class, CelException.class),
          HostileExpressionsTest::evaluate);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "lists.range(1000000).map(x, lists.range(1000000)).size() == 1",
        "self.tags.map(a, self.tags.map(b, self.tags.map(c, self.tags.map(d, self.tags)))).size() >"
            + " 0",
        "[1,2,3,4,5,6,7,8,9].all(a,[1,2,3,4,5,6,7,8,9].all(b,[1,2,3,4,5,6,7,8,9].all(c,"
            + "[1,2,3,4,5,6,7,8,9].all(d,[1,2,3,4,5,6,7,8,9].all(e,[1,2,3,4,5,6,7,8,9].all(f,"
            + "[1,2,3,4,5,6,7,8,9].all(g,[1,2,3,4,5,6,7,8,9].all(h, h > 0))))))))",
        "self.name.matches('^(a+)+$')",
        "self.name.matches('(a|aa)+$') || self.name.findAll('(a*)*b').size() > 0",
        "cel.bind(a, self.name + self.name, cel.bind(b, a+a+a+a+a+a+a+a, cel.bind(c,"
            + " b+b+b+b+b+b+b+b, cel.bind(d, c+c+c+c+c+c+c+c, cel.bind(e, d+d+d+d+d+d+d+d,"
            + " e+e+e+e+e+e+e+e)))))=='x'",
        "'x'.replace('', self.name.replace('', self.name.replace('', self.name.replace('',"
            + " self.name)))) == ''",
        "self.name.split('').map(x, self.name.split('')).flatten().map(x, self.name).join() == ''",
        "'%1000000000d'.format([1]) == '' || '%.1000000000f'.format([1.5]) == ''"
      })
  void costly(String expression) {
    Fuzz.feed(
        "costly",
        expression.getBytes(StandardCharsets.UTF_8),
        Set.of(InvalidException.class, CelException.class),
        HostileExpressionsTest::evaluate);
  }

  @Test
  void longOnes() {
    for (String each :
        List.of("1+", "true||", "true&&", "'a'+", "[1]+", "!", "self.tags.size()*")) {
      Fuzz.feed(
          "long " + each,
          (each.repeat(100_000 / each.length()) + "1").getBytes(StandardCharsets.UTF_8),
          Set.of(InvalidException.class, CelException.class),
          HostileExpressionsTest::evaluate);
    }
  }
}
