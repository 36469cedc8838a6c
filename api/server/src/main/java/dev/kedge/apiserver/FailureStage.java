package dev.kedge.apiserver;

import dev.kedge.model.ApiException;
import java.io.IOException;

/**
 * Turns what is thrown below into answers, in this one place: an {@link ApiException} into its
 * Status, anything else into 500 and a log line. Counts every request.
 */
final class FailureStage implements Stage {
  private static final System.Logger LOG = System.getLogger("dev.kedge.apiserver");

  private final Metrics metrics;

  FailureStage(Metrics metrics) {
    this.metrics = metrics;
  }

  @Override
  public void handle(Call call, Next next) throws Exception {
    try {
      next.handle(call);
      if (!call.answered()) {
        Answers.noSuchPath(call);
      }
    } catch (ApiException e) {
      // What a sender cannot mend is logged; an agent that is away is told to the sender only.
      if (e.code() == 500) {
        String what = call.method() + " " + call.path() + " failed";
        if (e.getCause() == null) {
          LOG.log(System.Logger.Level.WARNING, what + ": " + e.getMessage());
        } else {
          LOG.log(System.Logger.Level.WARNING, what, e);
        }
      }
      fail(call, e);
    } catch (IOException | InterruptedException e) {
      // The client went away or the server stops: nobody is there to be answered.
      throw e;
    } catch (RuntimeException | StackOverflowError e) {
      LOG.log(
          System.Logger.Level.ERROR,
          call.method() + " " + call.path() + " failed (audit id " + call.auditId() + ")",
          e);
      call.audit().ifPresent(AuditEvent::broken);
      fail(call, ApiException.internal("see the server's log, audit id " + call.auditId()));
    } finally {
      call.audit().ifPresent(AuditEvent::complete);
      metrics.record(call);
    }
  }

  private static void fail(Call call, ApiException failure) throws IOException {
    if (call.answered()) {
      throw new IOException("failed after the answer began: " + failure.getMessage(), failure);
    }
    call.warn(failure.warnings());
    Answers.failure(call, failure.status());
  }
}
