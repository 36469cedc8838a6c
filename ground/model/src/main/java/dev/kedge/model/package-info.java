/**
 * Kubernetes objects as immutable JSON trees, their schemas, and the operations that need nothing
 * but the two: parsing, patching, applying, selecting, quantities, statuses.
 */
@NullMarked
package dev.kedge.model;

import org.jspecify.annotations.NullMarked;
