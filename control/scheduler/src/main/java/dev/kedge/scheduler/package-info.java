/** Decides which node each pod runs on. */
@NullMarked
package dev.kedge.scheduler;

import org.jspecify.annotations.NullMarked;
