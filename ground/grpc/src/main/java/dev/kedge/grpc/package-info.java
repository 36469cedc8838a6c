/**
 * A gRPC client with nothing but the JDK: HTTP/2 over Unix domain sockets, TCP and TLS, and
 * protobuf messages read and written field by field.
 */
@NullMarked
package dev.kedge.grpc;

import org.jspecify.annotations.NullMarked;
