package dev.kedge.registry;

import dev.kedge.identity.ServiceAccountTokens.Bound;
import dev.kedge.identity.ServiceAccountTokens.IssuedToken;
import dev.kedge.identity.ServiceAccountTokens.TokenRequest;
import dev.kedge.model.ApiException;
import dev.kedge.model.JsonArray;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonValue;
import dev.kedge.model.KubeObject;
import dev.kedge.model.LabelSelector;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.model.Status;
import dev.kedge.model.Status.Cause;
import dev.kedge.model.Status.Details;
import dev.kedge.model.Times;
import dev.kedge.registry.AdmissionPlugin.Operation;
import dev.kedge.registry.AdmissionPlugin.Review;
import dev.kedge.registry.Registry.DeleteOptions;
import dev.kedge.registry.Registry.Request;
import dev.kedge.registry.Registry.WriteOptions;
import dev.kedge.registry.Registry.Written;
import dev.kedge.registry.Writes.Change;
import dev.kedge.registry.Writes.Proposed;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What is posted to an object: bindings and evictions of pods, token requests. Any thread. */
final class PodOperations {
  private static final long SHORTEST_TOKEN = 600;
  private static final long LONGEST_TOKEN = 1L << 32;
  private static final long DEFAULT_TOKEN = 3600;
  // The seconds that upstream's own volumes ask for are prolonged, for clients that never read the
  // token again.
  private static final long EXTENDED_ASKED = 3607;
  private static final Duration EXTENDED = Duration.ofDays(365);
  private static final int MOST_DISRUPTED = 2000;

  private final Writes writes;
  private final Deletes deletes;
  private final Objects objects;
  private final Identity identity;
  private final Admission admission;
  private final Clock clock;

  PodOperations(
      Writes writes,
      Deletes deletes,
      Objects objects,
      Identity identity,
      Admission admission,
      Clock clock) {
    this.writes = writes;
    this.deletes = deletes;
    this.objects = objects;
    this.identity = identity;
    this.admission = admission;
    this.clock = clock;
  }

  /** Posts to a subresource. */
  Written create(Served served, Request request, JsonObject body, WriteOptions options) {
    ResourceInfo info = document(served, request);
    ResourceType type = info.type();
    Documents.Decoded decoded = Documents.decode(info, body, options);
    KubeObject object = decoded.object();
    if (!object.name().isEmpty() && !object.name().equals(request.name())) {
      throw ApiException.badRequest(
          "name in URL does not match name in "
              + (request.subresource().equals("eviction") ? "Eviction" : type.kind())
              + " object");
    }
    return switch (request.subresource()) {
      case "binding" -> bind(served, request, object, options, decoded.warnings());
      case "eviction" -> evict(served, request, object, options);
      case "token" -> token(served, request, object, options);
      default ->
          throw ApiException.methodNotSupported(
              served.group(), served.plural() + "/" + request.subresource(), "create");
    };
  }

  /** The documents that are posted to a subresource. */
  private static ResourceInfo document(Served served, Request request) {
    ResourceType type = served.info().subresource(request.subresource()).orElseThrow().type();
    return new ResourceInfo(
        type,
        request.subresource(),
        List.of(),
        List.of(),
        served.info().verbs(),
        List.of(),
        Documents.builtin(type),
        List.of(),
        false);
  }

  // Binding.

  Written bind(
      Served served,
      Request request,
      KubeObject posted,
      WriteOptions options,
      List<String> decodeWarnings) {
    List<String> warnings = new ArrayList<>(decodeWarnings);
    KubeObject binding = admitted(served, request, Writes.NONE, posted, options, warnings);
    String node = binding.json().text("target", "name");
    String kind = binding.json().text("target", "kind");
    List<Cause> causes = new ArrayList<>();
    if (!kind.isEmpty() && !kind.equals("Node")) {
      causes.add(
          new Cause(
              "FieldValueNotSupported",
              "Unsupported value: \"" + kind + "\": supported values: \"Node\", \"<empty>\"",
              "target.kind"));
    }
    if (node.isEmpty()) {
      causes.add(new Cause("FieldValueRequired", "Required value", "target.name"));
    }
    if (!causes.isEmpty()) {
      throw ApiException.invalid("", "Binding", request.name(), causes);
    }
    String now = Times.text(clock.instant());
    writes.change(
        new Change(
            served,
            request.namespace(),
            request.name(),
            Aspect.BINDING,
            options,
            request.user(),
            false,
            true),
        (pod, ignored) -> {
          String why = unbindable(pod, binding);
          if (!why.isEmpty()) {
            throw ApiException.conflict("", "pods/binding", request.name(), why);
          }
          KubeObject bound = pod.withPath(List.of("spec", "nodeName"), node);
          for (var entry : binding.annotations().entrySet()) {
            bound =
                bound.withPath(
                    List.of("metadata", "annotations", entry.getKey()), entry.getValue());
          }
          for (var entry : binding.labels().entrySet()) {
            bound = bound.withPath(List.of("metadata", "labels", entry.getKey()), entry.getValue());
          }
          return new Proposed(scheduled(bound, now), false);
        },
        () -> {
          throw ApiException.notFound("", "pods", request.name());
        });
    return new Written(success(), true, warnings);
  }

  private static String unbindable(KubeObject pod, KubeObject binding) {
    String name = pod.name();
    String uid = binding.uid();
    if (!uid.isEmpty() && !uid.equals(pod.uid())) {
      return "Precondition failed: UID in precondition: "
          + uid
          + ", UID in object meta: "
          + pod.uid();
    }
    if (pod.deleting()) {
      return "pod " + name + " is being deleted, cannot be assigned to a host";
    }
    String node = pod.spec().text("nodeName");
    if (!node.isEmpty()) {
      return "pod " + name + " is already assigned to node \"" + node + "\"";
    }
    if (!pod.spec().array("schedulingGates").isEmpty()) {
      return "pod " + name + " has non-empty .spec.schedulingGates";
    }
    return "";
  }

  private static KubeObject scheduled(KubeObject pod, String now) {
    JsonObject condition =
        JsonObject.of(
            "type",
            "PodScheduled",
            "observedGeneration",
            Math.max(1, pod.generation()),
            "status",
            "True",
            "lastProbeTime",
            dev.kedge.model.JsonNull.NULL,
            "lastTransitionTime",
            now);
    List<JsonValue> conditions = new ArrayList<>();
    for (JsonObject known : pod.status().objects("conditions")) {
      if (!known.text("type").equals("PodScheduled")) {
        conditions.add(known);
      }
    }
    conditions.add(condition);
    return pod.withStatus(pod.status().with("conditions", new JsonArray(conditions)));
  }

  // Eviction.

  private Written evict(Served served, Request request, KubeObject posted, WriteOptions options) {
    KubeObject first =
        objects
            .findLatest(Resources.PODS, request.namespace(), request.name())
            .orElseThrow(() -> ApiException.notFound("", "pods", request.name()));
    List<String> warnings = new ArrayList<>();
    KubeObject eviction = admitted(served, request, first, posted, options, warnings);
    DeleteOptions asked = deleteOptions(eviction.json().object("deleteOptions"), options.dryRun());
    while (true) {
      KubeObject pod =
          objects
              .findLatest(Resources.PODS, request.namespace(), request.name())
              .orElseThrow(() -> ApiException.notFound("", "pods", request.name()));
      if (mayGo(pod)) {
        return evicted(served, request, pod, asked, warnings);
      }
      List<KubeObject> budgets =
          objects.listLatest(Resources.POD_DISRUPTION_BUDGETS, request.namespace()).stream()
              .filter(budget -> covers(budget, pod))
              .toList();
      if (budgets.isEmpty()) {
        return evicted(served, request, pod, asked, warnings);
      }
      if (budgets.size() > 1) {
        throw ApiException.internal(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does"
                + " not support.");
      }
      KubeObject budget = budgets.getFirst();
      if (!ready(pod)) {
        JsonObject status = budget.status();
        boolean healthy =
            status.integer("currentHealthy") >= status.integer("desiredHealthy")
                && status.integer("desiredHealthy") > 0;
        if (budget.spec().text("unhealthyPodEvictionPolicy").equals("AlwaysAllow") || healthy) {
          return evicted(served, request, pod, asked, warnings);
        }
      }
      KubeObject taken = disrupted(budget, pod);
      if (options.dryRun() || objects.replace(Resources.POD_DISRUPTION_BUDGETS, taken)) {
        return evicted(served, request, pod, asked, warnings);
      }
    }
  }

  /** Says on the pod why it goes, then deletes it: whoever counts its end may ask. */
  private Written evicted(
      Served served,
      Request request,
      KubeObject found,
      DeleteOptions asked,
      List<String> warnings) {
    DeleteOptions options = asked;
    boolean meant =
        (asked.uid().isEmpty() || asked.uid().equals(found.uid()))
            && (asked.resourceVersion().isEmpty()
                || asked.resourceVersion().equals(found.resourceVersion()));
    if (meant && !asked.dryRun() && !found.deleting()) {
      KubeObject pod = found;
      while (!objects.replace(Resources.PODS, disruptionTarget(pod))) {
        pod =
            objects
                .findLatest(Resources.PODS, request.namespace(), request.name())
                .filter(latest -> latest.uid().equals(found.uid()))
                .orElseThrow(() -> ApiException.notFound("", "pods", request.name()));
      }
      // The one that was meant has another version now, and nobody else's.
      options =
          new DeleteOptions(
              asked.gracePeriodSeconds(),
              asked.propagationPolicy(),
              asked.orphanDependents(),
              found.uid(),
              "",
              false);
    }
    deletes.delete(served, request.namespace(), request.name(), options, request.user());
    return new Written(success(), true, warnings);
  }

  private KubeObject disruptionTarget(KubeObject pod) {
    List<JsonObject> conditions =
        new ArrayList<>(
            pod.status().objects("conditions").stream()
                .filter(condition -> !condition.text("type").equals("DisruptionTarget"))
                .toList());
    conditions.add(
        JsonObject.of(
            "type",
            "DisruptionTarget",
            "status",
            "True",
            "lastProbeTime",
            dev.kedge.model.JsonNull.NULL,
            "lastTransitionTime",
            Times.text(clock.instant()),
            "reason",
            "EvictionByEvictionAPI",
            "message",
            "Eviction API: evicting"));
    return pod.withStatus(pod.status().with("conditions", conditions));
  }

  private static boolean mayGo(KubeObject pod) {
    String phase = pod.status().text("phase");
    return pod.deleting()
        || phase.equals("Succeeded")
        || phase.equals("Failed")
        || phase.equals("Pending");
  }

  private static boolean covers(KubeObject budget, KubeObject pod) {
    return budget.spec().has("selector")
        && LabelSelector.of(budget.spec().object("selector")).matches(pod.labels());
  }

  private static boolean ready(KubeObject pod) {
    return pod.status().objects("conditions").stream()
        .anyMatch(
            condition ->
                condition.text("type").equals("Ready") && condition.text("status").equals("True"));
  }

  private KubeObject disrupted(KubeObject budget, KubeObject pod) {
    JsonObject status = budget.status();
    if (status.integer("observedGeneration") < budget.generation()) {
      throw tooMany(
          "Cannot evict pod as it would violate the pod's disruption budget.",
          "The disruption budget " + budget.name() + " is still being processed by the server.",
          10);
    }
    long allowed = status.integer("disruptionsAllowed");
    if (allowed < 0) {
      throw ApiException.forbidden(
          "policy", "poddisruptionbudgets", budget.name(), "pdb disruptions allowed is negative");
    }
    if (status.object("disruptedPods").size() > MOST_DISRUPTED) {
      throw ApiException.forbidden(
          "policy",
          "poddisruptionbudgets",
          budget.name(),
          "DisruptedPods map too big - too many evictions not confirmed by PDB controller");
    }
    if (allowed == 0) {
      throw tooMany(
          "Cannot evict pod as it would violate the pod's disruption budget.",
          "The disruption budget "
              + budget.name()
              + " needs "
              + status.integer("desiredHealthy")
              + " healthy pods and has "
              + status.integer("currentHealthy")
              + " currently",
          0);
    }
    return budget.withStatus(
        status
            .with("disruptionsAllowed", allowed - 1)
            .with(
                "disruptedPods",
                status.object("disruptedPods").with(pod.name(), Times.text(clock.instant()))));
  }

  private static ApiException tooMany(String message, String cause, long retryAfter) {
    return new ApiException(
        new Status(
            429,
            "TooManyRequests",
            message,
            new Details(
                "", "", "", "", List.of(new Cause("DisruptionBudget", cause, "")), retryAfter)));
  }

  private static DeleteOptions deleteOptions(JsonObject json, boolean dryRun) {
    return new DeleteOptions(
        json.has("gracePeriodSeconds")
            ? Optional.of(json.integer("gracePeriodSeconds"))
            : Optional.empty(),
        json.text("propagationPolicy"),
        json.has("orphanDependents")
            ? Optional.of(json.flag("orphanDependents"))
            : Optional.empty(),
        json.text("preconditions", "uid"),
        json.text("preconditions", "resourceVersion"),
        dryRun || !json.array("dryRun").isEmpty());
  }

  // Tokens.

  private Written token(Served served, Request request, KubeObject posted, WriteOptions options) {
    KubeObject account =
        objects
            .find(Resources.SERVICE_ACCOUNTS, request.namespace(), request.name())
            .orElseThrow(() -> ApiException.notFound("", "serviceaccounts", request.name()));
    List<String> warnings = new ArrayList<>();
    KubeObject asked = admitted(served, request, account, posted, options, warnings);
    JsonObject spec = asked.spec();
    long seconds = spec.integerOr(DEFAULT_TOKEN, "expirationSeconds");
    List<Cause> causes = new ArrayList<>();
    if (seconds < SHORTEST_TOKEN) {
      causes.add(
          new Cause(
              "FieldValueInvalid",
              "Invalid value: " + seconds + ": may not specify a duration less than 10 minutes",
              "spec.expirationSeconds"));
    }
    if (seconds > LONGEST_TOKEN) {
      causes.add(
          new Cause(
              "FieldValueInvalid",
              "Invalid value: " + seconds + ": may not specify a duration larger than 2^32 seconds",
              "spec.expirationSeconds"));
    }
    if (!causes.isEmpty()) {
      throw ApiException.invalid("authentication.k8s.io", "TokenRequest", request.name(), causes);
    }
    JsonObject reference = spec.object("boundObjectRef");
    Optional<Bound> bound = Optional.empty();
    Optional<Bound> node = Optional.empty();
    if (!reference.isEmpty()) {
      KubeObject object = boundObject(request, reference, account);
      bound = Optional.of(new Bound(object.kind(), object.name(), object.uid()));
      String nodeName = object.spec().text("nodeName");
      if (object.kind().equals("Pod") && !nodeName.isEmpty()) {
        node =
            Optional.of(
                new Bound(
                    "Node",
                    nodeName,
                    objects.find(Resources.NODES, "", nodeName).map(KubeObject::uid).orElse("")));
      }
    }
    List<String> audiences = spec.strings("audiences");
    boolean prolonged =
        seconds == EXTENDED_ASKED
            && audiences.isEmpty()
            && bound.map(object -> object.kind().equals("Pod")).orElse(false);
    Duration life = prolonged ? EXTENDED : Duration.ofSeconds(seconds);
    IssuedToken issued =
        identity
            .issuer()
            .issue(
                new TokenRequest(
                    request.namespace(),
                    account.name(),
                    account.uid(),
                    audiences,
                    life,
                    bound,
                    node));
    // The sender is told when to ask again, not how long the token would be taken.
    String until =
        Times.text(prolonged ? clock.instant().plusSeconds(seconds) : issued.expiration());
    KubeObject answer =
        asked
            .with(
                "metadata",
                JsonObject.builder()
                    .put("name", account.name())
                    .put("namespace", request.namespace())
                    .put("creationTimestamp", Times.text(clock.instant()))
                    .build())
            .with("spec", spec.with("expirationSeconds", seconds))
            .withStatus(JsonObject.of("token", issued.token(), "expirationTimestamp", until));
    return new Written(ServedObject.of(answer), true, warnings);
  }

  private KubeObject boundObject(Request request, JsonObject reference, KubeObject account) {
    String kind = reference.text("kind");
    String name = reference.text("name");
    ResourceType type =
        switch (kind) {
          case "Pod" -> Resources.PODS;
          case "Secret" -> Resources.SECRETS;
          case "Node" -> Resources.NODES;
          default ->
              throw ApiException.badRequest(
                  "cannot bind token for serviceaccount \""
                      + account.name()
                      + "\" to "
                      + kind
                      + " \""
                      + name
                      + "\"");
        };
    String namespace = type.namespaced() ? request.namespace() : "";
    KubeObject object =
        objects
            .find(type, namespace, name)
            .orElseThrow(() -> ApiException.notFound("", type.plural(), name));
    String uid = reference.text("uid");
    if (!uid.isEmpty() && !uid.equals(object.uid())) {
      throw ApiException.conflict(
          "",
          type.plural(),
          name,
          "the UID in the bound object reference ("
              + uid
              + ") does not match the UID in record. The object might have been deleted and then"
              + " recreated");
    }
    if (kind.equals("Pod") && !account.name().equals(object.spec().text("serviceAccountName"))) {
      throw ApiException.badRequest(
          "cannot bind token for serviceaccount \""
              + account.name()
              + "\" to pod running with different serviceaccount name.");
    }
    return object;
  }

  /** A posted document after admission. */
  private KubeObject admitted(
      Served served,
      Request request,
      KubeObject old,
      KubeObject document,
      WriteOptions options,
      List<String> warnings) {
    ResourceInfo info = document(served, request);
    Review review =
        writes.review(
            Operation.CREATE,
            served.stored(),
            request.subresource(),
            request.namespace(),
            request.name(),
            request.user(),
            old,
            options.dryRun(),
            warnings,
            writes.forms(
                served,
                Forms.Lens.of(info.type().groupVersionKind(), info.schema()),
                Forms.options("CreateOptions", options)));
    KubeObject admitted = admission.mutate(review, document);
    admission.validate(review, admitted);
    return admitted;
  }

  private static ServedObject success() {
    return ServedObject.of(
        new KubeObject(
            JsonObject.of(
                "kind",
                "Status",
                "apiVersion",
                "v1",
                "metadata",
                JsonObject.EMPTY,
                "status",
                "Success",
                "code",
                201)));
  }
}
