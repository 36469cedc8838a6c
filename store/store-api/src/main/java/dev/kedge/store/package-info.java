/** The contract between the API server and whatever keeps its objects. */
@NullMarked
package dev.kedge.store;

import org.jspecify.annotations.NullMarked;
