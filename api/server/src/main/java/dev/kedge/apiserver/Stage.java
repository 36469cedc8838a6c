package dev.kedge.apiserver;

/** One step of {@link ApiServer}'s list: answers a call itself, or lets it go on. Any thread. */
@FunctionalInterface
interface Stage {
  /** Handles a call; {@code next} is the rest of the list. */
  void handle(Call call, Next next) throws Exception;

  /** What follows a stage. */
  @FunctionalInterface
  interface Next {
    void handle(Call call) throws Exception;
  }
}
