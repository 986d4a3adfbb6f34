/** What a key store lists, part by part: each part has a time limit, and every error names the store. */
import type { Deadline } from "../deadline.js";
import { type Closable, callStore, type StoreCall } from "./store-call.js";

/**
 * Yields what a key store lists, part by part, such as page by page. Each part has the time limit for itself. When the caller
 * stops reading, the work ends.
 *
 * @example
 * ```ts
 * streamFromStore(call, async function* (part) {
 *   for (let page = await firstPage(part.signal); page; page = await page.next(part.signal)) yield page.names;
 * });
 * ```
 * @param work - Yields each part as an array, even an empty one, so that the next part gets its own time. `part` is the
 *   deadline of the part that is being read: the work must access its `signal` anew for each request.
 * @throws {SignerError} As {@link callStore} does, also after some parts.
 */
export async function* streamFromStore<T>(
  call: StoreCall,
  work: (part: Deadline) => AsyncGenerator<readonly T[]>,
): AsyncGenerator<T> {
  let deadline: Deadline;
  const source = work({
    get signal() {
      return deadline.signal;
    },
    get timeLeft() {
      return deadline.timeLeft;
    },
  });
  const parts = {
    async next() {
      try {
        return await callStore(call, (current) => {
          deadline = current;
          return source.next();
        });
      } catch (error) {
        // Not awaited: the work may not have ended when its time is up.
        source.return(undefined).catch(() => undefined);
        throw error;
      }
    },
    return: () => callStore({ ...call, signal: undefined }, () => source.return(undefined)),
    [Symbol.asyncIterator]: () => parts,
  };
  for await (const part of parts) for (const item of part) yield callStore(call, () => item); // throws after an abort
}

/**
 * Connects to a key store, and yields what it lists, as {@link streamFromStore} does. Closes the client at the end, and when the
 * caller stops reading.
 *
 * @param connect - Returns a client of the store, within the time limit of the first part.
 * @param work - Uses the client.
 */
export function streamWithClient<Client extends Closable, T>(
  call: StoreCall,
  connect: (deadline: Deadline) => Promise<Client>,
  work: (client: Client, part: Deadline) => AsyncGenerator<readonly T[]>,
): AsyncGenerator<T> {
  return streamFromStore(call, async function* (part) {
    const client = await connect(part);
    try {
      yield* work(client, part);
    } finally {
      await client.close();
    }
  });
}
