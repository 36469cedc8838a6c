/** The Kubernetes API over HTTP: requests in, answers out; what they mean is api/registry's. */
@NullMarked
package dev.kedge.apiserver;

import org.jspecify.annotations.NullMarked;
