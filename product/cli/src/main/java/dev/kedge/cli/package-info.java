/** The command line: what a user types, turned into calls of the parts below. */
@NullMarked
package dev.kedge.cli;

import org.jspecify.annotations.NullMarked;
