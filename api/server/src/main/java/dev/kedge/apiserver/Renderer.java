package dev.kedge.apiserver;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

import dev.kedge.apiserver.Form.Shape;
import dev.kedge.model.Json;
import dev.kedge.model.JsonObject;
import dev.kedge.model.JsonString;
import dev.kedge.model.KubeObject;
import dev.kedge.model.Protobuf;
import dev.kedge.model.Yaml;
import dev.kedge.registry.Registry.ServedList;
import dev.kedge.registry.Registry.WatchEvent;
import dev.kedge.registry.ResourceInfo;
import dev.kedge.registry.ServedObject;
import java.io.ByteArrayOutputStream;
import java.util.List;

/** Makes bytes of objects, lists and events in the form asked for. Any thread. */
final class Renderer {
  private static final byte[] OBJECT_FIELD = "\",\"object\":".getBytes(US_ASCII);

  private final PrinterTables tables;
  private final ProtobufForms protobuf;

  Renderer(PrinterTables tables, ProtobufForms protobuf) {
    this.tables = tables;
    this.protobuf = protobuf;
  }

  /** Whether the objects of a resource have a protobuf form. */
  boolean hasProtobuf(ResourceInfo info) {
    return !info.custom() && protobuf.writes(info.type().groupVersionKind());
  }

  /** One object. */
  byte[] one(ResourceInfo info, ServedObject object, Form form, String include) {
    return switch (form.shape()) {
      case OBJECT ->
          switch (form.mediaType()) {
            case MediaType.JSON ->
                form.pretty()
                    ? Answers.prettyJson(object.tree().json())
                    : Answers.withLineFeed(object.json());
            case MediaType.YAML -> Yaml.write(object.tree().json()).getBytes(UTF_8);
            default -> protobuf.write(object.tree());
          };
      case METADATA ->
          form.mediaType().equals(MediaType.PROTOBUF)
              ? ProtobufForms.envelope(
                  "meta.k8s.io/v1",
                  "PartialObjectMetadata",
                  protobuf.metadataMessage(info, object.tree()))
              : text(metadata(object.tree()), form);
      case TABLE ->
          text(
              tables.table(
                  info,
                  List.of(object),
                  include,
                  true,
                  JsonObject.builder()
                      .putNonEmpty("resourceVersion", object.tree().resourceVersion())
                      .build()),
              form);
    };
  }

  /** A list. */
  byte[] list(ResourceInfo info, ServedList list, Form form, String include) {
    String apiVersion =
        form.shape() == Shape.METADATA ? "meta.k8s.io/v1" : info.type().apiVersion();
    String kind =
        form.shape() == Shape.METADATA ? "PartialObjectMetadataList" : info.type().kind() + "List";
    if (form.shape() == Shape.TABLE) {
      return text(tables.table(info, list.items(), include, true, listMeta(list)), form);
    }
    if (form.mediaType().equals(MediaType.PROTOBUF)) {
      List<byte[]> messages =
          list.items().stream()
              .map(
                  object ->
                      form.shape() == Shape.METADATA
                          ? protobuf.metadataMessage(info, object.tree())
                          : protobuf.message(info, object.tree()))
              .toList();
      return ProtobufForms.list(
          apiVersion,
          kind,
          messages,
          list.resourceVersion(),
          list.continueToken(),
          list.remaining());
    }
    if (form.mediaType().equals(MediaType.JSON) && !form.pretty() && form.shape() == Shape.OBJECT) {
      return joined(apiVersion, kind, list);
    }
    JsonObject document =
        JsonObject.of(
            "kind",
            kind,
            "apiVersion",
            apiVersion,
            "metadata",
            listMeta(list),
            "items",
            list.items().stream()
                .map(
                    object ->
                        form.shape() == Shape.METADATA
                            ? metadata(object.tree())
                            : object.tree().json())
                .toList());
    return text(document, form);
  }

  /** The objects' own bytes, one after the other, nothing serialised again. */
  private static byte[] joined(String apiVersion, String kind, ServedList list) {
    byte[] head =
        ("{\"kind\":\""
                + kind
                + "\",\"apiVersion\":\""
                + apiVersion
                + "\",\"metadata\":"
                + Json.write(listMeta(list))
                + ",\"items\":[")
            .getBytes(UTF_8);
    int size = head.length + 3;
    for (ServedObject object : list.items()) {
      size += object.json().length + 1;
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream(size);
    out.writeBytes(head);
    boolean first = true;
    for (ServedObject object : list.items()) {
      if (!first) {
        out.write(',');
      }
      first = false;
      out.writeBytes(object.json());
    }
    out.writeBytes(new byte[] {']', '}', '\n'});
    return out.toByteArray();
  }

  private static JsonObject listMeta(ServedList list) {
    JsonObject.Builder meta =
        JsonObject.builder()
            .putNonEmpty("resourceVersion", list.resourceVersion())
            .putNonEmpty("continue", list.continueToken());
    if (list.remaining() > 0) {
      meta.put("remainingItemCount", list.remaining());
    }
    return meta.build();
  }

  /** One event of a watch, framed. */
  byte[] event(
      ResourceInfo info, WatchEvent event, Form form, String include, boolean firstOfTable) {
    String type = event.type().name();
    if (form.mediaType().equals(MediaType.PROTOBUF)) {
      byte[] object =
          form.shape() == Shape.METADATA
              ? one(info, event.object(), form, include)
              : ProtobufForms.envelope(
                  info.type().apiVersion(),
                  info.type().kind(),
                  protobuf.message(info, event.object().tree()));
      return Protobuf.watchFrame(type, object);
    }
    byte[] object =
        switch (form.shape()) {
          case OBJECT -> event.object().json();
          case METADATA -> Json.bytes(metadata(event.object().tree()));
          case TABLE ->
              Json.bytes(
                  tables.table(
                      info,
                      List.of(event.object()),
                      include,
                      firstOfTable,
                      JsonObject.of("resourceVersion", event.object().tree().resourceVersion())));
        };
    return frame(type, object, form);
  }

  /** The event that ends a watch which failed. */
  byte[] error(JsonObject status, Form form) {
    return form.mediaType().equals(MediaType.PROTOBUF)
        ? Protobuf.watchFrame("ERROR", protobuf.write(new KubeObject(status)))
        : frame("ERROR", Json.bytes(status), form);
  }

  private static byte[] frame(String type, byte[] object, Form form) {
    if (form.mediaType().equals(MediaType.YAML)) {
      JsonObject event = JsonObject.of("type", new JsonString(type), "object", Json.parse(object));
      return (Yaml.write(event) + "---\n").getBytes(UTF_8);
    }
    byte[] head = ("{\"type\":\"" + type).getBytes(US_ASCII);
    byte[] out = new byte[head.length + OBJECT_FIELD.length + object.length + 2];
    System.arraycopy(head, 0, out, 0, head.length);
    System.arraycopy(OBJECT_FIELD, 0, out, head.length, OBJECT_FIELD.length);
    System.arraycopy(object, 0, out, head.length + OBJECT_FIELD.length, object.length);
    out[out.length - 2] = '}';
    out[out.length - 1] = '\n';
    return out;
  }

  /** {@code PartialObjectMetadata} of an object. */
  static JsonObject metadata(KubeObject object) {
    return JsonObject.of(
        "kind",
        "PartialObjectMetadata",
        "apiVersion",
        "meta.k8s.io/v1",
        "metadata",
        object.metadata());
  }

  private static byte[] text(JsonObject document, Form form) {
    if (form.mediaType().equals(MediaType.YAML)) {
      return Yaml.write(document).getBytes(UTF_8);
    }
    return form.pretty()
        ? Answers.prettyJson(document)
        : Answers.withLineFeed(Json.bytes(document));
  }
}
