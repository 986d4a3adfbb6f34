/**
 * Work on the event loop that there can be much of at once, such as signatures with a key in memory. It would stop the loop, so
 * after a few milliseconds the rest waits for the loop's next turn, in the order of the calls.
 */

/** Milliseconds of one turn of the event loop. */
const BUDGET = 5;

const waiting: (() => void)[] = [];
/** Monotonic time of the first work in this turn. */
let startedAt: number | undefined;

/**
 * Calls `work` in this turn of the event loop if there is time left, or else in a later one.
 *
 * @param work - Works synchronously, as a rule. `isLater`: whether the call had to wait.
 */
export function inLoopTurn<T>(work: (isLater: boolean) => T | Promise<T>): T | Promise<T> {
  return waiting.length === 0 && timeLeft() > 0 ? work(false) : waitForTurn().then(() => workAndContinue(work));
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

/** The next one may follow in the same turn, but not before this one has ended. */
function workAndContinue<T>(work: (isLater: boolean) => T | Promise<T>): T | Promise<T> {
  try {
    return work(true);
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
