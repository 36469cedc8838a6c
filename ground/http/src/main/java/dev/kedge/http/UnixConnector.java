package dev.kedge.http;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.eclipse.jetty.server.ConnectionFactory;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.jspecify.annotations.Nullable;

/**
 * Listens on a Unix socket: the library's connector knows TCP only, but everything behind its
 * acceptor takes any channel.
 */
final class UnixConnector extends ServerConnector {
  private final Path path;
  private volatile @Nullable ServerSocketChannel listening;

  UnixConnector(Server server, Path path, ConnectionFactory... factories) {
    super(server, null, null, null, 1, 1, factories);
    this.path = path;
  }

  @Override
  public void open() throws IOException {
    if (listening != null) {
      return;
    }
    Files.deleteIfExists(path);
    ServerSocketChannel channel = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    try {
      channel.bind(UnixDomainSocketAddress.of(path));
    } catch (IOException | RuntimeException e) {
      channel.close();
      throw e;
    }
    listening = channel;
  }

  @Override
  public void accept(int acceptor) throws IOException {
    ServerSocketChannel channel = listening;
    if (channel != null && channel.isOpen()) {
      SocketChannel accepted = channel.accept();
      accepted.configureBlocking(false);
      getSelectorManager().accept(accepted);
    }
  }

  @Override
  public boolean isOpen() {
    ServerSocketChannel channel = listening;
    return channel != null && channel.isOpen();
  }

  @Override
  public int getLocalPort() {
    return -1;
  }

  @Override
  public void close() {
    ServerSocketChannel channel = listening;
    if (channel != null && channel.isOpen()) {
      try {
        channel.close();
        Files.deleteIfExists(path);
      } catch (IOException e) {
        System.getLogger("dev.kedge.http").log(System.Logger.Level.DEBUG, "closing " + path, e);
      }
    }
    super.close();
  }
}
