/** Who asks and whether they may: certificates, tokens, RBAC. */
@NullMarked
package dev.kedge.identity;

import org.jspecify.annotations.NullMarked;
