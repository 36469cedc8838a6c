/**
 * The Common Expression Language as Kubernetes has it: parsing, type checking, cost estimation and
 * evaluation with a cost limit, directly on JSON trees.
 */
@NullMarked
package dev.kedge.cel;

import org.jspecify.annotations.NullMarked;
