package dev.kedge.registry;

import dev.kedge.identity.User;
import dev.kedge.model.ApiException;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * One step between decoding and storing that may change or refuse a request. The order of plugins
 * is one visible list; all of them change first ({@link #mutate}), then all of them judge ({@link
 * #validate}). Any thread.
 */
public interface AdmissionPlugin {
  /** Upstream's name, such as {@code LimitRanger}. */
  String name();

  /**
   * Changes the object of a create or update; not called for deletions.
   *
   * @throws ApiException if the request is refused
   */
  default KubeObject mutate(Review review, KubeObject object) {
    return object;
  }

  /**
   * Has its say, in the changing phase, on an operation that brings no object: DELETE and CONNECT.
   *
   * @throws ApiException if the request is refused
   */
  default void admit(Review review) {}

  /**
   * Judges the final object.
   *
   * @throws ApiException if the request is refused
   */
  default void validate(Review review, KubeObject object) {}

  /**
   * Hears of every committed write, before its sender does; must be quick and must not fail.
   *
   * @param before empty for a creation
   * @param after empty for a removal
   */
  default void committed(
      ResourceType type,
      Optional<KubeObject> before,
      Optional<KubeObject> after,
      Objects objects) {}

  /** Lets go of connections; no request is under way any more. */
  default void close() {}

  /** What is done with the object. */
  enum Operation {
    CREATE,
    UPDATE,
    DELETE,
    CONNECT
  }

  /**
   * What is asked, apart from the object itself.
   *
   * @param subresource empty for the object itself
   * @param name empty while a name is still to be generated
   * @param old the object before an update or deletion; for creations an object without fields
   * @param objects reads whatever else a decision needs
   * @param warnings takes what the sender should know
   * @param asked what was sent, in the versions of the API
   * @param round how often the changing plugins have been asked about this request
   */
  record Review(
      Operation operation,
      ResourceType type,
      String subresource,
      String namespace,
      String name,
      User user,
      KubeObject old,
      boolean dryRun,
      Objects objects,
      List<String> warnings,
      Asked asked,
      Round round) {
    /** Whether this is an operation on the resource itself, by its group and plural name. */
    public boolean on(ResourceType other) {
      return subresource.isEmpty()
          && type.plural().equals(other.plural())
          && type.group().equals(other.group());
    }

    /** Whether an object of the resource is being created. */
    public boolean creating(ResourceType other) {
      return operation == Operation.CREATE && on(other);
    }

    /** The same with another list for warnings. */
    public Review withWarnings(List<String> others) {
      return new Review(
          operation,
          type,
          subresource,
          namespace,
          name,
          user,
          old,
          dryRun,
          objects,
          others,
          asked,
          round);
    }

    /** A refusal in upstream's words: {@code pods "x" is forbidden: why}. */
    public ApiException forbidden(String why) {
      return ApiException.forbidden(type.group(), type.plural(), name, why);
    }
  }

  /**
   * A version in which a resource is served.
   *
   * @param resource group, version and plural name, as in the URL
   * @param kind of the documents, which for a subresource such as scale is not the resource's
   */
  record Version(ResourceType resource, GroupVersionKind kind) {}

  /**
   * What a request asked for, in the terms of the API: plugins that are configured by users see
   * versions as they are served, never the stored one.
   */
  interface Asked {
    /** The version of the URL. */
    Version version();

    /** The other versions in which the same objects are served. */
    List<Version> equivalents();

    /** A stored object as it is served in a version. */
    KubeObject show(Version version, KubeObject stored);

    /**
     * A changed document as it would be stored: pruned, with defaults.
     *
     * @param stored what the document was shown from
     * @throws ApiException if it does not fit its schema
     */
    KubeObject take(Version version, KubeObject changed, KubeObject stored);

    /**
     * A document with an apply configuration merged into it, by the list types of its schema; who
     * owns what is not asked.
     */
    KubeObject merge(Version version, KubeObject shown, JsonObject configuration);

    /** The options of the request, such as a {@code meta.k8s.io/v1 CreateOptions}. */
    JsonObject options();
  }

  /**
   * Keeps track of the changing plugins: they are asked a second time when one of them asks for it,
   * because somebody changed what it had seen. One thread.
   */
  final class Round {
    private final Map<String, Object> notes = new HashMap<>();
    private boolean again;
    private boolean second;

    /** Asks for a second round. */
    public void askAgain() {
      again = true;
    }

    /** Whether this is the second round. */
    public boolean second() {
      return second;
    }

    /** What a plugin keeps between the rounds. */
    public <T> T notes(Class<T> type, Supplier<T> first) {
      return type.cast(notes.computeIfAbsent(type.getName(), _ -> first.get()));
    }

    /** Begins the second round if one was asked for. */
    boolean next() {
      if (second || !again) {
        return false;
      }
      second = true;
      return true;
    }
  }
}
