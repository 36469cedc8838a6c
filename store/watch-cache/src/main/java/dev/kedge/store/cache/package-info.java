/** What the API server reads from: one resource's current state and recent changes, in memory. */
@NullMarked
package dev.kedge.store.cache;

import org.jspecify.annotations.NullMarked;
