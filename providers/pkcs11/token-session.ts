/** One session on a token, logged in, for what is no signature: making, listing and deleting keys. */
import { SignerError } from "../../src/errors.js";
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

const DEFAULT_TIMEOUT = 30_000;

/** @throws {SignerError} code of what went wrong; `timeout` or `aborted` if it is not waited for any longer */
export async function onToken<T>(wanted: TokenTask, { doing, writes, work }: Work<T>): Promise<T> {
  const { timeout = DEFAULT_TIMEOUT, signal } = wanted;
  const limit = AbortSignal.any([AbortSignal.timeout(timeout), ...(signal ? [signal] : [])]);
  try {
    const working = inModule(wanted, (module) => inSession(module, wanted, { writes, work, signal: limit }));
    return await Promise.race([working, rejectedBy(limit)]);
  } catch (error) {
    throw named(wanted, limit.aborted ? givenUp(signal, timeout, doing) : toSignerError(error, doing));
  }
}

function rejectedBy(limit: AbortSignal): Promise<never> {
  limit.throwIfAborted();
  return new Promise((_, reject) => limit.addEventListener("abort", () => reject(limit.reason), { once: true }));
}

function givenUp(signal: AbortSignal | undefined, timeout: number, doing: string): SignerError {
  if (signal?.aborted)
    return new SignerError("aborted", `Given up by the caller while ${doing}.`, { cause: signal.reason });
  return new SignerError("timeout", `Not done within ${timeout} ms while ${doing}.`);
}

function named({ token, key, uriOf }: TokenTask, error: unknown): unknown {
  if (!(error instanceof SignerError)) return error;
  const uri = uriOf(token, key);
  return new SignerError(error.code, `${uri}: ${error.message}`, { uri, cause: error.cause });
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
