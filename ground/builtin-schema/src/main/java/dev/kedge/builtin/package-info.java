/** The schemas and the served resources of Kubernetes' built-in API groups. */
@NullMarked
package dev.kedge.builtin;

import org.jspecify.annotations.NullMarked;
