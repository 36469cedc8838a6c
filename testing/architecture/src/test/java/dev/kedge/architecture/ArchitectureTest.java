package dev.kedge.architecture;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAnyPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Holds the code to the layers of ARCHITECTURE.md; what the poms allow is looked at as well as what
 * the code does.
 */
class ArchitectureTest {
  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
          .importPackages("dev.kedge");

  /**
   * The layers from the ground up, the packages of each, and the layers it may use beside itself.
   */
  private enum Layer {
    GROUND(List.of("model", "cel", "builtin", "http", "grpc", "lifecycle", "schema")),
    STORE(List.of("store"), GROUND),
    API(List.of("identity", "registry", "apiserver"), STORE, GROUND),
    CONTROL(List.of("client", "reconcile", "scheduler", "controllers"), GROUND),
    NODE(List.of("cri", "node"), CONTROL, GROUND),
    NETWORK(List.of("network"), CONTROL, GROUND),
    PRODUCT(List.of("server", "cli"), NETWORK, NODE, CONTROL, API, STORE, GROUND);

    private final List<String> packages;
    private final Set<Layer> uses;

    Layer(List<String> packages, Layer... uses) {
      this.packages = packages;
      this.uses = Set.of(uses);
    }

    private String[] packages() {
      return packages.stream().map(name -> "dev.kedge." + name + "..").toArray(String[]::new);
    }
  }

  @ParameterizedTest
  @EnumSource(Layer.class)
  void layersUseOnlyWhatLiesBelow(Layer layer) {
    String[] forbidden =
        Arrays.stream(Layer.values())
            .filter(other -> other != layer && !layer.uses.contains(other))
            .flatMap(other -> Arrays.stream(other.packages()))
            .toArray(String[]::new);
    if (forbidden.length > 0) {
      noClasses()
          .that(resideInAnyPackage(layer.packages()))
          .should()
          .dependOnClassesThat(resideInAnyPackage(forbidden))
          .check(CLASSES);
    }
  }

  @Test
  void everyClassHasALayer() {
    String[] known =
        Arrays.stream(Layer.values())
            .flatMap(layer -> Arrays.stream(layer.packages()))
            .toArray(String[]::new);
    noClasses().should(new InPackagesOtherThan(known)).check(CLASSES);
  }

  @ParameterizedTest
  @ValueSource(strings = {"dev.kedge.store.sql..", "dev.kedge.store.etcd.."})
  void onlyTheAssemblyNamesAConcreteStore(String engine) {
    noClasses()
        .that(DescribedPredicate.not(resideInAnyPackage(engine, "dev.kedge.server..")))
        .should()
        .dependOnClassesThat(resideInAnyPackage(engine))
        .check(CLASSES);
  }

  @Test
  void librariesStayBehindTheirModule() {
    record Library(String packages, String... homes) {}
    List<Library> libraries =
        List.of(
            new Library("org.eclipse.jetty..", "dev.kedge.http.."),
            new Library("com.fasterxml.jackson..", "dev.kedge.model.."),
            new Library("org.snakeyaml..", "dev.kedge.model.."),
            new Library("org.xbill..", "dev.kedge.network.dns.."),
            new Library("java.sql..", "dev.kedge.store.sql.."),
            new Library("org.postgresql..", "dev.kedge.store.sql.."),
            new Library("org.mariadb..", "dev.kedge.store.sql.."));
    for (Library library : libraries) {
      noClasses()
          .that(DescribedPredicate.not(resideInAnyPackage(library.homes())))
          .should()
          .dependOnClassesThat(resideInAnyPackage(library.packages()))
          .check(CLASSES);
    }
  }

  @Test
  void everyPackageKeepsNullOut() {
    Set<String> packages = new TreeSet<>();
    CLASSES.forEach(type -> packages.add(type.getPackageName()));
    List<String> unmarked = new ArrayList<>();
    for (String name : packages) {
      boolean marked =
          Stream.of(CLASSES.getPackage(name))
              .anyMatch(
                  found ->
                      found
                          .tryGetPackageInfo()
                          .map(info -> info.isAnnotatedWith(NullMarked.class))
                          .orElse(false));
      if (!marked) {
        unmarked.add(name);
      }
    }
    assertThat(unmarked).as("packages without @NullMarked in package-info.java").isEmpty();
  }

  @Test
  void onlyTheCommandLineExits() {
    noClasses()
        .that(DescribedPredicate.not(resideInAnyPackage("dev.kedge.cli..")))
        .should()
        .callMethod(System.class, "exit", int.class)
        .check(CLASSES);
  }

  /** Matches classes outside all of the given packages. */
  private static final class InPackagesOtherThan
      extends com.tngtech.archunit.lang.ArchCondition<JavaClass> {
    private final DescribedPredicate<JavaClass> known;

    InPackagesOtherThan(String... packages) {
      super("reside outside the known packages");
      known = resideInAnyPackage(packages);
    }

    @Override
    public void check(JavaClass type, com.tngtech.archunit.lang.ConditionEvents events) {
      events.add(
          new com.tngtech.archunit.lang.SimpleConditionEvent(
              type, !known.test(type), type.getName() + " resides in no layer's package"));
    }
  }
}
