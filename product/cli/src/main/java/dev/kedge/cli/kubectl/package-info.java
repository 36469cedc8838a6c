/**
 * {@code kedge kubectl}: the commands of upstream's kubectl, with its flags, output and messages,
 * on nothing but the JDK and the model. No class of the server is loaded.
 */
@NullMarked
package dev.kedge.cli.kubectl;

import org.jspecify.annotations.NullMarked;
