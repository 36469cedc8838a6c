package dev.kedge.registry;

import dev.kedge.model.KubeObject;
import java.util.List;

/** Translates documents between a served version and the stored one. Any thread. */
interface Converter {
  /** From the served to the stored version. */
  KubeObject toStored(KubeObject served);

  /** From the stored to the served version. */
  KubeObject toServed(KubeObject stored);

  /** Whether stored bytes may be served as they are. */
  default boolean identity() {
    return false;
  }

  /** From the stored to the served version, many at once. */
  default List<KubeObject> toServed(List<KubeObject> stored) {
    return stored.stream().map(this::toServed).toList();
  }

  /** Whether versions differ in shape, and translating many at once costs less than one by one. */
  default boolean together() {
    return false;
  }

  /** Served as stored. */
  Converter IDENTITY =
      new Converter() {
        @Override
        public KubeObject toStored(KubeObject served) {
          return served;
        }

        @Override
        public KubeObject toServed(KubeObject stored) {
          return stored;
        }

        @Override
        public boolean identity() {
          return true;
        }
      };

  /** Versions of the same shape: only {@code apiVersion} differs (CRD conversion strategy None). */
  static Converter relabel(String servedVersion, String storedVersion) {
    return new Converter() {
      @Override
      public KubeObject toStored(KubeObject served) {
        return served.with("apiVersion", storedVersion);
      }

      @Override
      public KubeObject toServed(KubeObject stored) {
        return stored.with("apiVersion", servedVersion);
      }
    };
  }
}
