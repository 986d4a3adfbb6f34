/** Reads the keys that a store lists, some at a time, without those that the caller may not read. */
import { SignerError, type SignerErrorCode } from "../errors.js";

/** What a store returned about the keys that it lists. */
export interface ReadableKeys<Key> {
  /** The keys, in the order of their names. */
  readonly keys: readonly Key[];
  /** The errors of the keys that the caller may not read, or that were deleted in the meantime. */
  readonly skipped: readonly SignerError[];
}

/** The errors that are about one key, so that they must not hide the others. */
const ABOUT_ONE_KEY: readonly SignerErrorCode[] = ["access-denied", "key-not-found"];

/**
 * Reads keys by their names, for `Provider.list`. After any error that isn't about one key, no further key is read.
 *
 * @example
 * ```ts
 * const { keys } = await readableKeys(names, 8, (name) => client.getKey(name, signal));
 * ```
 * @param concurrency - The most keys that are read at the same time.
 * @param read - Reads one key.
 * @throws {SignerError} With code `access-denied` if the caller may not read any key.
 */
export async function readableKeys<Name, Key>(
  names: readonly Name[],
  concurrency: number,
  read: (name: Name) => Promise<Key>,
): Promise<ReadableKeys<Key>> {
  const results: ({ key: Key } | SignerError)[] = [];
  const rest = entriesOf(names);
  const readRest = async () => {
    for (const [index, name] of rest) results[index] = await read(name).then((key) => ({ key }), unlessAboutOneKey);
  };
  await Promise.all(Array.from({ length: concurrency }, readRest));
  const keys = results.flatMap((result) => (result instanceof SignerError ? [] : [result.key]));
  const skipped = results.filter((result) => result instanceof SignerError);
  const denied = skipped.find(({ code }) => code === "access-denied");
  if (denied && keys.length === 0) throw denied;
  return { keys, skipped };
}

/** Unlike an array's iterator, a generator ends for all of its loops when one of them throws. */
function* entriesOf<T>(items: readonly T[]): Generator<[number, T]> {
  yield* items.entries();
}

function unlessAboutOneKey(error: unknown): SignerError {
  if (error instanceof SignerError && ABOUT_ONE_KEY.includes(error.code)) return error;
  throw error;
}
