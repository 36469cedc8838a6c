package dev.kedge.http;

import java.io.IOException;

/** A server cannot listen because another program does. */
public final class PortTakenException extends IOException {
  private final int port;

  PortTakenException(String address, int port, Throwable cause) {
    super(
        "port "
            + port
            + (address.isEmpty() ? "" : " of " + address)
            + " is already in use by another program; stop that program (find it with: ss -ltnp"
            + " 'sport = :"
            + port
            + "') or choose another port",
        cause);
    this.port = port;
  }

  /** The port in question. */
  public int port() {
    return port;
  }
}
