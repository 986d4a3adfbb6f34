/** The open keys of a worker, each in its own session, and the recovery of keys that were lost. */
import { SignerError } from "../../src/errors.js";
import type { Handle } from "./binding.js";
import { CKF_SERIAL_SESSION, CKM_ECDSA } from "./constants.js";
import { RefusedSession } from "./failure.js";
import { type FoundKey, findKey, isRestricted } from "./keys.js";
import { authenticate, type LoginContext, logIn } from "./login.js";
import { nameOf } from "./objects.js";
import type { KeySpec, Request } from "./protocol.js";
import { needsRestart, recoveryStepFor } from "./recovery.js";
import { returnValue } from "./return-values.js";
import { findToken, type Token } from "./token.js";

/** A key that is open in a session. */
export interface OpenedKey extends FoundKey {
  readonly session: Handle;
  readonly token: Token;
}

/** What the open keys need of their worker. */
export interface OpenKeysContext extends LoginContext {
  /** Has the library restarted, and waits until it is. @throws {SignerError} If it can't be restarted. */
  restart(reason: "lost" | "missing token"): void;
}

/** Opening the key again, opening it in a restarted library, and once more if the library was lost again. */
const MAX_RECOVERIES = 3;
const SIGNATURE_BYTES = 64;

/** The last recovery has failed. `cause` is the error that it failed with. */
export class RecoveryFailed extends Error {}

/** Opens, uses and recovers the keys of one worker. */
export class OpenKeys {
  readonly #context: OpenKeysContext;
  readonly #specs = new Map<number, KeySpec>();
  readonly #keys = new Map<number, OpenedKey>();

  constructor(context: OpenKeysContext) {
    this.#context = context;
  }

  /** Runs an operation with the key. Opens the key first if it isn't open, and again if it was lost. */
  use<T>(request: Request, operation: (key: OpenedKey) => T): T {
    return this.#withRecovery(request, (lost) => {
      const current = lost === undefined ? this.#keys.get(request.key) : undefined;
      return operation(current ?? this.#open(request, lost));
    });
  }

  /**
   * Runs an operation in a session that is logged in. After a loss, only opening the session is repeated.
   *
   * @param flags - `CKF_RW_SESSION` for an operation that writes.
   */
  useToken<T>(request: Request, flags: number, operation: (session: Handle, token: Token) => T): T {
    const { session, token } = this.#withRecovery(request, (lost) => this.#openSession(request, flags, lost));
    try {
      return operation(session, token);
    } finally {
      this.#closeSession(session);
    }
  }

  /**
   * Signs with `CKM_ECDSA`.
   *
   * @param digest - The SHA-256 digest of the message.
   */
  sign(request: Request, digest: Uint8Array): Uint8Array {
    const { lib } = this.#context;
    return this.use(request, (key) => {
      const { session, handle, alwaysAuthenticate, token } = key;
      try {
        lib.C_SignInit(session, CKM_ECDSA, handle);
      } catch (error) {
        throw this.#explainSignError(error, key);
      }
      if (alwaysAuthenticate) authenticate(this.#context, { id: request.id, spec: this.spec(request), session, token });
      return lib.C_Sign(session, digest, SIGNATURE_BYTES);
    });
  }

  #explainSignError(error: unknown, key: OpenedKey): unknown {
    if (returnValue(error) !== "CKR_MECHANISM_INVALID" || !isRestricted(this.#context.lib, key.session, key.handle))
      return error;
    const message = `${nameOf(key)} isn't allowed to sign with CKM_ECDSA (CKA_ALLOWED_MECHANISMS).`;
    return new SignerError("wrong-key", message, { cause: error });
  }

  /** Records the key's spec. Must be called for each request, even if it isn't run: the parent thread sends a spec once. */
  learn({ key, spec }: Request): void {
    if (spec) this.#specs.set(key, spec);
  }

  /** Returns the spec of the request's key. */
  spec({ key }: Request): KeySpec {
    const spec = this.#specs.get(key);
    if (spec) return spec;
    throw new SignerError("unavailable", "The worker doesn't know the key.");
  }

  /** Closes a key's session. */
  close(key: number): void {
    const opened = this.#keys.get(key);
    this.#keys.delete(key);
    if (opened) this.#closeSession(opened.session);
  }

  /** Closes the sessions of all keys. */
  closeAll(): void {
    for (const key of this.#keys.keys()) this.close(key);
  }

  /** Closes a key that won't be used again. */
  forget(key: number): void {
    this.close(key);
    this.#specs.delete(key);
  }

  #withRecovery<T>(request: Request, attempt: (lost?: unknown) => T): T {
    let lost: unknown;
    for (let remaining = MAX_RECOVERIES; ; remaining--)
      try {
        return attempt(lost);
      } catch (error) {
        this.#prepareRetry(request, error, lost !== undefined, remaining);
        lost = error;
      }
  }

  /**
   * Takes the recovery step that an error calls for.
   *
   * @throws The error if another attempt can't help.
   */
  #prepareRetry(request: Request, error: unknown, isRetry: boolean, remaining: number): void {
    try {
      const step = recoveryStepFor(error, { isNew: this.spec(request).expected === undefined, isRetry });
      if (step === "none") throw error;
      if (remaining === 0) throw new RecoveryFailed("The recovery failed.", { cause: error });
      if (step === "restart") this.#context.restart("lost");
      if (step === "refresh") this.#refreshTokens(error);
    } catch (final) {
      // An operation may be unfinished in the session.
      this.close(request.key);
      throw final;
    }
  }

  #refreshTokens(error: unknown): void {
    try {
      this.#context.restart("missing token");
    } catch {
      throw error;
    }
  }

  #open(request: Request, lost: unknown): OpenedKey {
    const { lib } = this.#context;
    const spec = this.spec(request);
    const { selector, publicJwk, expected } = spec;
    const { session, token } = this.#openSession(request, 0, lost);
    try {
      const key = { ...findKey(lib, session, selector, publicJwk), session, token };
      if (expected && (expected.x !== key.publicJwk.x || expected.y !== key.publicJwk.y))
        throw new SignerError(
          "integrity",
          "The token has a different key with this label or id now. Create a new signer to use it.",
        );
      this.#keys.set(request.key, key);
      this.#specs.set(request.key, { ...spec, expected: key.publicJwk });
      return key;
    } catch (error) {
      this.#closeSession(session);
      throw error;
    }
  }

  #openSession(request: Request, flags: number, lost: unknown): { session: Handle; token: Token } {
    const spec = this.spec(request);
    const token = findToken(this.#context.lib, spec.token);
    const again = returnValue(lost) === "CKR_USER_NOT_LOGGED_IN";
    if (again) this.close(request.key);
    const session = this.#newSession(request, token, flags, lost);
    this.close(request.key);
    try {
      logIn(this.#context, { id: request.id, spec, session, token }, again);
      return { session, token };
    } catch (error) {
      this.#closeSession(session);
      throw error;
    }
  }

  /** Opens a session before the previous one is closed, if possible: closing the last session would end the login. */
  #newSession(request: Request, { slot }: Token, flags: number, lost: unknown): Handle {
    const open = () => this.#context.lib.C_OpenSession(slot, CKF_SERIAL_SESSION | flags);
    try {
      return open();
    } catch (error) {
      if (this.#keys.has(request.key) && returnValue(error) === "CKR_SESSION_COUNT") {
        this.close(request.key);
        return open();
      }
      if (request.hasOtherSession && lost === undefined && !needsRestart(error))
        throw new RefusedSession("", { cause: error });
      throw error;
    }
  }

  #closeSession(session: Handle): void {
    try {
      this.#context.lib.C_CloseSession(session);
    } catch {
      // The session is lost already, or its token is.
    }
  }
}
