package dev.kedge.network.dns;

import dev.kedge.client.Informers;
import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.BindException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import org.xbill.DNS.CNAMERecord;
import org.xbill.DNS.DClass;
import org.xbill.DNS.ExtendedFlags;
import org.xbill.DNS.Flags;
import org.xbill.DNS.Header;
import org.xbill.DNS.Message;
import org.xbill.DNS.Name;
import org.xbill.DNS.OPTRecord;
import org.xbill.DNS.Opcode;
import org.xbill.DNS.Rcode;
import org.xbill.DNS.Record;
import org.xbill.DNS.Section;
import org.xbill.DNS.TextParseException;
import org.xbill.DNS.Type;

/**
 * The cluster's DNS server, over UDP and TCP: names of the cluster from informers, every other name
 * from the node's name servers. Questions about the cluster are answered where they are received;
 * those for others take a virtual thread each.
 *
 * <p>The address it listens on must be one of the machine's: {@link ClusterAddress} makes the
 * cluster DNS address so.
 */
public final class ClusterDns implements AutoCloseable {
  private static final Logger LOG = System.getLogger("dev.kedge.network.dns");
  private static final int PAYLOAD = 1232;
  private static final int MOST_CONNECTIONS = 200;
  private static final int IDLE_MILLIS = 10_000;
  private static final int MOST_ALIASES = 8;

  private final Zone zone;
  private final Forwarder forwarder;
  private final Semaphore connections = new Semaphore(MOST_CONNECTIONS);
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();
  private final List<Thread> threads = new ArrayList<>();
  private final DatagramSocket udp;
  private final ServerSocket tcp;
  private volatile boolean synced;
  private volatile boolean closed;

  /**
   * How to serve.
   *
   * @param address where to listen, the cluster DNS address
   * @param port 53; 0 takes a free one
   * @param clusterDomain such as {@code cluster.local}
   * @param networks cluster and service CIDRs; their reverse names are never asked upstream
   * @param resolvConf the node's own resolver configuration; read again when it changes
   * @param patience how long one upstream server may take
   */
  public record Settings(
      InetAddress address,
      int port,
      String clusterDomain,
      List<String> networks,
      Path resolvConf,
      Duration patience) {
    public Settings {
      networks = List.copyOf(networks);
    }

    /** The usual: port 53, {@code /etc/resolv.conf}, two seconds. */
    public static Settings of(InetAddress address, String clusterDomain, List<String> networks) {
      return new Settings(
          address, 53, clusterDomain, networks, Path.of("/etc/resolv.conf"), Duration.ofSeconds(2));
    }
  }

  /**
   * Opens the sockets; answers from {@link #start} on.
   *
   * @throws UncheckedIOException if the address cannot be listened on
   */
  public ClusterDns(Settings settings, Informers informers) {
    this(settings, informers, 53);
  }

  ClusterDns(Settings settings, Informers informers, int upstreamPort) {
    this.zone =
        new Zone(
            domain(settings.clusterDomain()),
            settings.address(),
            settings.networks().stream().map(Cidr::parse).toList(),
            informers);
    this.forwarder =
        new Forwarder(
            settings.resolvConf(), Set.of(settings.address()), settings.patience(), upstreamPort);
    InetSocketAddress address = new InetSocketAddress(settings.address(), settings.port());
    try {
      tcp = new ServerSocket();
      try {
        tcp.bind(address);
        udp = new DatagramSocket(new InetSocketAddress(settings.address(), tcp.getLocalPort()));
      } catch (IOException e) {
        tcp.close();
        throw e;
      }
    } catch (BindException e) {
      throw new UncheckedIOException(
          "the cluster DNS address "
              + settings.address().getHostAddress()
              + " port "
              + settings.port()
              + " is taken or not this machine's; another DNS server may listen on all addresses",
          e);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot serve DNS on " + address, e);
    }
  }

  /**
   * Starts to answer; returns at once. Names of the cluster fail until the informers are synced.
   */
  public void start() {
    threads.add(Thread.ofVirtual().name("dns-sync").start(this::sync));
    threads.add(Thread.ofVirtual().name("dns-udp").start(this::serveUdp));
    threads.add(Thread.ofVirtual().name("dns-tcp").start(this::serveTcp));
  }

  /** The port, for one that was given as 0. */
  public int port() {
    return tcp.getLocalPort();
  }

  @Override
  public void close() {
    closed = true;
    udp.close();
    try {
      tcp.close();
      for (Socket socket : open) {
        socket.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot close the DNS sockets", e);
    } finally {
      threads.forEach(Thread::interrupt);
    }
  }

  private void sync() {
    try {
      zone.awaitSynced();
      synced = true;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  // Transport.

  private void serveUdp() {
    byte[] buffer = new byte[4096];
    while (!closed) {
      DatagramPacket packet = new DatagramPacket(buffer, buffer.length);
      try {
        udp.receive(packet);
      } catch (SocketException e) {
        if (!closed) {
          // An earlier answer that could not be delivered is reported here; the socket is fine.
          LOG.log(Level.DEBUG, "receiving DNS questions", e);
        }
        continue;
      } catch (IOException e) {
        LOG.log(Level.WARNING, "cannot receive DNS questions", e);
        continue;
      }
      byte[] wire = Arrays.copyOf(packet.getData(), packet.getLength());
      InetSocketAddress asker = (InetSocketAddress) packet.getSocketAddress();
      handle(wire, answer -> sendUdp(answer, asker));
    }
  }

  private void sendUdp(Reply reply, InetSocketAddress asker) {
    byte[] wire = reply.message().toWire(reply.payload());
    try {
      udp.send(new DatagramPacket(wire, wire.length, asker));
    } catch (IOException e) {
      LOG.log(Level.DEBUG, "cannot answer " + asker, e);
    }
  }

  private void serveTcp() {
    while (!closed) {
      try {
        Socket socket = tcp.accept();
        if (!connections.tryAcquire()) {
          socket.close();
          continue;
        }
        open.add(socket);
        Thread.ofVirtual().name("dns-tcp-connection").start(() -> serve(socket));
      } catch (IOException e) {
        if (!closed) {
          LOG.log(Level.WARNING, "cannot accept DNS connections", e);
        }
      }
    }
  }

  private void serve(Socket socket) {
    try (socket) {
      socket.setSoTimeout(IDLE_MILLIS);
      DataInputStream in = new DataInputStream(new BufferedInputStream(socket.getInputStream()));
      OutputStream out = socket.getOutputStream();
      while (!closed) {
        byte[] wire = new byte[in.readUnsignedShort()];
        in.readFully(wire);
        Optional<Reply> reply = parse(wire).map(this::reply);
        if (reply.isEmpty()) {
          return;
        }
        byte[] answer = reply.get().message().toWire(Message.MAXLENGTH);
        byte[] framed = new byte[answer.length + 2];
        framed[0] = (byte) (answer.length >> 8);
        framed[1] = (byte) answer.length;
        System.arraycopy(answer, 0, framed, 2, answer.length);
        out.write(framed);
      }
    } catch (EOFException | SocketTimeoutException e) {
      LOG.log(Level.TRACE, "DNS connection done", e);
    } catch (IOException e) {
      LOG.log(Level.DEBUG, "DNS connection broke", e);
    } finally {
      open.remove(socket);
      connections.release();
    }
  }

  // Questions.

  private interface Sender {
    void send(Reply reply);
  }

  /**
   * @param payload most bytes over UDP; what is longer is cut and marked so
   */
  private record Reply(Message message, int payload) {}

  private void handle(byte[] wire, Sender sender) {
    Optional<Message> query = parse(wire);
    if (query.isEmpty()) {
      return;
    }
    Record question = query.get().getQuestion();
    if (question == null || zone.owns(question.getName())) {
      sender.send(reply(query.get()));
    } else {
      Thread.ofVirtual().name("dns-forward").start(() -> sender.send(reply(query.get())));
    }
  }

  private static Optional<Message> parse(byte[] wire) {
    try {
      Message query = new Message(wire);
      return query.getHeader().getFlag(Flags.QR) ? Optional.empty() : Optional.of(query);
    } catch (IOException e) {
      LOG.log(Level.DEBUG, "unreadable DNS question", e);
      return Optional.empty();
    }
  }

  private Reply reply(Message query) {
    Message answer = new Message(query.getHeader().getID());
    Header header = answer.getHeader();
    header.setFlag(Flags.QR);
    header.setFlag(Flags.RA);
    if (query.getHeader().getFlag(Flags.RD)) {
      header.setFlag(Flags.RD);
    }
    header.setOpcode(query.getHeader().getOpcode());
    Record question = query.getQuestion();
    OPTRecord options = query.getOPT();
    if (question != null) {
      answer.addRecord(question, Section.QUESTION);
    }
    if (query.getHeader().getOpcode() != Opcode.QUERY) {
      header.setRcode(Rcode.NOTIMP);
    } else if (question == null || query.getHeader().getCount(Section.QUESTION) != 1) {
      header.setRcode(Rcode.FORMERR);
    } else if (question.getDClass() != DClass.IN) {
      header.setRcode(Rcode.REFUSED);
    } else {
      try {
        boolean dnssec = options != null && (options.getFlags() & ExtendedFlags.DO) != 0;
        answer(question, dnssec, answer);
      } catch (RuntimeException e) {
        LOG.log(Level.ERROR, "cannot answer " + question, e);
        header.setRcode(Rcode.SERVFAIL);
      }
    }
    int payload = 512;
    if (options != null) {
      payload = Math.clamp(options.getPayloadSize(), 512, PAYLOAD);
      answer.addRecord(new OPTRecord(PAYLOAD, 0, 0), Section.ADDITIONAL);
    }
    return new Reply(answer, payload);
  }

  private void answer(Record question, boolean dnssec, Message answer) {
    Name name = question.getName();
    if (zone.owns(name) && !synced) {
      answer.getHeader().setRcode(Rcode.SERVFAIL);
      return;
    }
    switch (zone.answer(name, question.getType())) {
      case Answer.Elsewhere _ -> forward(question, dnssec, answer);
      case Answer.NoSuchName _ -> {
        answer.getHeader().setFlag(Flags.AA);
        answer.getHeader().setRcode(Rcode.NXDOMAIN);
        answer.addRecord(zone.authority(), Section.AUTHORITY);
      }
      case Answer.Found(List<Record> answers, List<Record> additional) -> {
        answer.getHeader().setFlag(Flags.AA);
        answers.forEach(record -> answer.addRecord(record, Section.ANSWER));
        additional.forEach(record -> answer.addRecord(record, Section.ADDITIONAL));
        if (answers.isEmpty()) {
          answer.addRecord(zone.authority(), Section.AUTHORITY);
        } else if (answers.getFirst() instanceof CNAMERecord alias
            && question.getType() != Type.CNAME) {
          followAlias(alias, question.getType(), answer);
        }
      }
    }
  }

  /** Adds what the target of a Service of type ExternalName has, as its clients will ask next. */
  private void followAlias(CNAMERecord first, int type, Message answer) {
    CNAMERecord alias = first;
    for (int i = 0; i < MOST_ALIASES; i++) {
      Name target = alias.getTarget();
      switch (zone.answer(target, type)) {
        case Answer.NoSuchName _ -> {
          return;
        }
        case Answer.Elsewhere _ -> {
          forwarder
              .ask(Record.newRecord(target, type, DClass.IN), false)
              .ifPresent(
                  found ->
                      found
                          .getSection(Section.ANSWER)
                          .forEach(record -> answer.addRecord(record, Section.ANSWER)));
          return;
        }
        case Answer.Found(List<Record> answers, List<Record> _) -> {
          answers.forEach(record -> answer.addRecord(record, Section.ANSWER));
          if (answers.isEmpty() || !(answers.getFirst() instanceof CNAMERecord next)) {
            return;
          }
          alias = next;
        }
      }
    }
  }

  private void forward(Record question, boolean dnssec, Message answer) {
    Optional<Message> found = forwarder.ask(question, dnssec);
    if (found.isEmpty()) {
      answer.getHeader().setRcode(Rcode.SERVFAIL);
      return;
    }
    answer.getHeader().setRcode(found.get().getHeader().getRcode());
    if (found.get().getHeader().getFlag(Flags.AD)) {
      answer.getHeader().setFlag(Flags.AD);
    }
    for (int section : new int[] {Section.ANSWER, Section.AUTHORITY, Section.ADDITIONAL}) {
      for (Record record : found.get().getSection(section)) {
        if (record.getType() != Type.OPT) {
          answer.addRecord(record, section);
        }
      }
    }
  }

  private static Name domain(String text) {
    try {
      return Name.fromString(text, Name.root);
    } catch (TextParseException e) {
      throw new IllegalArgumentException("not a cluster domain: " + text, e);
    }
  }
}
