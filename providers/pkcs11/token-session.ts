/** One session on a token, logged in, for what is no signature: making, listing and deleting keys. */
import { callStore, checkTimeout } from "../../src/keystore/store-call.js";
import { type Cryptoki, type Handle, toSignerError } from "./client.js";
import type { KeyOnToken } from "./connection.js";
import { CKF_RW_SESSION, CKF_SERIAL_SESSION } from "./cryptoki.js";
import { Pkcs11Module } from "./module.js";
import type { KeySelector } from "./objects.js";
import { findToken, logIn, type Token, type TokenSelector } from "./token.js";

/** Where the work is done. */
export interface TokenSession {
  readonly lib: Cryptoki;
  readonly session: Handle;
  readonly token: Token;
  /** Aborts when the caller gives up or the time is up: what was made by then must go again. */
  readonly signal: AbortSignal;
}

/** A token, as an operator names it, and how long to wait for it. */
export interface TokenTask
  extends Pick<KeyOnToken, "module" | "libraryParameters" | "environment" | "token" | "login"> {
  readonly key: KeySelector;
  /** The URI of any key there, in the words of its scheme. */
  uriOf(token: TokenSelector, key: KeySelector): string;
  /** Milliseconds. Default 30,000. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Work<T> {
  /** In words, for errors. */
  doing: string;
  writes: boolean;
  work: (on: TokenSession) => T | Promise<T>;
}

/** @throws {SignerError} code of what went wrong; `timeout` or `aborted` if it is not waited for any longer */
export async function onToken<T>(wanted: TokenTask, { doing, writes, work }: Work<T>): Promise<T> {
  const uri = wanted.uriOf(wanted.token, wanted.key);
  const call = { uri, operation: doing, timeout: checkTimeout(uri, wanted.timeout), signal: wanted.signal };
  return callStore(call, async ({ signal }) => {
    try {
      return await inModule(wanted, (module) => inSession(module, wanted, { writes, work, signal }));
    } catch (error) {
      throw toSignerError(error, doing);
    }
  });
}

async function inModule<T>(wanted: TokenTask, work: (module: Pkcs11Module) => Promise<T>): Promise<T> {
  const module = await Pkcs11Module.acquire(wanted.module, wanted);
  const call = async () => {
    module.enter(module.generation);
    return work(module).finally(() => module.leave());
  };
  try {
    return await (module.oneAtATime ? module.inTurn(call) : call());
  } finally {
    module.release();
  }
}

interface InSession<T> extends Pick<Work<T>, "writes" | "work"> {
  signal: AbortSignal;
}

async function inSession<T>(
  { lib }: Pkcs11Module,
  wanted: TokenTask,
  { writes, work, signal }: InSession<T>,
): Promise<T> {
  signal.throwIfAborted();
  const token = findToken(lib, wanted.token);
  const session = lib.C_OpenSession(token.slot, CKF_SERIAL_SESSION | (writes ? CKF_RW_SESSION : 0));
  try {
    await logIn(lib, session, token, wanted.login);
    signal.throwIfAborted();
    return await work({ lib, session, token, signal });
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
