/** Services on a node: virtual addresses, node ports and host ports in one nftables table. */
@NullMarked
package dev.kedge.network.services;

import org.jspecify.annotations.NullMarked;
