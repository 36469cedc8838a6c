/** What every part of the process needs to start, say what it does, and stop. */
@NullMarked
package dev.kedge.lifecycle;

import org.jspecify.annotations.NullMarked;
