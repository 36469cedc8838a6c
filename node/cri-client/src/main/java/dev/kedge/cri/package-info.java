/**
 * A client of CRI v1 and of the few containerd services beside it: gRPC over HTTP/2 on a Unix
 * domain socket, with nothing but the JDK.
 */
@NullMarked
package dev.kedge.cri;

import org.jspecify.annotations.NullMarked;
