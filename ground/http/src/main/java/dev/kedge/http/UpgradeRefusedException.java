package dev.kedge.http;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.net.URI;

/** A server answered a request for another protocol with an ordinary answer. */
public final class UpgradeRefusedException extends IOException {
  private final int status;
  private final transient Headers headers;
  private final byte[] body;

  UpgradeRefusedException(URI target, HttpUpgrade answer) throws IOException {
    this(target, answer.status(), answer.headers(), answer.refusal());
  }

  private UpgradeRefusedException(URI target, int status, Headers headers, byte[] body) {
    super(
        target.getRawPath()
            + " answered "
            + status
            + (body.length == 0
                ? ""
                : ": " + new String(body, 0, Math.min(body.length, 500), UTF_8).strip()));
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  /** The HTTP status. */
  public int status() {
    return status;
  }

  /** The answer's headers. */
  public Headers headers() {
    return headers;
  }

  /** The answer's body, up to a megabyte. */
  public byte[] body() {
    return body.clone();
  }
}
