@NullMarked
package dev.kedge.endtoend;

import org.jspecify.annotations.NullMarked;
