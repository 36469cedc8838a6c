/** Turns changes of objects into calls that bring the world to what the objects say. */
@NullMarked
package dev.kedge.reconcile;

import org.jspecify.annotations.NullMarked;
