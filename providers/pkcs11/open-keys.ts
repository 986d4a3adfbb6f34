/** The open keys of a worker, each in its own session, and the recovery of keys that were lost. */
import { SignerError } from "../../src/errors.js";
import { thumbprint } from "../../src/jose/jwk-thumbprint.js";
import type { Cryptoki, Handle } from "./binding.js";
import { CKF_SERIAL_SESSION } from "./constants.js";
import { KeyError } from "./failure.js";
import { algorithmsOf, checkAlgorithms } from "./key-algorithms.js";
import { type FoundKey, findKey } from "./keys.js";
import { type AskForLogin, authenticate, logIn } from "./login.js";
import type { KeySpec, Request } from "./protocol.js";
import { needsRestart, recoveryStepFor } from "./recovery.js";
import { returnValue } from "./return-values.js";
import { findToken, type Token } from "./token.js";

/** A key that is open in a session. */
export interface OpenedKey extends FoundKey {
  readonly session: Handle;
  readonly token: Token;
}

/** The worker of the open keys. */
export interface OpenKeysContext {
  readonly lib: Cryptoki;
  readonly askForLogin: AskForLogin;
  /** Has the library restarted, and waits until it is. @throws {SignerError} If it can't be restarted. */
  restart(reason: "lost" | "missing token"): Promise<unknown>;
}

/** A list that goes on between two requests, in its own session. */
interface OpenList {
  readonly session: Handle;
  readonly portions: Iterator<unknown>;
}

/** Why a key has to be opened again, and since when (`process.hrtime.bigint()`). */
interface Loss {
  readonly error: unknown;
  readonly at: bigint;
}

/** Opening the key again, opening it in a restarted library, and once more if the library was lost again. */
const MAX_RECOVERIES = 3;

/** Opens, uses and recovers the keys of one worker. */
export class OpenKeys {
  readonly #context: OpenKeysContext;
  readonly #specs = new Map<number, KeySpec>();
  readonly #keys = new Map<number, OpenedKey>();
  readonly #lists = new Map<number, OpenList>();

  constructor(context: OpenKeysContext) {
    this.#context = context;
  }

  /** Adds a key, which is opened by its first request. */
  add(key: number, spec: KeySpec): void {
    this.#specs.set(key, spec);
  }

  /** Runs an operation with the key. Opens the key first if it isn't open, and again if it was lost. */
  use<T>(request: Request, operation: (key: OpenedKey) => T | Promise<T>): Promise<T> {
    return this.#withRecovery(request, async (lost) => {
      const current = lost === undefined ? this.#keys.get(request.key) : undefined;
      return operation(current ?? (await this.#open(request, lost)));
    });
  }

  /**
   * Runs an operation in a session that is logged in. After a loss, only opening the session is repeated.
   *
   * @param flags - `CKF_RW_SESSION` for an operation that writes.
   */
  async useToken<T>(request: Request, flags: number, operation: (session: Handle, token: Token) => T): Promise<T> {
    const { session, token } = await this.#withRecovery(request, (lost) => this.#openSession(request, flags, lost));
    try {
      return operation(session, token);
    } finally {
      this.#closeSession(session);
    }
  }

  /**
   * Begins a list in a session that is logged in. Other requests may run between its portions. After a loss, only opening the
   * session is repeated.
   *
   * @returns The first portion, as {@link continueList} does.
   */
  async beginList(request: Request, list: (session: Handle, token: Token) => Iterator<unknown>): Promise<unknown> {
    const { session, token } = await this.#withRecovery(request, (lost) => this.#openSession(request, 0, lost));
    this.#lists.set(request.key, { session, portions: list(session, token) });
    return this.continueList(request);
  }

  /**
   * Returns the next portion of a list; `undefined` after the last one.
   *
   * @throws {SignerError} With code `unavailable` if the session of the list was lost. Beginning again would repeat keys.
   */
  continueList(request: Request): unknown {
    const list = this.#lists.get(request.key);
    if (!list) throw new SignerError("unavailable", "The session was lost while keys were listed. List them again.");
    try {
      const { done, value } = list.portions.next();
      if (done) this.#close(request.key);
      return value;
    } catch (error) {
      this.#close(request.key);
      throw error;
    }
  }

  /** Signs the digest of a message, or the message itself, as the algorithm of the key needs it. */
  sign(request: Request, digest: Uint8Array): Promise<Uint8Array> {
    const { lib, askForLogin } = this.#context;
    return this.use(request, (key) => {
      const { signing, prefix } = key.algorithm;
      try {
        lib.C_SignInit(key.session, signing, key.handle);
      } catch (error) {
        if (returnValue(error) === "CKR_MECHANISM_INVALID") checkMechanism(lib, key);
        throw error;
      }
      const data = prefix ? Buffer.concat([prefix, digest]) : digest;
      const sign = () => lib.C_Sign(key.session, data, key.signatureBytes);
      if (!key.alwaysAuthenticate) return sign();
      return authenticate(lib, askForLogin, { ...key, spec: this.spec(request) }).then(sign);
    });
  }

  /** Returns the spec of the request's key. */
  spec({ key }: Request): KeySpec {
    const spec = this.#specs.get(key);
    if (spec) return spec;
    throw new SignerError("unavailable", "The worker doesn't know the key.");
  }

  /** Closes a key that won't be used again. */
  forget(key: number): void {
    this.#close(key);
    this.#specs.delete(key);
  }

  /** Closes the sessions of all keys. */
  closeAll(): void {
    for (const key of this.#specs.keys()) this.#close(key);
  }

  async #withRecovery<T>(request: Request, attempt: (lost?: Loss) => Promise<T>): Promise<T> {
    let lost: Loss | undefined;
    for (let remaining = MAX_RECOVERIES; ; remaining--)
      try {
        return await attempt(lost);
      } catch (error) {
        const at = process.hrtime.bigint();
        await this.#prepareRetry(request, error, lost !== undefined, remaining).catch((final) => {
          // An operation may be unfinished in the session.
          this.#close(request.key);
          throw final;
        });
        lost = { error, at };
      }
  }

  /**
   * Takes the recovery step that an error calls for.
   *
   * @throws The error if another attempt can't help.
   */
  async #prepareRetry(request: Request, error: unknown, isRetry: boolean, remaining: number): Promise<void> {
    const step = recoveryStepFor(error, this.spec(request).expected !== undefined, isRetry);
    if (step === "none") throw error;
    if (remaining === 0) throw new KeyError("lost", error);
    if (step === "restart") await this.#context.restart("lost");
    if (step === "refresh") await this.#context.restart("missing token").catch(() => Promise.reject(error));
  }

  async #open(request: Request, lost: Loss | undefined): Promise<OpenedKey> {
    const { lib } = this.#context;
    const spec = this.spec(request);
    const { session, token } = await this.#openSession(request, 0, lost);
    try {
      const key = { ...findKey(lib, session, spec, token.mechanisms), session, token };
      checkPublicKey(spec, key);
      this.#keys.set(request.key, key);
      this.#specs.set(request.key, { ...spec, expected: key.publicJwk });
      return key;
    } catch (error) {
      this.#closeSession(session);
      throw error;
    }
  }

  async #openSession(request: Request, flags: number, lost?: Loss): Promise<{ session: Handle; token: Token }> {
    const { lib, askForLogin } = this.#context;
    const spec = this.spec(request);
    const token = findToken(lib, spec.token);
    const lostAt = returnValue(lost?.error) === "CKR_USER_NOT_LOGGED_IN" ? lost?.at : undefined;
    if (lostAt) this.#close(request.key);
    const session = this.#newSession(request, token, flags, lost);
    this.#close(request.key);
    try {
      await logIn(lib, askForLogin, { spec, session, token }, lostAt);
      return { session, token };
    } catch (error) {
      this.#closeSession(session);
      throw error;
    }
  }

  /** Opens a session before the previous one is closed, if possible: closing the last session would end the login. */
  #newSession(request: Request, { slot }: Token, flags: number, lost: Loss | undefined): Handle {
    const open = () => this.#context.lib.C_OpenSession(slot, CKF_SERIAL_SESSION | flags);
    try {
      return open();
    } catch (error) {
      if (this.#keys.has(request.key) && returnValue(error) === "CKR_SESSION_COUNT") {
        this.#close(request.key);
        return open();
      }
      if (request.hasOtherSession && lost === undefined && !needsRestart(error))
        throw new KeyError("no session", error);
      throw error;
    }
  }

  #close(key: number): void {
    const opened = this.#keys.get(key) ?? this.#lists.get(key);
    this.#keys.delete(key);
    this.#lists.delete(key); // Closing the session ends its search.
    if (opened) this.#closeSession(opened.session);
  }

  #closeSession(session: Handle): void {
    try {
      this.#context.lib.C_CloseSession(session);
    } catch {
      // The session is lost already, or its token is.
    }
  }
}

/** @throws {SignerError} With code `wrong-key` if the key's list of mechanisms lacks that of its algorithm. */
function checkMechanism(lib: Cryptoki, key: OpenedKey): void {
  const { mechanisms } = key.token;
  checkAlgorithms(key, key.publicJwk.alg, algorithmsOf(lib, key.session, key, mechanisms), mechanisms);
}

function checkPublicKey({ expected }: KeySpec, { publicJwk }: OpenedKey): void {
  if (!expected || thumbprint(expected) === thumbprint(publicJwk)) return;
  const message = "The token has a different key with this label or id now. Create a new signer to use it.";
  throw new SignerError("integrity", message);
}
