/** What a command does when its terminal is closed (SIGHUP), which otherwise ends the process at once. */
import type { Context } from "./context.js";
import { EXIT } from "./exit-codes.js";
import { Interruption } from "./io.js";

/**
 * Runs work that deletes at its end what it has created. A closed terminal aborts it as SIGTERM does, and ends the process after it.
 *
 * @param work - Receives a context whose signal also aborts when the terminal is closed.
 */
export async function cleaningUpAfterHangUp(
  { io, ...context }: Context,
  work: (context: Context) => Promise<void>,
): Promise<void> {
  const terminal = new AbortController();
  // A shell may send the signal in addition to the terminal: the second one is ignored.
  const hangUp = () => terminal.abort(new Interruption(EXIT.hungUp));
  process.on("SIGHUP", hangUp);
  try {
    await work({ ...context, io: { ...io, signal: AbortSignal.any([io.signal, terminal.signal]) } });
  } finally {
    process.off("SIGHUP", hangUp);
    if (terminal.signal.aborted) io.end("SIGHUP");
  }
}
