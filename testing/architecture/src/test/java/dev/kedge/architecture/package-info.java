@NullMarked
package dev.kedge.architecture;

import org.jspecify.annotations.NullMarked;
