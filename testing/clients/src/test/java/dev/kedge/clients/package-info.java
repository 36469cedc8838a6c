/** Clients that nobody here wrote, against a control plane of kedge. */
@org.jspecify.annotations.NullMarked
package dev.kedge.clients;
