package dev.kedge.network.dns;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.xbill.DNS.ARecord;
import org.xbill.DNS.DClass;
import org.xbill.DNS.Flags;
import org.xbill.DNS.Message;
import org.xbill.DNS.Name;
import org.xbill.DNS.Rcode;
import org.xbill.DNS.SOARecord;
import org.xbill.DNS.Section;

/**
 * A name server outside of the cluster: knows www.example.com, a large.example.com that needs TCP,
 * nothing else, and never answers for silent.example.com.
 */
final class Upstream implements AutoCloseable {
  private final List<String> questions = new CopyOnWriteArrayList<>();
  private final ServerSocket tcp;
  private final DatagramSocket udp;

  Upstream(InetAddress address) throws IOException {
    tcp = new ServerSocket();
    tcp.bind(new InetSocketAddress(address, 0));
    udp = new DatagramSocket(new InetSocketAddress(address, tcp.getLocalPort()));
    Thread.ofVirtual().start(this::serveUdp);
    Thread.ofVirtual().start(this::serveTcp);
  }

  int port() {
    return tcp.getLocalPort();
  }

  /** What was asked, with the transport. */
  List<String> questions() {
    return questions;
  }

  @Override
  public void close() throws IOException {
    udp.close();
    tcp.close();
  }

  private void serveUdp() {
    byte[] buffer = new byte[4096];
    try {
      while (true) {
        DatagramPacket packet = new DatagramPacket(buffer, buffer.length);
        udp.receive(packet);
        Message query = new Message(Arrays.copyOf(packet.getData(), packet.getLength()));
        Message answer = answer(query, "udp");
        if (!query.getQuestion().getName().toString().startsWith("silent")) {
          byte[] wire = answer.toWire(1232);
          udp.send(new DatagramPacket(wire, wire.length, packet.getSocketAddress()));
        }
      }
    } catch (IOException e) {
      questions.add("closed");
    }
  }

  private void serveTcp() {
    try {
      while (true) {
        try (Socket socket = tcp.accept()) {
          DataInputStream in = new DataInputStream(socket.getInputStream());
          byte[] wire = new byte[in.readUnsignedShort()];
          in.readFully(wire);
          byte[] answer = answer(new Message(wire), "tcp").toWire();
          DataOutputStream out = new DataOutputStream(socket.getOutputStream());
          out.writeShort(answer.length);
          out.write(answer);
        }
      }
    } catch (IOException e) {
      questions.add("closed");
    }
  }

  private Message answer(Message query, String transport) {
    Name name = query.getQuestion().getName();
    questions.add(transport + " " + name);
    Message answer = new Message(query.getHeader().getID());
    answer.getHeader().setFlag(Flags.QR);
    answer.addRecord(query.getQuestion(), Section.QUESTION);
    switch (name.toString()) {
      case "www.example.com." -> answer.addRecord(address(name, 7), Section.ANSWER);
      case "large.example.com." -> {
        for (int i = 0; i < 200; i++) {
          answer.addRecord(address(name, i), Section.ANSWER);
        }
      }
      default -> {
        answer.getHeader().setRcode(Rcode.NXDOMAIN);
        Name zone = Name.fromConstantString("example.com.");
        answer.addRecord(
            new SOARecord(zone, DClass.IN, 60, zone, zone, 1, 60, 60, 60, 60), Section.AUTHORITY);
      }
    }
    return answer;
  }

  private static ARecord address(Name name, int last) {
    return new ARecord(name, DClass.IN, 300, InetAddress.ofLiteral("203.0.113." + last));
  }
}
