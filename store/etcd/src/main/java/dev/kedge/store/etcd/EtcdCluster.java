package dev.kedge.store.etcd;

import dev.kedge.grpc.GrpcException;
import dev.kedge.grpc.ProtoMessage;
import dev.kedge.grpc.ProtoWriter;
import dev.kedge.store.StoreException;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.SSLContext;

/**
 * What whoever runs an etcd cluster does to it: its members, their state, their files. Methods
 * block; any thread; a failure is a {@link StoreException} in etcd's words.
 */
public final class EtcdCluster implements AutoCloseable {
  private static final String CLUSTER = "/etcdserverpb.Cluster/";
  private static final String MAINTENANCE = "/etcdserverpb.Maintenance/";
  private static final Duration ATTEMPT = Duration.ofSeconds(5);
  private static final Duration LONG = Duration.ofMinutes(5);

  private final Endpoints endpoints;

  /**
   * A client of some members; nothing is connected before the first call.
   *
   * @param urls the first one is the member that {@link #status} and {@link #defragment} are about
   */
  public EtcdCluster(List<URI> urls, SSLContext tls) {
    this.endpoints = new Endpoints(urls, Optional.of(tls));
  }

  /**
   * A member.
   *
   * @param name empty while it has not been started for the first time
   * @param learner whether it follows without a vote
   */
  public record Member(
      long id, String name, List<String> peerUrls, List<String> clientUrls, boolean learner) {
    public Member {
      peerUrls = List.copyOf(peerUrls);
      clientUrls = List.copyOf(clientUrls);
    }

    static Member decode(ProtoMessage in) {
      return new Member(in.integer(1), in.string(2), in.strings(3), in.strings(4), in.bool(5));
    }
  }

  /**
   * How a member is.
   *
   * @param leader id of the leader it knows; 0 for none
   * @param size bytes of its database file
   * @param used bytes of it in use
   */
  public record Status(
      String version, long id, long leader, boolean learner, long size, long used) {}

  /** The members, by the word of whichever answers. */
  public List<Member> members() {
    return members(
        call(() -> endpoints.repeatable(CLUSTER + "MemberList", new ProtoWriter().bytes())), 2);
  }

  /**
   * Adds a member that does not vote yet.
   *
   * @return all members, the new one with an empty name
   * @throws StoreException among others when another member learns, or too few vote
   */
  public List<Member> addLearner(URI peerUrl) {
    byte[] request =
        new ProtoWriter().strings(1, List.of(peerUrl.toString())).bool(2, true).bytes();
    return members(
        call(
            () ->
                endpoints.call(
                    CLUSTER + "MemberAdd", request, Endpoints.PATIENCE, Endpoints::isUntouched)),
        3);
  }

  private static List<Member> members(byte[] answer, int field) {
    return ProtoMessage.parse(answer).messages(field, Member::decode);
  }

  /** Gives a member its vote; it must have caught up with the leader. */
  public void promote(long id) {
    change("MemberPromote", id);
  }

  /** Removes a member; it stops by itself. */
  public void remove(long id) {
    change("MemberRemove", id);
  }

  private void change(String method, long id) {
    byte[] request = new ProtoWriter().integer(1, id).bytes();
    call(
        () ->
            endpoints.call(CLUSTER + method, request, Endpoints.PATIENCE, Endpoints::isUntouched));
  }

  /** How the first member is. */
  public Status status() {
    ProtoMessage in =
        ProtoMessage.parse(
            call(
                () ->
                    endpoints.once(0, MAINTENANCE + "Status", new ProtoWriter().bytes(), ATTEMPT)));
    return new Status(
        in.string(2),
        in.message(1).integer(2),
        in.integer(4),
        in.bool(10),
        in.integer(3),
        in.integer(9));
  }

  /** Whether a majority answers through the first member. */
  public boolean hasQuorum() {
    try {
      endpoints.once(0, Rpc.RANGE, Rpc.range(new byte[1], new byte[0], 1, 0, true), ATTEMPT);
      return true;
    } catch (GrpcException e) {
      return false;
    }
  }

  /** Gives the free space in the first member's file back; that member stands still meanwhile. */
  public void defragment() {
    call(() -> endpoints.once(0, MAINTENANCE + "Defragment", new ProtoWriter().bytes(), LONG));
  }

  private interface Question {
    byte[] ask();
  }

  private byte[] call(Question question) {
    try {
      return question.ask();
    } catch (GrpcException e) {
      throw failure(e);
    }
  }

  private StoreException failure(GrpcException e) {
    return Failures.of(endpoints, e);
  }

  @Override
  public void close() {
    endpoints.close();
  }
}
