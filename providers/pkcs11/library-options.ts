/** What a library is loaded with. It belongs to the process, so all signers on a library must agree on it. */
import { isMainThread } from "node:worker_threads";
import { SignerError } from "../../src/errors.js";
import type { BindingName } from "./binding.js";

export interface LibraryOptions {
  /** For NSS: what `C_Initialize` takes in `pReserved`. */
  readonly libraryParameters?: string | undefined;
  /** Environment variables that tpm2-pkcs11 reads at `C_Initialize`; `undefined` leaves one as it is. */
  readonly environment?: Environment | undefined;
  /** The libraries that may be loaded. */
  readonly allowedModules?: readonly string[] | undefined;
  /** The package that calls the library. */
  readonly binding?: BindingName | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws {SignerError} With code `misconfigured` and what differs. */
export function checkSameOptions(path: string, current: LibraryOptions, options: LibraryOptions): void {
  if (current.libraryParameters !== options.libraryParameters)
    throw misconfigured(`${path} is in use with other libraryParameters: a process has one set.`);
  for (const name of Object.keys({ ...current.environment, ...options.environment })) {
    const valueIn = ({ environment }: LibraryOptions) => environment?.[name] ?? process.env[name] ?? "the default";
    const [here, there] = [valueIn(current), valueIn(options)];
    if (here === there) continue;
    throw misconfigured(`A process has one ${name}. This one uses ${here}, and this signer needs ${there}.`);
  }
}

/**
 * Sets the variables for the library to read.
 *
 * @returns A function that restores them; `undefined` if they already had these values.
 * @throws {SignerError} With code `misconfigured` in a worker thread: its environment is a copy that no library sees.
 */
export function setEnvironment(environment: Environment = {}): (() => void) | undefined {
  const former: [string, string | undefined][] = [];
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || value === process.env[name]) continue;
    if (!isMainThread) throw misconfigured(`A worker thread can't set ${name}: set it before the process starts.`);
    former.push([name, process.env[name]]);
    process.env[name] = value;
  }
  if (former.length === 0) return undefined;
  return () => {
    for (const [name, value] of former)
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
  };
}

function misconfigured(message: string): SignerError {
  return new SignerError("misconfigured", message);
}
