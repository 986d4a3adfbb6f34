/** Runs a command that asks for a login in the browser, and plays the user. */
import { type Result, type RunOptions, run } from "./run.js";

/**
 * Runs a command, and hands the URL that it prints to the user. If the user fails, the command is ended and the result is
 * the user's error.
 */
export async function runWithUser(
  user: (url: string) => Promise<unknown>,
  args: readonly string[],
  options: RunOptions,
): Promise<Result> {
  const failed = new AbortController();
  let visit: Promise<unknown> = Promise.resolve();
  const onError = (printed: string) => {
    const [, url] = /to log in: (\S+)$/m.exec(printed) ?? [];
    if (url === undefined) return;
    visit = user(url);
    visit.catch(() => failed.abort());
  };
  const result = await run(args, { signal: failed.signal, onError, ...options });
  await visit;
  return result;
}
