/**
 * The nonces of a key's servers, stored between runs so that a run doesn't begin with a request that is answered by a nonce
 * challenge (RFC 9449 §8). They aren't secrets.
 */
import type { Command } from "commander";
import type { DPoPProver, NonceStore } from "../index.js";
import type { Io } from "./io.js";
import { stateFile } from "./state-file.js";

/** The value of the option that {@link withStateOption} adds. */
export interface StateOption {
  state: boolean;
}

/** The nonces of one run. */
export interface RunNonces extends NonceStore {
  /** Forgets the nonces of earlier runs that this run has used and not replaced. They may be the reason of a failure. */
  forgetUsed(): void;
}

/** Key and server → nonce, the least recently stored one first. */
type Entries = Map<string, string>;

const FILE = "nonces.json";
const MAX_ENTRIES = 64;
/** Characters. A longer nonce or name isn't stored. */
const MAX_LENGTH = 1024;

/** Adds `--no-state` to a command. */
export function withStateOption(command: Command): Command {
  return command.option("--no-state", "neither use the servers' nonces of earlier runs nor keep those of this run");
}

/**
 * Runs the work with the nonces that earlier runs with this key have stored, and stores its own. After an error, a nonce of
 * an earlier run is used no more: not every server says that it was outdated.
 *
 * @param work - Gets the option `nonces` of `OAuthClient` and `dpopFetch`.
 */
export async function withSavedNonces<T>(
  { jkt, signer }: DPoPProver,
  { state }: StateOption,
  io: Io,
  work: (nonces: RunNonces) => Promise<T>,
): Promise<T> {
  const isTemporary = signer.uri?.startsWith("memory:"); // the key ends with the process
  const file = state && !isTemporary ? stateFile(FILE, io) : undefined;
  const run = new Run(jkt, parse(await file?.read()));
  try {
    return await work(run);
  } catch (error) {
    run.forgetUsed();
    throw error;
  } finally {
    // Reads the file again, because another run may have replaced it.
    if (file && run.hasChanges) await file.write(serialize(run.applyTo(parse(await file.read()))));
  }
}

class Run implements RunNonces {
  readonly #jkt: string;
  readonly #earlier: Entries;
  readonly #used = new Set<string>();
  readonly #changes = new Map<string, string | undefined>();

  constructor(jkt: string, earlier: Entries) {
    this.#jkt = jkt;
    this.#earlier = earlier;
  }

  get(server: string): string | undefined {
    const key = this.#keyOf(server);
    if (this.#changes.has(key)) return this.#changes.get(key);
    this.#used.add(key);
    return this.#earlier.get(key);
  }

  set(server: string, nonce: string): void {
    this.#changes.set(this.#keyOf(server), nonce);
  }

  forgetUsed(): void {
    for (const key of this.#used)
      if (this.#earlier.has(key) && !this.#changes.has(key)) this.#changes.set(key, undefined);
  }

  get hasChanges(): boolean {
    return this.#changes.size > 0;
  }

  applyTo(entries: Entries): Entries {
    for (const [key, nonce] of this.#changes) {
      entries.delete(key); // so that it becomes the most recent one
      if (nonce !== undefined) entries.set(key, nonce);
    }
    return entries;
  }

  #keyOf(server: string): string {
    return `${this.#jkt} ${server}`;
  }
}

/** A file that is damaged has no entries. */
function parse(text = "{}"): Entries {
  try {
    return new Map(Object.entries(JSON.parse(text)).filter(isEntry));
  } catch {
    return new Map();
  }
}

function serialize(entries: Entries): string {
  const recent = [...entries].filter(isEntry).slice(-MAX_ENTRIES);
  return `${JSON.stringify(Object.fromEntries(recent), undefined, 2)}\n`;
}

function isEntry(entry: [key: string, nonce: unknown]): entry is [string, string] {
  const [key, nonce] = entry;
  return typeof nonce === "string" && key.length <= MAX_LENGTH && nonce.length <= MAX_LENGTH;
}
