/** What requests mean: kinds, their strategies, admission, and the operations on them. */
@NullMarked
package dev.kedge.registry;

import org.jspecify.annotations.NullMarked;
