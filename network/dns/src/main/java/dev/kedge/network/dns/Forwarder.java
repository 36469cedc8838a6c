package dev.kedge.network.dns;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Semaphore;
import org.xbill.DNS.DClass;
import org.xbill.DNS.ExtendedFlags;
import org.xbill.DNS.Flags;
import org.xbill.DNS.Message;
import org.xbill.DNS.Name;
import org.xbill.DNS.Rcode;
import org.xbill.DNS.Record;
import org.xbill.DNS.SOARecord;
import org.xbill.DNS.Section;
import org.xbill.DNS.Type;

/**
 * Asks the node's own name servers, those of its {@code resolv.conf}, and remembers their answers
 * for at most half a minute. Each question takes the calling thread and a socket of its own, so
 * that port and number are hard to guess. Any thread.
 */
final class Forwarder {
  private static final Logger LOG = System.getLogger("dev.kedge.network.dns");
  private static final int PAYLOAD = 1232;
  private static final int MOST_REMEMBERED = 10_000;
  private static final long LONGEST_SECONDS = 30;
  private static final int MOST_AT_ONCE = 1000;

  private final Path resolvConf;
  private final Set<InetAddress> own;
  private final Duration patience;
  private final int port;
  private final SecureRandom random = new SecureRandom();
  private final Semaphore room = new Semaphore(MOST_AT_ONCE);
  private final Map<Question, Remembered> cache =
      new LinkedHashMap<>(64, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Question, Remembered> eldest) {
          return size() > MOST_REMEMBERED;
        }
      };

  private volatile Servers servers = new Servers(Optional.empty(), List.of());

  /**
   * @param own addresses that this server answers on, never to be asked
   * @param patience how long one server may take
   * @param port where name servers listen: 53
   */
  Forwarder(Path resolvConf, Set<InetAddress> own, Duration patience, int port) {
    this.resolvConf = resolvConf;
    this.own = Set.copyOf(own);
    this.patience = patience;
    this.port = port;
  }

  private record Question(Name name, int type, int dclass, boolean dnssec) {}

  private record Remembered(Message answer, long at, long seconds) {}

  private record Servers(Optional<FileTime> read, List<InetAddress> addresses) {}

  /**
   * The answer to a question, header flags and records as upstream gave them; empty if no server
   * answered in time.
   */
  Optional<Message> ask(Record question, boolean dnssec) {
    Question key =
        new Question(question.getName(), question.getType(), question.getDClass(), dnssec);
    Optional<Message> known = remembered(key);
    if (known.isPresent()) {
      return known;
    }
    if (!room.tryAcquire()) {
      LOG.log(Level.DEBUG, "too many questions at once: {0}", question.getName());
      return Optional.empty();
    }
    try {
      for (InetAddress server : nameServers()) {
        try {
          Message answer = ask(server, question, dnssec);
          int code = answer.getRcode();
          if (code == Rcode.SERVFAIL || code == Rcode.REFUSED) {
            continue;
          }
          remember(key, answer);
          return Optional.of(answer);
        } catch (SocketTimeoutException e) {
          LOG.log(Level.DEBUG, "name server {0} did not answer in time", server);
        } catch (IOException e) {
          LOG.log(Level.DEBUG, "name server " + server + " failed", e);
        }
      }
      return Optional.empty();
    } finally {
      room.release();
    }
  }

  private Message ask(InetAddress server, Record question, boolean dnssec) throws IOException {
    Message query = new Message(random.nextInt(0x10000));
    query.getHeader().setFlag(Flags.RD);
    query.addRecord(
        Record.newRecord(question.getName(), question.getType(), DClass.IN), Section.QUESTION);
    query.addRecord(
        new org.xbill.DNS.OPTRecord(PAYLOAD, 0, 0, dnssec ? ExtendedFlags.DO : 0),
        Section.ADDITIONAL);
    byte[] wire = query.toWire();
    Message answer = overUdp(server, query, wire);
    return answer.getHeader().getFlag(Flags.TC) ? overTcp(server, query, wire) : answer;
  }

  private Message overUdp(InetAddress server, Message query, byte[] wire) throws IOException {
    long deadline = System.nanoTime() + patience.toNanos();
    try (DatagramSocket socket = new DatagramSocket()) {
      // Connected: packets from anyone else are not even delivered.
      socket.connect(new InetSocketAddress(server, port));
      socket.send(new DatagramPacket(wire, wire.length));
      byte[] buffer = new byte[65_535];
      while (true) {
        long left = (deadline - System.nanoTime()) / 1_000_000;
        if (left <= 0) {
          throw new SocketTimeoutException();
        }
        socket.setSoTimeout((int) left);
        DatagramPacket packet = new DatagramPacket(buffer, buffer.length);
        socket.receive(packet);
        Optional<Message> answer =
            answerTo(query, Arrays.copyOf(packet.getData(), packet.getLength()));
        if (answer.isPresent()) {
          return answer.get();
        }
      }
    }
  }

  private Message overTcp(InetAddress server, Message query, byte[] wire) throws IOException {
    try (Socket socket = new Socket()) {
      int millis = (int) patience.toMillis();
      socket.connect(new InetSocketAddress(server, port), millis);
      socket.setSoTimeout(millis);
      DataOutputStream out = new DataOutputStream(socket.getOutputStream());
      byte[] framed = new byte[wire.length + 2];
      framed[0] = (byte) (wire.length >> 8);
      framed[1] = (byte) wire.length;
      System.arraycopy(wire, 0, framed, 2, wire.length);
      out.write(framed);
      out.flush();
      DataInputStream in = new DataInputStream(socket.getInputStream());
      byte[] bytes = new byte[in.readUnsignedShort()];
      in.readFully(bytes);
      return answerTo(query, bytes).orElseThrow(() -> new IOException("not an answer to us"));
    }
  }

  private static Optional<Message> answerTo(Message query, byte[] wire) {
    try {
      Message answer = new Message(wire);
      boolean ours =
          answer.getHeader().getFlag(Flags.QR)
              && answer.getHeader().getID() == query.getHeader().getID()
              && query.getQuestion().equals(answer.getQuestion());
      return ours ? Optional.of(answer) : Optional.empty();
    } catch (IOException e) {
      LOG.log(Level.DEBUG, "unreadable answer from a name server", e);
      return Optional.empty();
    }
  }

  // The cache.

  private Optional<Message> remembered(Question key) {
    Remembered found;
    synchronized (cache) {
      found = cache.get(key);
    }
    if (found == null) {
      return Optional.empty();
    }
    long age = (System.nanoTime() - found.at()) / 1_000_000_000L;
    if (age >= found.seconds()) {
      synchronized (cache) {
        cache.remove(key, found);
      }
      return Optional.empty();
    }
    return Optional.of(aged(found.answer(), age));
  }

  private void remember(Question key, Message answer) {
    long seconds = lifetime(answer);
    if (seconds > 0) {
      synchronized (cache) {
        cache.put(key, new Remembered(answer, System.nanoTime(), seconds));
      }
    }
  }

  private static long lifetime(Message answer) {
    int code = answer.getRcode();
    if (code != Rcode.NOERROR && code != Rcode.NXDOMAIN) {
      return 0;
    }
    long seconds = LONGEST_SECONDS;
    List<Record> records = answer.getSection(Section.ANSWER);
    for (Record record : records) {
      seconds = Math.min(seconds, record.getTTL());
    }
    if (records.isEmpty() || code == Rcode.NXDOMAIN) {
      // That something is not there is as good as the zone's start of authority says.
      long negative = 0;
      for (Record record : answer.getSection(Section.AUTHORITY)) {
        if (record instanceof SOARecord soa) {
          negative = Math.min(soa.getTTL(), soa.getMinimum());
        }
      }
      seconds = Math.min(seconds, negative);
    }
    return seconds;
  }

  private static Message aged(Message answer, long seconds) {
    Message copy = new Message();
    copy.setHeader(answer.getHeader().clone());
    for (int section :
        new int[] {Section.QUESTION, Section.ANSWER, Section.AUTHORITY, Section.ADDITIONAL}) {
      for (Record record : answer.getSection(section)) {
        boolean plain = section == Section.QUESTION || record.getType() == Type.OPT;
        copy.addRecord(
            plain
                ? record
                : Record.newRecord(
                    record.getName(),
                    record.getType(),
                    record.getDClass(),
                    Math.max(0, record.getTTL() - seconds),
                    record.rdataToWireCanonical()),
            section);
      }
    }
    return copy;
  }

  // The name servers.

  private List<InetAddress> nameServers() {
    try {
      FileTime changed = Files.getLastModifiedTime(resolvConf);
      Servers known = servers;
      if (!known.read().equals(Optional.of(changed))) {
        known = new Servers(Optional.of(changed), parse(Files.readAllLines(resolvConf)));
        servers = known;
        if (known.addresses().isEmpty()) {
          LOG.log(
              Level.WARNING,
              "{0} names no name server: only names of the cluster can be resolved",
              resolvConf);
        }
      }
      return known.addresses();
    } catch (NoSuchFileException e) {
      return List.of();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + resolvConf, e);
    }
  }

  private List<InetAddress> parse(List<String> lines) {
    List<InetAddress> found = new ArrayList<>();
    for (String line : lines) {
      String[] words = line.strip().split("\\s+");
      if (words.length >= 2 && words[0].equals("nameserver")) {
        Reverse.literal(words[1]).filter(address -> !own.contains(address)).ifPresent(found::add);
      }
    }
    return found;
  }
}
