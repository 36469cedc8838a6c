/** The store on etcd's v3 API, and what an etcd cluster needs to be tended. */
@NullMarked
package dev.kedge.store.etcd;

import org.jspecify.annotations.NullMarked;
