package dev.kedge.network.dns;

import dev.kedge.network.pods.HostCommands;
import java.net.InetAddress;

/**
 * The cluster DNS address as an address of this machine, on the loopback device: pods send to it by
 * their default route, the machine itself directly, and no rule has to translate anything. It is
 * there before the pods' bridge is.
 */
public final class ClusterAddress {
  private ClusterAddress() {}

  /** Puts the address there; again is no harm. */
  public static void claim(InetAddress address) throws InterruptedException {
    // Of host scope, or it would be taken for an address to reach the machine by.
    HostCommands.HERE.require(
        "", "ip", "address", "replace", text(address), "dev", "lo", "scope", "host");
  }

  /** Takes the address away, if it is there. */
  public static void release(InetAddress address) throws InterruptedException {
    HostCommands.HERE.run("", "ip", "address", "delete", text(address), "dev", "lo");
  }

  private static String text(InetAddress address) {
    return address.getHostAddress() + (address.getAddress().length == 4 ? "/32" : "/128");
  }
}
