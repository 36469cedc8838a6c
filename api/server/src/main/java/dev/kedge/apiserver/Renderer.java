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
import java.io.IOException;
import java.io.OutputStream;
import java.util.List;
import java.util.function.Function;

/** Makes bytes of objects, lists and events in the form asked for. Any thread. */
final class Renderer {
  private static final byte[] OBJECT_FIELD = "\",\"object\":".getBytes(US_ASCII);
  private static final byte[] LIST_END = "]}\n".getBytes(US_ASCII);

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

  /** Writes a list, object by object where its form allows: lists can be large. */
  void list(ResourceInfo info, ServedList list, Form form, String include, OutputStream out)
      throws IOException {
    boolean metadata = form.shape() == Shape.METADATA;
    String apiVersion = metadata ? "meta.k8s.io/v1" : info.type().apiVersion();
    String kind = metadata ? "PartialObjectMetadataList" : info.type().kind() + "List";
    boolean plain = form.mediaType().equals(MediaType.JSON) && !form.pretty();
    if (form.shape() == Shape.TABLE) {
      if (!plain) {
        out.write(text(tables.table(info, list.items(), include, true, listMeta(list)), form));
        return;
      }
      joined(
          tables.head(info, true, listMeta(list)).build(),
          "rows",
          list.items(),
          object -> Json.bytes(tables.row(info, object.glance(), include)),
          out);
    } else if (form.mediaType().equals(MediaType.PROTOBUF)) {
      List<byte[]> messages =
          list.items().stream()
              .map(
                  object ->
                      metadata
                          ? protobuf.metadataMessage(info, object.glance())
                          : protobuf.message(info, object.glance()))
              .toList();
      ProtobufForms.list(
          apiVersion,
          kind,
          messages,
          list.resourceVersion(),
          list.continueToken(),
          list.remaining(),
          out);
    } else {
      JsonObject head =
          JsonObject.of("kind", kind, "apiVersion", apiVersion, "metadata", listMeta(list));
      if (plain) {
        joined(
            head,
            "items",
            list.items(),
            metadata ? object -> Json.bytes(metadata(object.glance())) : ServedObject::json,
            out);
        return;
      }
      List<JsonObject> items =
          list.items().stream()
              .map(ServedObject::glance)
              .map(object -> metadata ? metadata(object) : object.json())
              .toList();
      out.write(text(JsonObject.builder().putAll(head).put("items", items).build(), form));
    }
  }

  /** A document whose last field is made and written one element after the other. */
  private static void joined(
      JsonObject head,
      String field,
      List<ServedObject> objects,
      Function<ServedObject, byte[]> element,
      OutputStream out)
      throws IOException {
    byte[] begin = Json.bytes(head);
    out.write(begin, 0, begin.length - 1);
    out.write((",\"" + field + "\":[").getBytes(UTF_8));
    boolean first = true;
    for (ServedObject object : objects) {
      if (!first) {
        out.write(',');
      }
      first = false;
      out.write(element.apply(object));
    }
    out.write(LIST_END);
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
