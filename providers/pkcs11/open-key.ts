/**
 * One private key on a token, kept usable: when the session, the login, the handles or the whole library are lost, it
 * finds its way back in steps, and goes on only with the same public key.
 */
import { SignerError } from "../../src/errors.js";
import type { KeyFacts, OpenKeyOptions, PublicJwk, StoreSignature } from "../../src/signer.js";
import { type Cryptoki, type Handle, returnValue, toSignerError } from "./client.js";
import { CKF_SERIAL_SESSION, CKM_ECDSA, CKU_CONTEXT_SPECIFIC } from "./cryptoki.js";
import { readFacts } from "./evidence.js";
import { type FoundKey, findKey, type KeySelector } from "./keys.js";
import { Pkcs11Module } from "./module.js";
import { readPin } from "./pin.js";
import { SessionPool } from "./session-pool.js";
import { findToken, type Login, logIn, type Token, type TokenSelector, tryPin } from "./token.js";

export interface KeyOnToken {
  module: string;
  libraryParameters: string | undefined;
  token: TokenSelector;
  key: KeySelector;
  publicJwk: PublicJwk | undefined;
  login: Login;
  sessions: number | undefined;
  maxWaiting: number;
}

/** What a finalise or a lost token makes void. */
interface Connection {
  readonly generation: number;
  readonly token: Token;
  readonly pool: SessionPool;
  key: FoundKey;
}

/** Losses, and the first step that can help. */
const LOSSES: Readonly<Record<string, number>> = {
  CKR_SESSION_HANDLE_INVALID: 0,
  CKR_SESSION_CLOSED: 0,
  CKR_OPERATION_ACTIVE: 0,
  CKR_OPERATION_NOT_INITIALIZED: 0,
  CKR_USER_NOT_LOGGED_IN: 1,
  CKR_OBJECT_HANDLE_INVALID: 2,
  CKR_KEY_HANDLE_INVALID: 2,
  CKR_DEVICE_REMOVED: 0,
  CKR_TOKEN_NOT_PRESENT: 0,
  CKR_TOKEN_NOT_RECOGNIZED: 0,
  CKR_SLOT_ID_INVALID: 3,
  CKR_DEVICE_ERROR: 0,
  CKR_GENERAL_ERROR: 0,
  CKR_CRYPTOKI_NOT_INITIALIZED: 3,
};

/** Opening and recovering are shared by all who wait: no caller's signal ends them. */
const NEVER_ABORTED = { signal: new AbortController().signal };
/** One, one after a recovery, and one for a second loss that came before it was made. */
const MOST_TRIES = 3;
const SIGNATURE_BYTES = 64;
const DEFAULT_SESSIONS = 4;
/** Milliseconds in which nothing is tried after a recovery that failed: doubled each time, up to the last. */
const FIRST_PAUSE = 250;
const LAST_PAUSE = 30_000;

export class Pkcs11Key {
  readonly publicKey: PublicJwk;
  readonly #module: Pkcs11Module;
  readonly #wanted: KeyOnToken;
  #connection: Connection;
  /** The library's generation that this key was lost in, or did not come back in. */
  #broken: number;
  #recovering: Promise<void> | undefined;
  #recoveries = 0;
  #pause = FIRST_PAUSE;
  #awayUntil = 0;
  #closed = false;

  private constructor(module: Pkcs11Module, wanted: KeyOnToken, connection: Connection) {
    this.#module = module;
    this.#wanted = wanted;
    this.#connection = connection;
    this.#broken = connection.generation;
    this.publicKey = connection.key.publicJwk;
  }

  /** @throws {SignerError} code of what was not found, or may not be used */
  static async open(wanted: KeyOnToken): Promise<Pkcs11Key> {
    const module = await Pkcs11Module.acquire(wanted.module, wanted.libraryParameters);
    try {
      return new Pkcs11Key(module, wanted, await connect(module, wanted));
    } catch (error) {
      module.release();
      throw toSignerError(error, "opening the key");
    }
  }

  /** @param digest - 32 bytes */
  async signDigest(digest: Uint8Array, use: OpenKeyOptions): Promise<StoreSignature> {
    for (let left = MOST_TRIES; ; left--) {
      await this.#ready();
      const recoveries = this.#recoveries;
      try {
        return await this.#sign(digest, use);
      } catch (error) {
        if (lossOf(error) === undefined || left === 1) throw toSignerError(error, "signing");
        if (recoveries === this.#recoveries) await this.#recover(error, digest, use);
      }
    }
  }

  async describe(use: OpenKeyOptions): Promise<KeyFacts> {
    await this.#ready();
    const { token, pool, key } = this.#connection;
    const read = (session: Handle) => readFacts(this.#module.lib, session, key.handle, token);
    return this.#module
      .run(() => pool.use(async (session) => read(session), use))
      .catch((error) => {
        throw toSignerError(error, "reading the key's attributes");
      });
  }

  close(): void {
    this.#closed = true;
    this.#connection.pool.close(new SignerError("misconfigured", "The signer was closed."));
    this.#module.release();
  }

  async #sign(digest: Uint8Array, use: OpenKeyOptions): Promise<StoreSignature> {
    const { pool, key, token } = this.#connection;
    const { lib } = this.#module;
    return this.#module.run(() =>
      pool.use(async (session) => {
        lib.C_SignInit(session, { mechanism: CKM_ECDSA }, key.handle);
        if (key.alwaysAuthenticate) await this.#authenticate(lib, session, token);
        // The addon keeps bare pointers to both buffers: they must stay referenced until it is done.
        const input = Buffer.from(digest);
        const output = Buffer.alloc(SIGNATURE_BYTES);
        const signature = await lib.C_SignAsync(session, input, output);
        return { signature: keep(signature, input, output), form: "raw" as const };
      }, use),
    );
  }

  async #authenticate(lib: Cryptoki, session: Handle, token: Token): Promise<void> {
    const { pin } = this.#wanted.login;
    tryPin(lib, session, token, CKU_CONTEXT_SPECIFIC, pin === undefined ? undefined : await readPin(pin));
  }

  /** While the token is away its callers are told at once, not one time-out each. */
  async #ready(): Promise<void> {
    if (this.#recovering) await this.#recovering.catch(() => undefined);
    if (Date.now() < this.#awayUntil)
      throw new SignerError("unavailable", "The token is away, or lost the key. It is looked for again in a moment.");
  }

  #recover(error: unknown, digest: Uint8Array, use: OpenKeyOptions): Promise<void> {
    this.#recovering ??= this.#climb(error, digest, use).finally(() => {
      this.#recovering = undefined;
    });
    return this.#recovering;
  }

  /** From the first step that can help to the last, until the token signs again. */
  async #climb(first: unknown, digest: Uint8Array, use: OpenKeyOptions): Promise<void> {
    const steps = [this.#newSessions, this.#newLogin, this.#newHandles, this.#newLibrary];
    let error = first;
    for (const [height, step] of steps.entries()) {
      if (this.#closed || height < (lossOf(error) ?? 0)) continue;
      try {
        await step.call(this);
        await this.#sign(digest, use);
        this.#recoveries += 1;
        this.#pause = FIRST_PAUSE;
        this.#awayUntil = 0;
        return;
      } catch (next) {
        if (next instanceof SignerError && !next.retryable && next.code !== "key-not-found") throw next;
        error = next;
      }
    }
    this.#awayUntil = Date.now() + this.#pause;
    this.#pause = Math.min(2 * this.#pause, LAST_PAUSE);
    throw new SignerError("unavailable", "The token was lost, and did not come back.", {
      cause: toSignerError(error, "recovering the token"),
    });
  }

  async #newSessions(): Promise<void> {
    this.#connection.pool.renew();
  }

  async #newLogin(): Promise<void> {
    await this.#newSessions();
    await this.#inSession((session) => logIn(this.#module.lib, session, this.#connection.token, this.#wanted.login));
  }

  async #newHandles(): Promise<void> {
    await this.#newLogin();
    const { key, publicJwk } = this.#wanted;
    this.#connection.key = await this.#inSession((session) =>
      this.#same(findKey(this.#module.lib, session, key, publicJwk)),
    );
  }

  async #newLibrary(): Promise<void> {
    await this.#module.restart(this.#broken);
    // If the token is still away, a library that was initialised meanwhile is as useless as the one before.
    this.#broken = this.#module.generation;
    const connection = await connect(this.#module, this.#wanted);
    this.#same(connection.key);
    this.#connection = connection;
  }

  #inSession<T>(work: (session: Handle) => T | Promise<T>): Promise<T> {
    return this.#module.run(() => this.#connection.pool.use(async (session) => work(session), NEVER_ABORTED));
  }

  #same(key: FoundKey): FoundKey {
    const { x, y } = key.publicJwk;
    if (x === this.publicKey.x && y === this.publicKey.y) return key;
    throw new SignerError("integrity", "The token has another key under this name now. Open a new signer for it.");
  }
}

async function connect(module: Pkcs11Module, wanted: KeyOnToken): Promise<Connection> {
  const { lib, generation } = module;
  const token = findToken(lib, wanted.token);
  const size = Math.min(wanted.sessions ?? DEFAULT_SESSIONS, token.maxSessions ?? Number.POSITIVE_INFINITY);
  const open = () => lib.C_OpenSession(token.slot, CKF_SERIAL_SESSION);
  const close = (session: Handle) => {
    try {
      if (module.generation === generation) lib.C_CloseSession(session);
    } catch {
      // It was lost, or its token was: that is why it is closed.
    }
  };
  const pool = new SessionPool({ size, maxWaiting: wanted.maxWaiting, open, close });
  try {
    const findIn = async (session: Handle) => {
      await logIn(lib, session, token, wanted.login);
      return findKey(lib, session, wanted.key, wanted.publicJwk);
    };
    const key = await module.run(() => pool.use(findIn, NEVER_ABORTED));
    return { generation, token, pool, key };
  } catch (error) {
    pool.close(new SignerError("misconfigured", "The key was not opened."));
    throw error;
  }
}

function lossOf(error: unknown): number | undefined {
  return LOSSES[returnValue(error) ?? ""];
}

/** Names the buffers after the call, so that no optimiser lets them go during it. */
function keep(signature: Buffer, ..._buffers: Buffer[]): Buffer {
  return signature;
}
