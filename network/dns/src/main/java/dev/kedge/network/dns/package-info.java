/** The cluster's DNS, inside the process: names of Services and pods, forwarding for the rest. */
@NullMarked
package dev.kedge.network.dns;

import org.jspecify.annotations.NullMarked;
