/** Admission plugins: what changes or refuses a request between decoding and storing. */
@NullMarked
package dev.kedge.registry.admission;

import org.jspecify.annotations.NullMarked;
