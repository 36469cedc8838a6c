package dev.kedge.cri;

import dev.kedge.grpc.GrpcChannel;
import dev.kedge.grpc.GrpcException;
import dev.kedge.grpc.GrpcException.Code;
import dev.kedge.grpc.ProtoMessage;
import dev.kedge.grpc.ProtoWriter;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * The handful of containerd's own services that CRI has no word for: events (task exits, where CRI
 * events are missing), content, images and leases (to import images), all in one containerd
 * namespace. Methods block; any thread; failures are {@link GrpcException}s.
 */
public final class ContainerdClient implements AutoCloseable {
  private static final Duration NORMAL = Duration.ofMinutes(2);
  private static final int CHUNK = 1 << 20;

  private final GrpcChannel channel;
  private final String namespace;

  /**
   * A client of the containerd behind a socket.
   *
   * @param namespace such as {@code k8s.io}, where CRI keeps its things
   */
  public ContainerdClient(Path socket, String namespace) {
    channel = GrpcChannel.unix(socket);
    this.namespace = namespace;
  }

  private Map<String, String> metadata(String lease) {
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put("containerd-namespace", namespace);
    if (!lease.isEmpty()) {
      metadata.put("containerd-lease", lease);
    }
    return metadata;
  }

  private ProtoMessage call(String method, String lease, Consumer<ProtoWriter> request) {
    ProtoWriter out = new ProtoWriter();
    request.accept(out);
    return ProtoMessage.parse(
        channel.unary("/containerd.services." + method, metadata(lease), out.bytes(), NORMAL));
  }

  /** containerd's version, such as {@code 1.6.20~ds1}. */
  public String version() {
    return call("version.v1.Version/Version", "", out -> {}).string(1);
  }

  /**
   * Something that happened to a container's task.
   *
   * @param topic such as {@code /tasks/exit}
   * @param execId empty, or the container's id, for the container's own process; else that of an
   *     exec
   */
  public record TaskEvent(String topic, String containerId, String execId, int exitStatus) {}

  /**
   * Hands task events of this namespace to the listener until the stream breaks or the thread is
   * interrupted; always ends by an exception.
   *
   * @param topics such as {@code /tasks/exit}
   * @param subscribed runs once, when containerd has taken the subscription up: what happens from
   *     then on is heard
   */
  public void followTaskEvents(
      List<String> topics, Runnable subscribed, Consumer<TaskEvent> listener) {
    try (GrpcChannel.Call call =
        channel.stream("/containerd.services.events.v1.Events/Subscribe", metadata(""))) {
      ProtoWriter out = new ProtoWriter();
      out.strings(
          1,
          topics.stream()
              .map(topic -> "namespace==" + namespace + ",topic==\"" + topic + "\"")
              .toList());
      call.sendLast(out.bytes());
      // The server acknowledges nothing; an answer to a later call on the same connection shows
      // that it has read the subscription, and it registers subscribers at once.
      version();
      subscribed.run();
      for (byte[] bytes = call.next(); bytes != null; bytes = call.next()) {
        ProtoMessage envelope = ProtoMessage.parse(bytes);
        ProtoMessage any = envelope.message(4);
        ProtoMessage event = ProtoMessage.parse(any.bytes(2));
        boolean exit = any.string(1).endsWith("TaskExit");
        listener.accept(
            new TaskEvent(
                envelope.string(3),
                event.string(1),
                exit ? event.string(2) : "",
                exit ? event.int32(4) : 0));
      }
    }
    throw new GrpcException(Code.UNAVAILABLE, "the event stream ended");
  }

  /** Creates a lease: what is written under it is kept until it is deleted. */
  public void createLease(String id, Map<String, String> labels) {
    call("leases.v1.Leases/Create", "", out -> out.string(1, id).map(3, labels));
  }

  public void deleteLease(String id) {
    call("leases.v1.Leases/Delete", "", out -> out.string(1, id));
  }

  /** Whether a blob is there. */
  public boolean hasContent(String digest) {
    try {
      call("content.v1.Content/Info", "", out -> out.string(1, digest));
      return true;
    } catch (GrpcException e) {
      if (e.isNotFound()) {
        return false;
      }
      throw e;
    }
  }

  /**
   * Stores a blob, unless it is there already.
   *
   * @param digest {@code sha256:…}; containerd checks it
   * @param labels such as the {@code containerd.io/gc.ref.content.…} that keep what a manifest
   *     refers to
   * @throws IOException if the source cannot be read
   */
  public void writeContent(
      String lease, String digest, long size, Map<String, String> labels, InputStream source)
      throws IOException {
    try (GrpcChannel.Call call =
        channel.stream("/containerd.services.content.v1.Content/Write", metadata(lease))) {
      String ref = "kedge-import-" + digest;
      ProtoWriter first = new ProtoWriter();
      first.integer(1, 1).string(2, ref).integer(3, size).string(4, digest);
      call.send(first.bytes());
      if (call.next() == null) {
        return;
      }
      byte[] chunk = new byte[CHUNK];
      long offset = 0;
      while (true) {
        int count = source.readNBytes(chunk, 0, chunk.length);
        if (count == 0) {
          break;
        }
        ProtoWriter write = new ProtoWriter();
        write.integer(1, 1).string(2, ref).integer(5, offset).bytes(6, chunk, 0, count);
        call.send(write.bytes());
        call.next();
        offset += count;
      }
      ProtoWriter commit = new ProtoWriter();
      commit
          .integer(1, 2)
          .string(2, ref)
          .integer(3, size)
          .string(4, digest)
          .integer(5, offset)
          .map(7, labels);
      call.sendLast(commit.bytes());
      call.next();
    } catch (GrpcException e) {
      if (!e.isAlreadyExists()) {
        throw e;
      }
      // Somebody stored it before us, or between our look and our commit; under a lease containerd
      // keeps it for us just as well. Its labels may be missing, though.
      updateContentLabels(lease, digest, labels);
    }
  }

  private void updateContentLabels(String lease, String digest, Map<String, String> labels) {
    if (labels.isEmpty()) {
      return;
    }
    call(
        "content.v1.Content/Update",
        lease,
        out -> {
          out.message(1, info -> info.string(1, digest).map(5, labels));
          out.message(
              2,
              mask ->
                  mask.strings(1, labels.keySet().stream().map(key -> "labels." + key).toList()));
        });
  }

  /** A blob's place in the content store. */
  public record Descriptor(String mediaType, String digest, long size) {}

  /** The target of an image's name. */
  public Optional<Descriptor> image(String name) {
    try {
      ProtoMessage target =
          call("images.v1.Images/Get", "", out -> out.string(1, name)).message(1).message(3);
      return Optional.of(new Descriptor(target.string(1), target.string(2), target.integer(3)));
    } catch (GrpcException e) {
      if (e.isNotFound()) {
        return Optional.empty();
      }
      throw e;
    }
  }

  /** Names an image, moving the name if it is taken. */
  public void putImage(String lease, String name, Descriptor target, Map<String, String> labels) {
    Consumer<ProtoWriter> image =
        out ->
            out.message(
                1,
                body ->
                    body.string(1, name)
                        .map(2, labels)
                        .message(
                            3,
                            descriptor ->
                                descriptor
                                    .string(1, target.mediaType())
                                    .string(2, target.digest())
                                    .integer(3, target.size())));
    try {
      call("images.v1.Images/Create", lease, image);
    } catch (GrpcException e) {
      if (!e.isAlreadyExists()) {
        throw e;
      }
      call("images.v1.Images/Update", lease, image);
    }
  }

  /** Takes an image's name away; nothing happens if there is none. */
  public void deleteImage(String name) {
    try {
      call("images.v1.Images/Delete", "", out -> out.string(1, name).bool(2, true));
    } catch (GrpcException e) {
      if (!e.isNotFound()) {
        throw e;
      }
    }
  }

  @Override
  public void close() {
    channel.close();
  }
}
