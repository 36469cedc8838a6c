/** A cluster's node: its containerd, its images, its pods and what the API server asks of it. */
@NullMarked
package dev.kedge.node;

import org.jspecify.annotations.NullMarked;
