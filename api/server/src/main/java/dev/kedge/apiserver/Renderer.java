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
import java.io.IOException;
import java.io.OutputStream;
import java.util.Arrays;
import java.util.List;

/** Makes bytes of objects, lists and events in the form asked for. Any thread. */
final class Renderer {
  private static final byte[] OBJECT_FIELD = "\",\"object\":".getBytes(US_ASCII);
  private static final byte[] LIST_END = "]}".getBytes(US_ASCII);

  private static final byte[] NOTHING = {'{', '}'};
  private static final String METADATA_KIND = "PartialObjectMetadata";

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
                  form.groupVersion(), METADATA_KIND, ProtobufForms.metadataMessage(info, object))
              : text(metadata(object, form.groupVersion()), form);
      case TABLE -> text(table(info, object, form, include, true), form);
    };
  }

  private byte[] table(
      ResourceInfo info, ServedObject object, Form form, String include, boolean withColumns) {
    JsonObject metadata =
        JsonObject.builder()
            .putNonEmpty("resourceVersion", object.tree().resourceVersion())
            .build();
    return tables.table(info, object, form.groupVersion(), include, withColumns, metadata);
  }

  /** Writes a list, object by object where its form allows: lists can be large. */
  void list(ResourceInfo info, ServedList list, Form form, String include, OutputStream out)
      throws IOException {
    if (form.mediaType().equals(MediaType.JSON) && !form.pretty()) {
      json(info, list, form, include, out);
    } else if (form.mediaType().equals(MediaType.PROTOBUF)) {
      boolean metadata = form.shape() == Shape.METADATA;
      ProtobufForms.list(
          metadata ? form.groupVersion() : info.type().apiVersion(),
          metadata ? METADATA_KIND + "List" : info.type().kind() + "List",
          info,
          list,
          metadata,
          out);
    } else {
      ByteArrayOutputStream plain = new ByteArrayOutputStream();
      json(info, list, form, include, plain);
      out.write(text(plain.toByteArray(), form));
    }
  }

  private void json(ResourceInfo info, ServedList list, Form form, String include, OutputStream out)
      throws IOException {
    boolean metadata = form.shape() == Shape.METADATA;
    if (form.shape() == Shape.TABLE) {
      PrinterTables.Rows rows = tables.rows(info, form.groupVersion(), include);
      joined(rows.head(true, listMeta(list)), "rows", list.items(), rows::write, out);
      out.write('\n');
      return;
    }
    JsonObject head =
        JsonObject.of(
            "kind",
            metadata ? METADATA_KIND + "List" : info.type().kind() + "List",
            "apiVersion",
            metadata ? form.groupVersion() : info.type().apiVersion(),
            "metadata",
            listMeta(list));
    joined(
        head,
        "items",
        list.items(),
        metadata
            ? (object, to) -> to.write(metadata(object, form.groupVersion()))
            : info.custom() ? (object, to) -> to.write(object.json()) : untold(info),
        out);
    out.write('\n');
  }

  /** Objects without kind and version: in lists of built-in kinds only the list tells them. */
  private static Element untold(ResourceInfo info) {
    byte[] told =
        Json.bytes(
            JsonObject.of("kind", info.type().kind(), "apiVersion", info.type().apiVersion()));
    return (object, to) -> {
      byte[] json = object.json();
      int same = Arrays.mismatch(json, told);
      if (same == told.length - 1 && json[same] == ',') {
        to.write('{');
        to.write(json, same + 1, json.length - same - 1);
      } else {
        to.write(Json.bytes(object.tree().json().without("kind").without("apiVersion")));
      }
    };
  }

  /** Writes one element of a list. */
  interface Element {
    void write(ServedObject object, OutputStream out) throws IOException;
  }

  /** A document whose last field is made and written one element after the other. */
  static void joined(
      JsonObject head, String field, List<ServedObject> objects, Element element, OutputStream out)
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
      element.write(object, out);
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
                  event.object().message(info.schema()));
      return Protobuf.watchFrame(type, object);
    }
    byte[] object =
        switch (form.shape()) {
          case OBJECT -> event.object().json();
          case METADATA -> metadata(event.object(), form.groupVersion());
          case TABLE -> table(info, event.object(), form, include, firstOfTable);
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

  /**
   * {@code PartialObjectMetadata} of an object.
   *
   * @param groupVersion that of the answer, such as {@code meta.k8s.io/v1}
   */
  static byte[] metadata(ServedObject object, String groupVersion) {
    byte[] stored = Json.storedField(object.json(), "metadata");
    byte[] metadata = stored.length == 0 ? NOTHING : stored;
    byte[] head =
        ("{\"kind\":\""
                + METADATA_KIND
                + "\",\"apiVersion\":\""
                + groupVersion
                + "\",\"metadata\":")
            .getBytes(US_ASCII);
    byte[] out = Arrays.copyOf(head, head.length + metadata.length + 1);
    System.arraycopy(metadata, 0, out, head.length, metadata.length);
    out[out.length - 1] = '}';
    return out;
  }

  /** A document made as plain JSON in the form asked for. */
  private static byte[] text(byte[] json, Form form) {
    if (form.mediaType().equals(MediaType.YAML)) {
      return Yaml.write(Json.parseStored(json)).getBytes(UTF_8);
    }
    return form.pretty() ? Answers.prettyJson(Json.parseStored(json)) : Answers.withLineFeed(json);
  }
}
