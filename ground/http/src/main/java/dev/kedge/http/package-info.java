/**
 * HTTP as kedge sees it: an exchange, a server, a client, streams; the library behind stays in
 * here.
 */
@NullMarked
package dev.kedge.http;

import org.jspecify.annotations.NullMarked;
