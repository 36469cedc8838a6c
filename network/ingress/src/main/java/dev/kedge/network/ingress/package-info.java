/** Ingress inside the process: HTTP and HTTPS from outside to the pods behind Services. */
@NullMarked
package dev.kedge.network.ingress;

import org.jspecify.annotations.NullMarked;
