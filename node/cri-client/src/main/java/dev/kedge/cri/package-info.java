/** A client of CRI v1 and of the few containerd services beside it, over gRPC. */
@NullMarked
package dev.kedge.cri;

import org.jspecify.annotations.NullMarked;
