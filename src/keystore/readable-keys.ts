/** Reads the keys that a store lists, some at a time, without those that the caller may not read. */
import { SignerError, type SignerErrorCode } from "../errors.js";

/** How {@link readableKeys} reads the keys. */
export interface KeyReading<Name, Key> {
  /** The most keys that are read at the same time. */
  readonly concurrency: number;
  /** Reads one key. */
  read(name: Name): Promise<Key>;
  /** Called for each key that is left out: the caller may not read it, or it was deleted in the meantime. */
  skipped?(error: SignerError): void;
}

/** The errors that are about one key, so that they must not hide the others. */
const ABOUT_ONE_KEY: readonly SignerErrorCode[] = ["access-denied", "key-not-found"];
/** The most keys of a part: a store may return the names of thousands in one response. */
const PART = 100;

/**
 * Reads keys by their names, for `Provider.list`. After any error that isn't about one key, no further key is read.
 *
 * @example
 * ```ts
 * const read = (name: string) => client.getKey(name, part.signal);
 * for await (const keys of readableKeys(client.namePages(part), { concurrency: 8, read })) yield keys.map(toUri);
 * ```
 * @param pages - The names, as the store returns them.
 * @returns The keys in the order of their names, in parts, some of which may be empty.
 * @throws {SignerError} With code `access-denied` at the end, if the caller may not read any key.
 */
export async function* readableKeys<Name, Key>(
  pages: AsyncIterable<readonly Name[]> | Iterable<readonly Name[]>,
  { concurrency, read, skipped }: KeyReading<Name, Key>,
): AsyncGenerator<Key[]> {
  let hasKeys = false;
  const errors: SignerError[] = [];
  for await (const names of pages)
    for (let start = 0; start < names.length || start === 0; start += PART) {
      const results = await readSome(names.slice(start, start + PART), concurrency, read);
      const keys = results.flatMap((result) => (result instanceof SignerError ? [] : [result.key]));
      errors.push(...results.filter((result) => result instanceof SignerError));
      hasKeys ||= keys.length > 0;
      if (hasKeys) for (const error of errors.splice(0)) skipped?.(error);
      yield keys;
    }
  // Errors are left only if no key could be read.
  const denied = errors.find(({ code }) => code === "access-denied");
  if (denied) throw denied;
  for (const error of errors) skipped?.(error);
}

async function readSome<Name, Key>(
  names: readonly Name[],
  concurrency: number,
  read: (name: Name) => Promise<Key>,
): Promise<({ key: Key } | SignerError)[]> {
  const results: ({ key: Key } | SignerError)[] = [];
  const rest = entriesOf(names);
  const readRest = async () => {
    for (const [index, name] of rest) results[index] = await read(name).then((key) => ({ key }), unlessAboutOneKey);
  };
  await Promise.all(Array.from({ length: concurrency }, readRest));
  return results;
}

/** Unlike an array's iterator, a generator ends for all of its loops when one of them throws. */
function* entriesOf<T>(items: readonly T[]): Generator<[number, T]> {
  yield* items.entries();
}

function unlessAboutOneKey(error: unknown): SignerError {
  if (error instanceof SignerError && ABOUT_ONE_KEY.includes(error.code)) return error;
  throw error;
}
