/** What a library is initialised with. It belongs to the process, so all signers on a library must want the same. */
import { isMainThread } from "node:worker_threads";
import { SignerError } from "../../src/errors.js";

export interface LibrarySetup {
  /** For NSS: what `C_Initialize` takes in `pReserved`. */
  readonly libraryParameters?: string | undefined;
  /** For tpm2-pkcs11: variables of the environment, which it reads at `C_Initialize`; `undefined` leaves them as they are. */
  readonly environment?: Environment | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** @throws {SignerError} code `misconfigured` with what differs */
export function checkSameSetup(path: string, used: LibrarySetup, wanted: LibrarySetup): void {
  if (used.libraryParameters !== wanted.libraryParameters)
    throw misconfigured(`${path} is in use with other libraryParameters: a process has one set.`);
  for (const name of Object.keys({ ...used.environment, ...wanted.environment })) {
    const said = ({ environment }: LibrarySetup) => environment?.[name] ?? process.env[name] ?? "the default";
    const [here, there] = [said(used), said(wanted)];
    if (here === there) continue;
    throw misconfigured(`A process has one ${name}. This one uses ${here}, and this signer wants ${there}.`);
  }
}

/**
 * Sets the variables, for the library to read.
 *
 * @returns sets them back to what they were; `undefined` if they were so already
 * @throws {SignerError} code `misconfigured` in a worker thread: its environment is a copy that no library sees
 */
export function setEnvironment(wanted: Environment = {}): (() => void) | undefined {
  const former: [string, string | undefined][] = [];
  for (const [name, value] of Object.entries(wanted)) {
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
