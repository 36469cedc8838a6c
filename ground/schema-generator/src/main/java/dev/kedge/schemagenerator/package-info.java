/** Build-time tool that turns the published Kubernetes artifacts into compact schema resources. */
@NullMarked
package dev.kedge.schemagenerator;

import org.jspecify.annotations.NullMarked;
