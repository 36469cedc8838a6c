/**
 * The controllers of the control plane: each brings the cluster to what one kind of object says.
 */
@NullMarked
package dev.kedge.controllers;

import org.jspecify.annotations.NullMarked;
