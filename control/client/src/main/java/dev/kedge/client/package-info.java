/** One way to talk to a Kubernetes API: objects, watches and informers, over HTTP or in-process. */
@NullMarked
package dev.kedge.client;

import org.jspecify.annotations.NullMarked;
