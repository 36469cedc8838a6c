/** Measures an API server, kedge's or any other, from outside. */
@NullMarked
package dev.kedge.benchmarks;

import org.jspecify.annotations.NullMarked;
