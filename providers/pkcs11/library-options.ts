/** The options that a library is loaded with. They apply to the whole process, so all signers of a library must agree. */
import { isMainThread } from "node:worker_threads";
import { misconfigured } from "../../src/keystore/signer-error.js";
import type { BindingName } from "./binding.js";

/** How to load and initialise a library. */
export interface LibraryOptions {
  /** For NSS: what `C_Initialize` takes in `pReserved`. */
  readonly libraryParameters?: string | undefined;
  /** Environment variables that the library reads at `C_Initialize`. One that is `undefined` isn't changed. */
  readonly environment?: Environment | undefined;
  /** The libraries that may be loaded. */
  readonly allowedModules?: readonly string[] | undefined;
  /** The package that calls the library. */
  readonly binding?: BindingName | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws {SignerError} With code `misconfigured` if the options differ. The message names what differs. */
export function checkSameOptions(path: string, current: LibraryOptions, options: LibraryOptions): void {
  if (current.libraryParameters !== options.libraryParameters)
    throw misconfigured(
      `${path} is in use with other libraryParameters. Set the same ones, or set the option isolate.`,
    );
  for (const name of Object.keys({ ...current.environment, ...options.environment })) {
    const valueIn = ({ environment }: LibraryOptions) => environment?.[name] ?? process.env[name] ?? "the default";
    const [inUse, required] = [valueIn(current), valueIn(options)];
    if (inUse === required) continue;
    throw misconfigured(`${path} is in use with ${name} set to ${inUse}. To use ${required}, set the option isolate.`);
  }
}

/**
 * Sets the variables that the library reads.
 *
 * @returns A function that restores them; `undefined` if they already had these values.
 * @throws {SignerError} With code `misconfigured` in a worker thread: its environment is a copy that no library sees.
 */
export function setEnvironment(environment: Environment = {}): (() => void) | undefined {
  const previous: [string, string | undefined][] = [];
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || value === process.env[name]) continue;
    if (!isMainThread) throw misconfigured(`A worker thread can't set ${name}: set it before the process starts.`);
    previous.push([name, process.env[name]]);
    process.env[name] = value;
  }
  if (previous.length === 0) return undefined;
  return () => {
    for (const [name, value] of previous)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  };
}
