/** One session on a token, logged in, for what is no signature: making, listing and deleting keys. */
import { SignerError } from "../../src/errors.js";
import { type Cryptoki, type Handle, toSignerError } from "./client.js";
import type { KeyOnToken } from "./connection.js";
import { CKF_RW_SESSION, CKF_SERIAL_SESSION } from "./cryptoki.js";
import { Pkcs11Module } from "./module.js";
import { findToken, logIn, type Token } from "./token.js";

/** Where the work is done. */
export interface TokenSession {
  readonly lib: Cryptoki;
  readonly session: Handle;
  readonly token: Token;
}

interface Task<T> {
  /** In words, for errors. */
  doing: string;
  /** Of what it is about, for errors. */
  uri: string;
  writes: boolean;
  work: (on: TokenSession) => T | Promise<T>;
}

type Wanted = Pick<KeyOnToken, "module" | "libraryParameters" | "token" | "login">;

/** @throws {SignerError} code of what went wrong */
export async function onToken<T>(wanted: Wanted, { doing, uri, writes, work }: Task<T>): Promise<T> {
  try {
    return await inModule(wanted, (module) => inSession(module, wanted, writes, work));
  } catch (error) {
    const known = toSignerError(error, doing);
    if (!(known instanceof SignerError)) throw known;
    throw new SignerError(known.code, `${uri}: ${known.message}`, { uri, cause: known.cause });
  }
}

async function inModule<T>(wanted: Wanted, work: (module: Pkcs11Module) => Promise<T>): Promise<T> {
  const module = await Pkcs11Module.acquire(wanted.module, wanted.libraryParameters);
  try {
    module.enter(module.generation);
    return await work(module).finally(() => module.leave());
  } finally {
    module.release();
  }
}

async function inSession<T>({ lib }: Pkcs11Module, wanted: Wanted, writes: boolean, work: Task<T>["work"]): Promise<T> {
  const token = findToken(lib, wanted.token);
  const session = lib.C_OpenSession(token.slot, CKF_SERIAL_SESSION | (writes ? CKF_RW_SESSION : 0));
  try {
    await logIn(lib, session, token, wanted.login);
    return await work({ lib, session, token });
  } finally {
    closeSession(lib, session);
  }
}

function closeSession(lib: Cryptoki, session: Handle): void {
  try {
    lib.C_CloseSession(session);
  } catch {
    // It was lost, and what lost it is told already.
  }
}
