/**
 * What is particular to built-in kinds: defaults that depend on other fields, initial values, and
 * validation with the causes and messages of Kubernetes.
 */
@NullMarked
package dev.kedge.registry.kinds;

import org.jspecify.annotations.NullMarked;
