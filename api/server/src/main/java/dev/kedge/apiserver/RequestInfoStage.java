package dev.kedge.apiserver;

import dev.kedge.model.ApiException;

/** Finds out what is asked for. */
final class RequestInfoStage implements Stage {
  @Override
  public void handle(Call call, Next next) throws Exception {
    try {
      call.info(RequestInfo.of(call.method(), call.path(), call.query()));
    } catch (IllegalArgumentException e) {
      throw ApiException.badRequest("the URL cannot be read: " + e.getMessage());
    }
    next.handle(call);
  }
}
