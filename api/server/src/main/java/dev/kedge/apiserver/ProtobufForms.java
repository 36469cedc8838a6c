package dev.kedge.apiserver;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.kedge.model.ApiException;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Protobuf;
import dev.kedge.model.Protobuf.ProtobufException;
import dev.kedge.model.Schema;
import dev.kedge.model.Schema.Field;
import dev.kedge.registry.ResourceInfo;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * Protobuf bodies in and out: single objects by {@link Protobuf}; lists and metadata, whose
 * messages are the same for all kinds, put together here. Any thread.
 */
final class ProtobufForms {
  /** The empty fields contentEncoding and contentType. */
  private static final byte[] ENVELOPE_TAIL = {3 << 3 | 2, 0, 4 << 3 | 2, 0};

  private final Function<GroupVersionKind, Optional<Schema>> schemas;

  /** Schemas by kind, those of subresources' and options' documents included. */
  ProtobufForms(Function<GroupVersionKind, Optional<Schema>> schemas) {
    this.schemas = schemas;
  }

  /** Whether documents of a kind can be written. */
  boolean writes(GroupVersionKind kind) {
    return schemas.apply(kind).isPresent();
  }

  /** Reads an enveloped object. */
  JsonObject read(byte[] bytes) {
    if (!Protobuf.isEnveloped(bytes)) {
      throw ApiException.badRequest(
          "the body of the request does not begin as protobuf of Kubernetes does");
    }
    try {
      GroupVersionKind kind = Protobuf.kindOf(bytes);
      JsonObject object =
          Protobuf.decode(
              bytes,
              asked ->
                  schemas
                      .apply(asked)
                      .orElseThrow(
                          () ->
                              ApiException.badRequest(
                                  "no kind \""
                                      + asked.kind()
                                      + "\" is registered for version \""
                                      + asked.apiVersion()
                                      + "\"")));
      return object.has("kind")
          ? object
          : JsonObject.builder()
              .put("apiVersion", kind.apiVersion())
              .put("kind", kind.kind())
              .putAll(object)
              .build();
    } catch (ProtobufException e) {
      throw ApiException.badRequest("the protobuf body cannot be read: " + e.getMessage());
    }
  }

  /** Writes an object with its envelope. */
  byte[] write(KubeObject object) {
    return Protobuf.encode(schema(object.groupVersionKind()), object.json());
  }

  /** The bare message of an object. */
  byte[] message(ResourceInfo info, KubeObject object) {
    return Protobuf.encodeMessage(info.schema(), object.json());
  }

  /** The bare PartialObjectMetadata of an object. */
  byte[] metadataMessage(ResourceInfo info, KubeObject object) {
    Schema metadata =
        info.schema()
            .field("metadata")
            .map((Field field) -> field.schema().get())
            .orElseThrow(Answers::notAcceptable);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    bytes(out, 1, Protobuf.encodeMessage(metadata, object.metadata()));
    return out.toByteArray();
  }

  /** Writes a list of bare messages, enveloped. */
  static void list(
      String apiVersion,
      String kind,
      List<byte[]> messages,
      String resourceVersion,
      String continueToken,
      long remaining,
      OutputStream out)
      throws IOException {
    ByteArrayOutputStream meta = new ByteArrayOutputStream();
    bytes(meta, 1, new byte[0]);
    bytes(meta, 2, resourceVersion.getBytes(UTF_8));
    bytes(meta, 3, continueToken.getBytes(UTF_8));
    if (remaining > 0) {
      varint(meta, 4 << 3);
      varint(meta, remaining);
    }
    ByteArrayOutputStream first = new ByteArrayOutputStream();
    bytes(first, 1, meta.toByteArray());
    long length = first.size();
    for (byte[] message : messages) {
      length += prefix(2, message.length).length + message.length;
    }
    out.write(envelopeHead(apiVersion, kind, length));
    first.writeTo(out);
    for (byte[] message : messages) {
      out.write(prefix(2, message.length));
      out.write(message);
    }
    out.write(ENVELOPE_TAIL);
  }

  /** A message in the envelope {@code runtime.Unknown}. */
  static byte[] envelope(String apiVersion, String kind, byte[] message) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(message.length + 64);
    out.writeBytes(envelopeHead(apiVersion, kind, message.length));
    out.writeBytes(message);
    out.writeBytes(ENVELOPE_TAIL);
    return out.toByteArray();
  }

  private static byte[] envelopeHead(String apiVersion, String kind, long length) {
    ByteArrayOutputStream type = new ByteArrayOutputStream();
    bytes(type, 1, apiVersion.getBytes(UTF_8));
    bytes(type, 2, kind.getBytes(UTF_8));
    ByteArrayOutputStream out = new ByteArrayOutputStream(64);
    out.writeBytes(new byte[] {'k', '8', 's', 0});
    bytes(out, 1, type.toByteArray());
    out.writeBytes(prefix(2, length));
    return out.toByteArray();
  }

  private Schema schema(GroupVersionKind kind) {
    return schemas.apply(kind).orElseThrow(Answers::notAcceptable);
  }

  private static void bytes(ByteArrayOutputStream out, int field, byte[] value) {
    out.writeBytes(prefix(field, value.length));
    out.writeBytes(value);
  }

  /** What stands before a field of so many bytes. */
  private static byte[] prefix(int field, long length) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(8);
    varint(out, (field << 3) | 2);
    varint(out, length);
    return out.toByteArray();
  }

  private static void varint(ByteArrayOutputStream out, long value) {
    long rest = value;
    while ((rest & ~0x7fL) != 0) {
      out.write((int) (rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    out.write((int) rest);
  }
}
