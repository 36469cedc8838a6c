/** A cluster's objects as a file that any engine can be filled from. */
@NullMarked
package dev.kedge.store.snapshot;

import org.jspecify.annotations.NullMarked;
