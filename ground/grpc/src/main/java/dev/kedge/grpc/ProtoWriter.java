package dev.kedge.grpc;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Writes one protobuf message, field by field. As in proto3, a value that equals the type's default
 * is not written, except through the {@code …Value} methods that stand for wrapper messages.
 */
public final class ProtoWriter {
  private byte[] buffer = new byte[256];
  private int size;

  public byte[] bytes() {
    return Arrays.copyOf(buffer, size);
  }

  public ProtoWriter string(int field, String value) {
    if (!value.isEmpty()) {
      lengthDelimited(field, value.getBytes(StandardCharsets.UTF_8));
    }
    return this;
  }

  public ProtoWriter bytes(int field, byte[] value) {
    if (value.length > 0) {
      lengthDelimited(field, value);
    }
    return this;
  }

  public ProtoWriter bytes(int field, byte[] value, int offset, int length) {
    if (length > 0) {
      tag(field, 2);
      varint(length);
      ensure(length);
      System.arraycopy(value, offset, buffer, size, length);
      size += length;
    }
    return this;
  }

  public ProtoWriter integer(int field, long value) {
    if (value != 0) {
      tag(field, 0);
      varint(value);
    }
    return this;
  }

  public ProtoWriter bool(int field, boolean value) {
    return integer(field, value ? 1 : 0);
  }

  /** A wrapper message whose field 1 is the number; absent when null, present when 0. */
  public ProtoWriter integerValue(int field, @Nullable Long value) {
    return value == null ? this : message(field, inner -> inner.integer(1, value));
  }

  public ProtoWriter strings(int field, Collection<String> values) {
    for (String value : values) {
      lengthDelimited(field, value.getBytes(StandardCharsets.UTF_8));
    }
    return this;
  }

  public ProtoWriter packed(int field, List<Long> values) {
    if (!values.isEmpty()) {
      ProtoWriter inner = new ProtoWriter();
      values.forEach(inner::varint);
      lengthDelimited(field, inner.bytes());
    }
    return this;
  }

  public ProtoWriter map(int field, Map<String, String> values) {
    values.forEach((key, value) -> message(field, inner -> inner.string(1, key).string(2, value)));
    return this;
  }

  /** A message field, written even when it is empty: presence means something. */
  public ProtoWriter message(int field, Consumer<ProtoWriter> content) {
    ProtoWriter inner = new ProtoWriter();
    content.accept(inner);
    tag(field, 2);
    varint(inner.size);
    ensure(inner.size);
    System.arraycopy(inner.buffer, 0, buffer, size, inner.size);
    size += inner.size;
    return this;
  }

  private void lengthDelimited(int field, byte[] value) {
    tag(field, 2);
    varint(value.length);
    ensure(value.length);
    System.arraycopy(value, 0, buffer, size, value.length);
    size += value.length;
  }

  private void tag(int field, int wireType) {
    varint((long) field << 3 | wireType);
  }

  private void varint(long value) {
    ensure(10);
    while ((value & ~0x7fL) != 0) {
      buffer[size++] = (byte) (value & 0x7f | 0x80);
      value >>>= 7;
    }
    buffer[size++] = (byte) value;
  }

  private void ensure(int more) {
    if (size + more > buffer.length) {
      buffer = Arrays.copyOf(buffer, Math.max(buffer.length * 2, size + more));
    }
  }
}
