/** Notices about a key store that doesn't respond at once. It may wait for its user: a confirmation, a touch, a fingerprint. */
import { waitingChannel } from "../tracing.js";

/** A call of a key or a store that is in flight. */
interface Call {
  readonly mayAskUser: boolean;
  /** Whether a message was published while the call was in flight. */
  isReported: boolean;
}

/** Milliseconds until a program should tell its user. */
const PATIENCE = 1_000;

/** By URI. */
const callsInFlight = new Map<string, Set<Call>>();

/**
 * Publishes a `WaitingTrace` on the channel `hardproof.waiting` if the call doesn't end within one second. Concurrent calls share
 * one message. Each has its own second, so that a call that hangs is reported while the store responds to others.
 *
 * @param uri - The URI of the key or the store. It must not contain a secret.
 * @param work - One call of the store.
 * @param mayAskUser - Whether the store is one that asks its user to confirm.
 * @returns What the work returns.
 */
export function reportWaiting<T>(uri: string, work: Promise<T>, { mayAskUser = false } = {}): Promise<T> {
  if (!waitingChannel.hasSubscribers) return work;
  const calls = callsInFlight.get(uri) ?? new Set();
  callsInFlight.set(uri, calls);
  const call: Call = { mayAskUser, isReported: false };
  calls.add(call);
  const timer = setTimeout(() => report(uri, [...calls]), PATIENCE);
  return work.finally(() => {
    clearTimeout(timer);
    calls.delete(call);
    if (calls.size === 0) callsInFlight.delete(uri);
  });
}

function report(uri: string, calls: readonly Call[]): void {
  const isReported = calls.some((call) => call.isReported);
  for (const call of calls) call.isReported = true;
  if (!isReported) waitingChannel.publish({ uri, mayAskUser: calls.some((call) => call.mayAskUser) });
}
