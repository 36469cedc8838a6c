package dev.kedge.grpc;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One protobuf message that was read: its fields by number, unknown ones included. Reading a field
 * that is absent gives the type's default, as proto3 has it. Immutable after parsing.
 */
public final class ProtoMessage {
  private static final ProtoMessage EMPTY = new ProtoMessage(new byte[0]);

  private final byte[] source;
  // Twice the number, and one where the value is the place of bytes: who reads a field in another
  // way than it was written reads none, as with an unknown one.
  private int[] fields = new int[8];
  // A scalar's value, or offset << 32 | length of a length-delimited field.
  private long[] values = new long[8];
  private int count;

  private ProtoMessage(byte[] source) {
    this.source = source;
  }

  /**
   * Reads a whole message.
   *
   * @throws GrpcException INTERNAL if the bytes are not a protobuf message
   */
  public static ProtoMessage parse(byte[] source) {
    return parse(source, 0, source.length);
  }

  private static ProtoMessage parse(byte[] source, int offset, int length) {
    ProtoMessage message = new ProtoMessage(source);
    Cursor cursor = new Cursor(source, offset, offset + length);
    while (cursor.position < cursor.end) {
      long tag = cursor.varint();
      int field = (int) (tag >>> 3);
      switch ((int) (tag & 7)) {
        case 0 -> message.add(field << 1, cursor.varint());
        case 1 -> message.add(field << 1, cursor.fixed(8));
        case 2 -> {
          int size = (int) cursor.varint();
          message.add(field << 1 | 1, (long) cursor.position << 32 | size);
          cursor.skip(size);
        }
        case 5 -> message.add(field << 1, cursor.fixed(4));
        default -> throw malformed();
      }
    }
    return message;
  }

  private static GrpcException malformed() {
    return new GrpcException(GrpcException.Code.INTERNAL, "malformed protobuf message");
  }

  private void add(int field, long value) {
    if (count == fields.length) {
      fields = Arrays.copyOf(fields, count * 2);
      values = Arrays.copyOf(values, count * 2);
    }
    fields[count] = field;
    values[count++] = value;
  }

  private int last(int key) {
    for (int i = count - 1; i >= 0; i--) {
      if (fields[i] == key) {
        return i;
      }
    }
    return -1;
  }

  private int lastScalar(int field) {
    return last(field << 1);
  }

  private int lastBytes(int field) {
    return last(field << 1 | 1);
  }

  public boolean has(int field) {
    return lastBytes(field) >= 0 || lastScalar(field) >= 0;
  }

  public long integer(int field) {
    int index = lastScalar(field);
    return index < 0 ? 0 : values[index];
  }

  public int int32(int field) {
    return (int) integer(field);
  }

  public boolean bool(int field) {
    return integer(field) != 0;
  }

  /** Field 1 of a wrapper message; null when the wrapper is absent. */
  public @Nullable Long integerValue(int field) {
    return has(field) ? (Long) message(field).integer(1) : null;
  }

  public String string(int field) {
    int index = lastBytes(field);
    return index < 0 ? "" : text(values[index]);
  }

  public byte[] bytes(int field) {
    int index = lastBytes(field);
    if (index < 0) {
      return new byte[0];
    }
    int offset = (int) (values[index] >>> 32);
    return Arrays.copyOfRange(source, offset, offset + (int) values[index]);
  }

  public ProtoMessage message(int field) {
    int index = lastBytes(field);
    return index < 0 ? EMPTY : parse(source, (int) (values[index] >>> 32), (int) values[index]);
  }

  public List<String> strings(int field) {
    List<String> all = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      if (fields[i] == (field << 1 | 1)) {
        all.add(text(values[i]));
      }
    }
    return all;
  }

  public <T> List<T> messages(int field, Function<ProtoMessage, T> decode) {
    List<T> all = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      if (fields[i] == (field << 1 | 1)) {
        all.add(decode.apply(parse(source, (int) (values[i] >>> 32), (int) values[i])));
      }
    }
    return all;
  }

  public Map<String, String> map(int field) {
    Map<String, String> all = new LinkedHashMap<>();
    for (int i = 0; i < count; i++) {
      if (fields[i] == (field << 1 | 1)) {
        ProtoMessage entry = parse(source, (int) (values[i] >>> 32), (int) values[i]);
        all.put(entry.string(1), entry.string(2));
      }
    }
    return all;
  }

  private String text(long value) {
    return new String(source, (int) (value >>> 32), (int) value, StandardCharsets.UTF_8);
  }

  private static final class Cursor {
    private final byte[] source;
    private final int end;
    private int position;

    Cursor(byte[] source, int position, int end) {
      this.source = source;
      this.position = position;
      this.end = end;
    }

    long varint() {
      long value = 0;
      for (int shift = 0; shift < 70; shift += 7) {
        if (position >= end) {
          throw malformed();
        }
        byte b = source[position++];
        value |= (long) (b & 0x7f) << shift;
        if (b >= 0) {
          return value;
        }
      }
      throw malformed();
    }

    long fixed(int size) {
      long value = 0;
      for (int i = 0; i < size; i++) {
        if (position >= end) {
          throw malformed();
        }
        value |= (long) (source[position++] & 0xff) << (8 * i);
      }
      return value;
    }

    void skip(int size) {
      if (size < 0 || size > end - position) {
        throw malformed();
      }
      position += size;
    }
  }
}
