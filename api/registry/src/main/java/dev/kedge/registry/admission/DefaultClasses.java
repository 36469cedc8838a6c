package dev.kedge.registry.admission;

import dev.kedge.model.KubeObject;
import dev.kedge.model.ResourceType;
import dev.kedge.model.Resources;
import dev.kedge.registry.AdmissionPlugin;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** Gives a claim or an ingress that names no class the class marked as default. */
final class DefaultClasses implements AdmissionPlugin {
  private final ResourceType classes;
  private final ResourceType users;
  private final String field;
  private final String oldAnnotation;
  private final String marker;

  private DefaultClasses(
      ResourceType classes, ResourceType users, String field, String oldAnnotation, String marker) {
    this.classes = classes;
    this.users = users;
    this.field = field;
    this.oldAnnotation = oldAnnotation;
    this.marker = marker;
  }

  static DefaultClasses storage() {
    return new DefaultClasses(
        Resources.STORAGE_CLASSES,
        Resources.PERSISTENT_VOLUME_CLAIMS,
        "storageClassName",
        "volume.beta.kubernetes.io/storage-class",
        "storageclass.kubernetes.io/is-default-class");
  }

  static DefaultClasses ingress() {
    return new DefaultClasses(
        Resources.INGRESS_CLASSES,
        Resources.INGRESSES,
        "ingressClassName",
        "kubernetes.io/ingress.class",
        "ingressclass.kubernetes.io/is-default-class");
  }

  @Override
  public String name() {
    return classes == Resources.STORAGE_CLASSES ? "DefaultStorageClass" : "DefaultIngressClass";
  }

  @Override
  public KubeObject mutate(Review review, KubeObject object) {
    if (!review.creating(users)
        || object.spec().has(field)
        || object.annotation(oldAnnotation).isPresent()) {
      return object;
    }
    // Of several defaults the newest counts, then the first by name.
    Optional<String> name =
        review.objects().list(classes, "").stream()
            .filter(found -> found.annotation(marker).orElse("").equals("true"))
            .sorted(Comparator.comparing(KubeObject::name))
            .max(Comparator.comparing(found -> found.metadata().text("creationTimestamp")))
            .map(KubeObject::name);
    return name.map(found -> object.withPath(List.of("spec", field), found)).orElse(object);
  }
}
