package dev.kedge.grpc;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;

/** A connected socket, as bytes both ways. One thread reads while another writes. */
record Transport(InputStream in, OutputStream out, Closeable socket) implements Closeable {
  /** Makes the connection anew, each time. */
  interface Connector {
    Transport connect() throws IOException;
  }

  static Transport unix(Path path) throws IOException {
    SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
    try {
      channel.connect(UnixDomainSocketAddress.of(path));
      return new Transport(
          Channels.newInputStream(channel), Channels.newOutputStream(channel), channel);
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
  }

  static Transport plain(InetSocketAddress address, Duration timeout) throws IOException {
    Socket socket = connect(address, timeout);
    return new Transport(socket.getInputStream(), socket.getOutputStream(), socket);
  }

  /** As {@link #plain}, then TLS with the server's name checked. */
  static Transport tls(InetSocketAddress address, SSLContext context, Duration timeout)
      throws IOException {
    Socket plain = connect(address, timeout);
    try {
      SSLSocket socket =
          (SSLSocket)
              context
                  .getSocketFactory()
                  .createSocket(plain, address.getHostString(), address.getPort(), true);
      SSLParameters parameters = socket.getSSLParameters();
      parameters.setEndpointIdentificationAlgorithm("HTTPS");
      parameters.setApplicationProtocols(new String[] {"h2"});
      socket.setSSLParameters(parameters);
      socket.setSoTimeout(Math.toIntExact(timeout.toMillis()));
      socket.startHandshake();
      socket.setSoTimeout(0);
      if (!"h2".equals(socket.getApplicationProtocol())) {
        throw new SSLException("the server does not offer HTTP/2");
      }
      return new Transport(socket.getInputStream(), socket.getOutputStream(), socket);
    } catch (IOException | RuntimeException e) {
      plain.close();
      throw e;
    }
  }

  private static Socket connect(InetSocketAddress address, Duration timeout) throws IOException {
    Socket socket = new Socket();
    try {
      socket.setTcpNoDelay(true);
      // Looked up at each connection: an address may move.
      InetSocketAddress resolved =
          new InetSocketAddress(address.getHostString(), address.getPort());
      socket.connect(resolved, Math.toIntExact(timeout.toMillis()));
      return socket;
    } catch (IOException | RuntimeException e) {
      socket.close();
      throw e;
    }
  }

  @Override
  public void close() throws IOException {
    socket.close();
  }
}
