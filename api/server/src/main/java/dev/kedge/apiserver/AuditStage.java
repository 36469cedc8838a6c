package dev.kedge.apiserver;

import dev.kedge.apiserver.AuditPolicy.Decision;
import dev.kedge.apiserver.AuditPolicy.Level;
import dev.kedge.apiserver.AuditPolicy.Step;
import java.util.Optional;

/**
 * Begins the audit of a request whose user is known. What the stages below find out is added to the
 * {@link AuditEvent}; {@link FailureStage} completes it, for it knows the answer.
 */
final class AuditStage implements Stage {
  private final Optional<AuditLog> log;

  AuditStage(Optional<AuditLog> log) {
    this.log = log;
  }

  @Override
  public void handle(Call call, Next next) throws Exception {
    log.flatMap(open -> begin(open, call)).ifPresent(event -> event.write(Step.REQUEST_RECEIVED));
    next.handle(call);
  }

  /** The audit of a request; empty if the policy wants none. */
  static Optional<AuditEvent> begin(AuditLog log, Call call) {
    Decision decision = log.policy().decide(call.user(), call.info());
    log.count(decision.level());
    if (decision.level() == Level.NONE) {
      return Optional.empty();
    }
    AuditEvent event = new AuditEvent(log, decision, call);
    call.audit(event);
    return Optional.of(event);
  }
}
