package dev.kedge.apiserver;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.kedge.model.ApiException;
import dev.kedge.model.GroupVersionKind;
import dev.kedge.model.JsonObject;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Protobuf;
import dev.kedge.model.Protobuf.ProtobufException;
import dev.kedge.model.ProtobufWriter;
import dev.kedge.model.Schema;
import dev.kedge.registry.Registry.ServedList;
import dev.kedge.registry.ResourceInfo;
import dev.kedge.registry.ServedObject;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
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

  /** The bare PartialObjectMetadata of an object. */
  static byte[] metadataMessage(ResourceInfo info, ServedObject object) {
    ProtobufWriter writer = new ProtobufWriter();
    writer.field(info.schema(), object.json(), "metadata");
    return writer.bytes();
  }

  /**
   * Writes a list, enveloped. Its length stands at its beginning: objects whose length nobody has
   * asked for before are made twice, rather than all be held.
   *
   * @param metadata whether the items are PartialObjectMetadata
   */
  static void list(
      String apiVersion,
      String kind,
      ResourceInfo info,
      ServedList list,
      boolean metadata,
      OutputStream out)
      throws IOException {
    ByteArrayOutputStream meta = new ByteArrayOutputStream();
    bytes(meta, 1, new byte[0]);
    bytes(meta, 2, list.resourceVersion().getBytes(UTF_8));
    bytes(meta, 3, list.continueToken().getBytes(UTF_8));
    if (list.remaining() > 0) {
      varint(meta, 4 << 3);
      varint(meta, list.remaining());
    }
    ByteArrayOutputStream first = new ByteArrayOutputStream();
    bytes(first, 1, meta.toByteArray());
    ProtobufWriter writer = new ProtobufWriter();
    long length = first.size();
    for (ServedObject object : list.items()) {
      int item;
      if (metadata) {
        writer.field(info.schema(), object.json(), "metadata");
        item = writer.length();
      } else {
        item = object.messageLength(info.schema(), writer);
      }
      length += prefix(2, item).length + item;
    }
    out.write(envelopeHead(apiVersion, kind, length));
    first.writeTo(out);
    for (ServedObject object : list.items()) {
      if (metadata) {
        writer.field(info.schema(), object.json(), "metadata");
      } else {
        writer.message(info.schema(), object.json());
      }
      out.write(prefix(2, writer.length()));
      writer.writeTo(out);
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
