/**
 * Signatures that are made on the event loop, as with a key in memory. Many at once would stop it, so after a few
 * milliseconds the others wait for its next turn, in the order of their calls.
 */

/** Milliseconds of one turn of the event loop. */
const BUDGET = 5;

const waiting: (() => void)[] = [];
/** Monotonic time of the first signature in this turn. */
let startedAt: number | undefined;

/**
 * Calls `sign` in this turn of the event loop if there is time left, or else in a later one.
 *
 * @param sign - Signs, as a rule synchronously. `isLater`: whether the call had to wait.
 */
export function signInTurn<T>(sign: (isLater: boolean) => T | Promise<T>): T | Promise<T> {
  return waiting.length === 0 && timeLeft() > 0 ? sign(false) : waitForTurn().then(() => signAndContinue(sign));
}

function timeLeft(): number {
  const now = performance.now();
  if (startedAt === undefined) {
    startedAt = now;
    setImmediate(endTurn);
  }
  return startedAt + BUDGET - now;
}

function waitForTurn(): Promise<void> {
  return new Promise((resolve) => waiting.push(resolve));
}

/** The next one may sign in the same turn, but not before this one has. */
function signAndContinue<T>(sign: (isLater: boolean) => T | Promise<T>): T | Promise<T> {
  try {
    return sign(true);
  } finally {
    if (timeLeft() > 0) waiting.shift()?.();
  }
}

function endTurn(): void {
  startedAt = undefined;
  if (waiting.length === 0) return;
  timeLeft();
  waiting.shift()?.();
}
