/** The node's pod network: CNI configuration, bridge, forwarding, masquerading. */
@NullMarked
package dev.kedge.network.pods;

import org.jspecify.annotations.NullMarked;
