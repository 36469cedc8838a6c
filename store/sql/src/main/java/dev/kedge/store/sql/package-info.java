/** The store on an SQL database: one append-only log table, a row per revision. */
@NullMarked
package dev.kedge.store.sql;

import org.jspecify.annotations.NullMarked;
