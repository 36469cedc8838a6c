package dev.kedge.store.snapshot;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.kedge.http.ClientTls;
import dev.kedge.http.Pem;
import dev.kedge.lifecycle.UserException;
import java.io.ByteArrayInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.jspecify.annotations.Nullable;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.SAXException;

/**
 * Snapshots in a bucket of S3 or of what is compatible with it: a few requests, signed ({@link
 * SignatureV4}), over the JDK's client. A request that finds the service away, or too busy, is
 * repeated twice. What is larger than a part goes in parts, as S3's "multipart upload".
 */
public final class S3Bucket implements SnapshotPlace {
  private static final long PART = 64L << 20;

  /** S3 takes no more of them; those of a larger file are larger. */
  private static final int MOST_PARTS = 10_000;

  private static final int ATTEMPTS = 3;
  private static final String EMPTY = SignatureV4.sha256(new byte[0]);

  private final Settings settings;
  private final Clock clock;
  private final long part;

  /** How a bucket is named in a URL. */
  public enum Lookup {
    /** {@link #DNS} at Amazon, {@link #PATH} elsewhere. */
    AUTO,
    /** {@code https://bucket.host/key}. */
    DNS,
    /** {@code https://host/bucket/key}. */
    PATH
  }

  /**
   * Where, and as whom.
   *
   * @param endpoint host, perhaps with port
   * @param authority file with the authority of the endpoint's certificate
   * @param verify whether that certificate is checked
   * @param insecure http instead of https
   * @param folder what the names of objects begin with; may be empty
   * @param sessionToken that belongs to keys given for a time
   * @param timeout for one request
   */
  public record Settings(
      String endpoint,
      Optional<Path> authority,
      boolean verify,
      boolean insecure,
      String bucket,
      String folder,
      String region,
      String accessKey,
      String secretKey,
      Optional<String> sessionToken,
      Lookup lookup,
      Duration timeout) {
    /** Without the secrets. */
    @Override
    public String toString() {
      return "s3://" + bucket + "/" + folder;
    }
  }

  public S3Bucket(Settings settings, Clock clock) {
    this(settings, clock, PART);
  }

  /**
   * @param part what is sent in one piece at most, in bytes
   */
  S3Bucket(Settings settings, Clock clock, long part) {
    this.settings = settings;
    this.clock = clock;
    this.part = part;
  }

  /** Brings a file there under its own name. */
  public void put(Path file) {
    String key = key(String.valueOf(file.getFileName()));
    try {
      long size = Files.size(file);
      if (size <= part) {
        put(key, new TreeMap<>(), new Piece(file, 0, size));
      } else {
        putInParts(file, key, size);
      }
    } catch (IOException e) {
      throw new UserException("the snapshot " + file + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** A part is repeated by itself. The object is there once all are, and not before. */
  private void putInParts(Path file, String key, long size) throws IOException {
    SortedMap<String, String> begin = new TreeMap<>();
    begin.put("uploads", "");
    String upload = text(parse(post(key, begin, "")), "UploadId");
    try {
      long length = Math.max(part, Math.ceilDiv(size, MOST_PARTS));
      StringBuilder parts = new StringBuilder("<CompleteMultipartUpload>");
      int number = 0;
      for (long from = 0; from < size; from += length) {
        number++;
        SortedMap<String, String> query = new TreeMap<>();
        query.put("partNumber", Integer.toString(number));
        query.put("uploadId", upload);
        String tag = put(key, query, new Piece(file, from, Math.min(length, size - from)));
        parts
            .append("<Part><PartNumber>")
            .append(number)
            .append("</PartNumber><ETag>")
            .append(tag.replace("&", "&amp;").replace("<", "&lt;"))
            .append("</ETag></Part>");
      }
      String answer =
          post(key, upload(upload), parts.append("</CompleteMultipartUpload>").toString());
      // Its status is sent before the parts were put together.
      if (answer.contains("<Error")) {
        throw refused(200, answer.getBytes(UTF_8));
      }
    } catch (IOException | RuntimeException e) {
      abort(key, upload, e);
      throw e;
    }
  }

  /** Parts of what was not finished would be kept, and paid for. */
  private void abort(String key, String upload, Exception reason) {
    try {
      send("DELETE", key, upload(upload), EMPTY, BodyPublishers.noBody(), (headers, answer) -> "");
    } catch (UserException e) {
      reason.addSuppressed(e);
    }
  }

  private static SortedMap<String, String> upload(String id) {
    SortedMap<String, String> query = new TreeMap<>();
    query.put("uploadId", id);
    return query;
  }

  /** Returns the tag that the service gave the piece. */
  private String put(String key, SortedMap<String, String> query, Piece piece) throws IOException {
    return send(
        "PUT",
        key,
        query,
        piece.sha256(),
        piece.body(),
        (headers, answer) -> {
          answer.readAllBytes();
          return headers.firstValue("ETag").orElse("");
        });
  }

  private String post(String key, SortedMap<String, String> query, String body) {
    byte[] bytes = body.getBytes(UTF_8);
    return send(
        "POST",
        key,
        query,
        SignatureV4.sha256(bytes),
        BodyPublishers.ofByteArray(bytes),
        (headers, answer) -> new String(answer.readAllBytes(), UTF_8));
  }

  /**
   * Brings a snapshot from there.
   *
   * @param to the directory it is kept in until it was read
   * @return its file, which whoever asked deletes
   * @throws UserException if there is no such snapshot
   */
  public Path fetch(String name, SnapshotDirectory to) {
    requireThere(name);
    return Path.of(
        send(
            "GET",
            key(name),
            new TreeMap<>(),
            EMPTY,
            BodyPublishers.noBody(),
            (headers, answer) -> to.fetched(name, out -> copy(answer, out)).toString()));
  }

  /** Tells what breaks off here from what breaks off there. */
  private static void copy(InputStream from, OutputStream to) throws IOException {
    byte[] buffer = new byte[64 * 1024];
    while (true) {
      int count;
      try {
        count = from.read(buffer);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      if (count < 0) {
        return;
      }
      to.write(buffer, 0, count);
    }
  }

  @Override
  public List<Kept> list() {
    List<Kept> kept = new ArrayList<>();
    String folder = key("");
    String token = "";
    do {
      SortedMap<String, String> query = new TreeMap<>();
      query.put("list-type", "2");
      query.put("prefix", folder);
      query.put("delimiter", "/");
      if (!token.isEmpty()) {
        query.put("continuation-token", token);
      }
      String xml =
          send(
              "GET",
              "",
              query,
              EMPTY,
              BodyPublishers.noBody(),
              (headers, answer) -> new String(answer.readAllBytes(), UTF_8));
      Element listing = parse(xml);
      NodeList objects = listing.getElementsByTagNameNS("*", "Contents");
      for (int i = 0; i < objects.getLength(); i++) {
        Element object = (Element) objects.item(i);
        String name = text(object, "Key").substring(folder.length());
        if (!name.isEmpty()) {
          kept.add(
              new Kept(
                  name,
                  "s3://" + settings.bucket() + "/" + folder + name,
                  Long.parseLong(text(object, "Size")),
                  time(text(object, "LastModified")),
                  Optional.empty()));
        }
      }
      token = text(listing, "NextContinuationToken");
    } while (!token.isEmpty());
    kept.sort(Comparator.comparing(Kept::created).thenComparing(Kept::name));
    return kept;
  }

  @Override
  public void delete(String name) {
    requireThere(name);
    send(
        "DELETE",
        key(name),
        new TreeMap<>(),
        EMPTY,
        BodyPublishers.noBody(),
        (headers, answer) -> "");
  }

  /** S3 answers a deletion of what is not there as any other. */
  private void requireThere(String name) {
    if (list().stream().noneMatch(kept -> kept.name().equals(name))) {
      throw new UserException(
          "there is no snapshot "
              + name
              + " in "
              + settings
              + "; kedge snapshot list --s3 shows those that there are");
    }
  }

  private String key(String name) {
    String folder = settings.folder().replaceAll("^/+|/+$", "");
    return folder.isEmpty() ? name : folder + "/" + name;
  }

  /** What to do with an answer that says yes. */
  private interface Reading {
    String read(HttpHeaders headers, InputStream body) throws IOException;
  }

  private String send(
      String method,
      String key,
      SortedMap<String, String> query,
      String payload,
      BodyPublisher body,
      Reading reading) {
    try (HttpClient client = client()) {
      for (int attempt = 1; ; attempt++) {
        try {
          HttpResponse<InputStream> answer =
              client.send(request(method, key, query, payload, body), BodyHandlers.ofInputStream());
          try (InputStream content = answer.body()) {
            if (answer.statusCode() / 100 == 2) {
              return reading.read(answer.headers(), content);
            }
            if (answer.statusCode() < 500 || attempt == ATTEMPTS) {
              throw refused(answer.statusCode(), content.readNBytes(64 * 1024));
            }
          }
        } catch (SSLException e) {
          throw failed(
              "shows a certificate that is not trusted ("
                  + e.getMessage()
                  + "); give its authority with --etcd-s3-endpoint-ca",
              e);
        } catch (IOException | UncheckedIOException e) {
          if (attempt == ATTEMPTS) {
            throw failed(
                e instanceof HttpTimeoutException
                    ? "did not answer in "
                        + settings.timeout().toSeconds()
                        + " s; try again, or"
                        + " give it longer with --etcd-s3-timeout"
                    : "cannot be reached ("
                        + (e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage())
                        + "); check --etcd-s3-endpoint",
                e);
          }
        }
        TimeUnit.SECONDS.sleep(attempt);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UserException("interrupted while talking to S3", e);
    }
  }

  private HttpRequest request(
      String method,
      String key,
      SortedMap<String, String> query,
      String payload,
      BodyPublisher body) {
    boolean inHost =
        switch (settings.lookup()) {
          case AUTO -> settings.endpoint().matches("(.*\\.)?amazonaws\\.com(:\\d+)?");
          case DNS -> true;
          case PATH -> false;
        };
    String host = inHost ? settings.bucket() + "." + settings.endpoint() : settings.endpoint();
    String path =
        "/"
            + SignatureV4.encode(
                inHost ? key : settings.bucket() + (key.isEmpty() ? "" : "/" + key), true);
    Instant now = clock.instant();
    SortedMap<String, String> headers = new TreeMap<>();
    headers.put("host", host);
    headers.put("x-amz-content-sha256", payload);
    headers.put("x-amz-date", SignatureV4.TIME.format(now));
    settings.sessionToken().ifPresent(token -> headers.put("x-amz-security-token", token));
    String authorization =
        SignatureV4.authorization(
            new SignatureV4.Request(method, path, query, headers, payload),
            new SignatureV4.Signer(
                settings.accessKey(), settings.secretKey(), settings.region(), "s3"),
            now);
    HttpRequest.Builder request =
        HttpRequest.newBuilder(
                URI.create(
                    (settings.insecure() ? "http://" : "https://")
                        + host
                        + path
                        + (query.isEmpty() ? "" : "?" + SignatureV4.query(query))))
            .timeout(settings.timeout())
            .method(method, body)
            .header("Authorization", authorization);
    headers.forEach(
        (name, value) -> {
          // The client sends this one by itself.
          if (!name.equals("host")) {
            request.header(name, value);
          }
        });
    return request.build();
  }

  private HttpClient client() {
    return HttpClient.newBuilder()
        .version(HttpClient.Version.HTTP_1_1)
        .connectTimeout(settings.timeout())
        .sslContext(tls())
        .build();
  }

  private SSLContext tls() {
    if (!settings.verify()) {
      return ClientTls.trustingAnyone(Optional.empty());
    }
    try {
      return ClientTls.trusting(
          settings.authority().isPresent()
              ? Pem.certificates(Files.readString(settings.authority().get()))
              : List.of(),
          Optional.empty());
    } catch (IOException | IllegalArgumentException e) {
      throw new UserException(
          "the file "
              + settings.authority().orElseThrow()
              + " holds no certificate that can be read",
          e);
    }
  }

  private UserException refused(int status, byte[] answer) {
    String text = new String(answer, UTF_8);
    String reason = "status " + status;
    if (text.contains("<Error")) {
      Element error = parse(text);
      reason = text(error, "Code") + ": " + text(error, "Message");
    }
    return failed("refuses (" + reason + "); check the flags --etcd-s3-…", null);
  }

  private UserException failed(String how, @Nullable Throwable cause) {
    String message = "S3 at " + settings.endpoint() + " (bucket " + settings.bucket() + ") " + how;
    return cause == null ? new UserException(message) : new UserException(message, cause);
  }

  private Element parse(String xml) {
    try {
      DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
      factory.setNamespaceAware(true);
      factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
      Document document =
          factory.newDocumentBuilder().parse(new ByteArrayInputStream(xml.getBytes(UTF_8)));
      return document.getDocumentElement();
    } catch (ParserConfigurationException | SAXException | IOException e) {
      throw failed("does not answer as S3 does; check --etcd-s3-endpoint", e);
    }
  }

  private static String text(Element parent, String name) {
    NodeList found = parent.getElementsByTagNameNS("*", name);
    return found.getLength() == 0 ? "" : found.item(0).getTextContent();
  }

  private static Instant time(String text) {
    try {
      return Instant.parse(text);
    } catch (DateTimeParseException e) {
      return Instant.EPOCH;
    }
  }

  /** Bytes of a file, read anew whenever they are sent. */
  private record Piece(Path file, long from, long length) {
    String sha256() throws IOException {
      MessageDigest digest = Checksum.sha256();
      try (InputStream in = new DigestInputStream(open(), digest)) {
        in.transferTo(OutputStream.nullOutputStream());
      }
      return HexFormat.of().formatHex(digest.digest());
    }

    /** S3 wants the length said first. */
    BodyPublisher body() {
      return length == 0
          ? BodyPublishers.noBody()
          : BodyPublishers.fromPublisher(
              BodyPublishers.ofInputStream(
                  () -> {
                    try {
                      return open();
                    } catch (IOException e) {
                      throw new UncheckedIOException(e);
                    }
                  }),
              length);
    }

    private InputStream open() throws IOException {
      InputStream in = Files.newInputStream(file);
      try {
        in.skipNBytes(from);
      } catch (IOException e) {
        in.close();
        throw e;
      }
      return new FilterInputStream(in) {
        private long left = length;

        @Override
        public int read() throws IOException {
          byte[] one = new byte[1];
          return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] bytes, int offset, int count) throws IOException {
          int read = left == 0 ? -1 : super.read(bytes, offset, (int) Math.min(count, left));
          left -= Math.max(read, 0);
          return read;
        }
      };
    }
  }
}
