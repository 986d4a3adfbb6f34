/** Notices about a key store that doesn't respond at once. It may wait for its user: a confirmation, a touch, a fingerprint. */
import { waitingChannel } from "../tracing.js";

/** The calls of a key or a store that are in flight. */
interface Wait {
  calls: number;
  mayAskUser: boolean;
  readonly timer: NodeJS.Timeout;
}

/** Milliseconds until a program should tell its user. */
const PATIENCE = 1_000;

/** By URI. */
const waits = new Map<string, Wait>();

/**
 * Publishes a `WaitingTrace` on the channel `hardproof.waiting` if the store doesn't respond for one second. Concurrent calls
 * share one message.
 *
 * @param uri - The URI of the key or the store. It must not contain a secret.
 * @param work - One call of the store.
 * @param mayAskUser - Whether the store is one that asks its user to confirm.
 * @returns What the work returns.
 */
export function reportWaiting<T>(uri: string, work: Promise<T>, { mayAskUser = false } = {}): Promise<T> {
  if (!waitingChannel.hasSubscribers) return work;
  const wait = waits.get(uri) ?? startWait(uri);
  wait.calls += 1;
  wait.mayAskUser ||= mayAskUser;
  return work.finally(() => {
    wait.calls -= 1;
    if (wait.calls > 0) return void wait.timer.refresh();
    clearTimeout(wait.timer);
    waits.delete(uri);
  });
}

function startWait(uri: string): Wait {
  const timer = setTimeout(() => waitingChannel.publish({ uri, mayAskUser: wait.mayAskUser }), PATIENCE);
  const wait: Wait = { calls: 0, mayAskUser: false, timer };
  waits.set(uri, wait);
  return wait;
}
