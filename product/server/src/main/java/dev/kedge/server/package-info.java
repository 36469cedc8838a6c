/** The whole server, put together: the only place that names concrete parts of every layer. */
@NullMarked
package dev.kedge.server;

import org.jspecify.annotations.NullMarked;
