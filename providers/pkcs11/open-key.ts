/**
 * One private key on a token, kept usable: when the session, the login, the handles or the whole library are lost, it
 * finds its way back in steps, and goes on only with the same public key.
 */
import { SignerError } from "../../src/errors.js";
import type { OpenKeyOptions, StoreSignature } from "../../src/keystore/key-source.js";
import type { KeyFacts, PublicJwk } from "../../src/keystore/signer.js";
import { type Handle, toSignerError } from "./client.js";
import { Connection, type KeyOnToken, SHARED } from "./connection.js";
import { CKM_ECDSA, CKU_CONTEXT_SPECIFIC } from "./cryptoki.js";
import { readFacts } from "./evidence.js";
import { heightOf, isFinal, LAST_STEP } from "./losses.js";
import { LibraryRestarted, Pkcs11Module } from "./module.js";
import type { Waiting } from "./session-pool.js";
import type { SigningThreads } from "./signing-threads.js";
import { logIn } from "./token.js";

/** What is done with the key, on a connection that may be another one the next time. */
type Operation<T> = (connection: Connection, waiting: Waiting) => Promise<T>;

/** One, one after a recovery, and one for a second loss that came before it was made. */
const MOST_TRIES = 3;
const SIGNATURE_BYTES = 64;
const MECHANISM = { mechanism: CKM_ECDSA };
/** Milliseconds in which nothing is tried after a recovery that failed: doubled each time, up to the last. */
const FIRST_PAUSE = 250;
const LAST_PAUSE = 30_000;

export class Pkcs11Key {
  readonly publicKey: PublicJwk;
  readonly #module: Pkcs11Module;
  readonly #wanted: KeyOnToken;
  /** Without them, `C_SignInit` is called here, and `C_Sign` on a thread of libuv's. */
  readonly #threads: SigningThreads | undefined;
  #connection: Connection;
  /** The library's generation that this key was lost in, or did not come back in. */
  #broken: number;
  #recovering: Promise<void> | undefined;
  #recoveries = 0;
  #pause = FIRST_PAUSE;
  /** By the clock that nobody sets. */
  #awayUntil = 0;
  #closed = false;

  private constructor(module: Pkcs11Module, wanted: KeyOnToken, connection: Connection) {
    this.#module = module;
    this.#wanted = wanted;
    this.#threads = connection.newThreads((session, key, digest) => this.#signHere(session, key, digest));
    this.#connection = connection;
    this.#broken = connection.generation;
    this.publicKey = connection.key.publicJwk;
  }

  /** @throws {SignerError} code of what was not found, or may not be used */
  static async open(wanted: KeyOnToken): Promise<Pkcs11Key> {
    const module = await Pkcs11Module.acquire(wanted.module, wanted);
    try {
      return new Pkcs11Key(module, wanted, await firstConnection(module, wanted));
    } catch (error) {
      module.release();
      throw toSignerError(error, "opening the key");
    }
  }

  /**
   * @param digest - 32 bytes
   * @returns 64 bytes, r‖s
   */
  async signDigest(digest: Uint8Array, use: OpenKeyOptions): Promise<StoreSignature> {
    const input = Buffer.isBuffer(digest) ? digest : Buffer.from(digest);
    const signature = await this.#surviving("signing", use, (connection, waiting) =>
      connection.use((session) => this.#sign(connection, session, input), waiting),
    );
    return { signature, form: "raw" };
  }

  describe(use: OpenKeyOptions): Promise<KeyFacts> {
    const { lib } = this.#module;
    return this.#surviving("reading the key's attributes", use, (connection, waiting) => {
      const { key, token } = connection;
      return connection.use((session) => readFacts(lib, session, key.handle, token), waiting);
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
    this.#module.release();
    await this.#threads?.close();
  }

  #sign(connection: Connection, session: Handle, digest: Buffer): Promise<Buffer> {
    const { handle, alwaysAuthenticate } = connection.key;
    if (alwaysAuthenticate)
      return this.#signHere(session, handle, digest, () => this.#authenticate(connection, session));
    return this.#threads?.sign(session, handle, digest) ?? this.#signHere(session, handle, digest);
  }

  /** @param login - for this operation alone */
  async #signHere(session: Handle, key: Handle, digest: Buffer, login?: () => Promise<void>): Promise<Buffer> {
    const { lib } = this.#module;
    const output = Buffer.alloc(SIGNATURE_BYTES);
    lib.C_SignInit(session, MECHANISM, key);
    await login?.();
    // The addon keeps bare pointers to both buffers: they must stay referenced until it is done.
    return keep(await lib.C_SignAsync(session, digest, output), digest, output);
  }

  /** `CKA_ALWAYS_AUTHENTICATE`. */
  #authenticate({ token }: Connection, session: Handle): Promise<void> {
    return logIn(this.#module.lib, session, token, this.#wanted.login, CKU_CONTEXT_SPECIFIC);
  }

  /** Does it, and does it again once the token is found after a loss. */
  async #surviving<T extends object>(doing: string, use: OpenKeyOptions, operation: Operation<T>): Promise<T> {
    for (let left = MOST_TRIES; ; left--) {
      if (this.#recovering) await this.#recovering.catch(() => undefined);
      this.#refuseWhileAway();
      const recoveries = this.#recoveries;
      try {
        return await operation(this.#connection, use);
      } catch (error) {
        if (heightOf(error) === undefined || left === 1) throw toSignerError(error, doing);
        if (use.signal.aborted) throw error;
        if (recoveries !== this.#recoveries) continue;
        this.#refuseWhileAway();
        let done: T | undefined;
        await this.#recover(error, async () => {
          done = await operation(this.#connection, SHARED);
        });
        if (done !== undefined) return done;
      }
    }
  }

  /** Its callers are told at once, not one time-out each. */
  #refuseWhileAway(): void {
    if (this.#awayUntil > 0 && performance.now() < this.#awayUntil)
      throw new SignerError("unavailable", "The token is away, or lost the key. It is looked for again in a moment.");
  }

  /** However many callers meet the loss, one of them leads the way back. */
  #recover(error: unknown, tryAgain: () => Promise<void>): Promise<void> {
    this.#recovering ??= this.#climb(error, tryAgain).finally(() => {
      this.#recovering = undefined;
    });
    return this.#recovering;
  }

  /** From the first step that can help to the last, until the operation works again. */
  async #climb(first: unknown, tryAgain: () => Promise<void>): Promise<void> {
    let error = first;
    for (let height = heightOf(first) ?? 0; height <= LAST_STEP && !this.#closed; height++) {
      if (height < (heightOf(error) ?? 0)) continue;
      try {
        await this.#step(height);
        await tryAgain();
        this.#recoveries += 1;
        this.#pause = FIRST_PAUSE;
        this.#awayUntil = 0;
        return;
      } catch (next) {
        if (isFinal(next)) throw toSignerError(next, "recovering the token");
        error = next;
      }
    }
    this.#awayUntil = performance.now() + this.#pause;
    this.#pause = Math.min(2 * this.#pause, LAST_PAUSE);
    throw new SignerError("unavailable", "The token was lost, and did not come back.", {
      cause: toSignerError(error, "recovering the token"),
    });
  }

  async #step(height: number): Promise<void> {
    const connection = this.#connection;
    if (height === LAST_STEP) return this.#reconnect();
    connection.renewSessions();
    if (height >= 1) await connection.logIn();
    if (height >= 2) await connection.findKey();
    this.#checkSame(connection);
  }

  /** The whole library anew, with nothing under way in it. */
  async #reconnect(): Promise<void> {
    const former = this.#connection;
    await this.#module.restart(this.#broken);
    // If the token is still away, a library that was initialised meanwhile is as useless as the one before.
    this.#broken = this.#module.generation;
    former.close(new LibraryRestarted(this.#wanted.module));
    const connection = await Connection.open(this.#module, this.#wanted);
    this.#connection = connection;
    if (this.#closed) connection.close();
    this.#checkSame(connection);
  }

  #checkSame({ key }: Connection): void {
    const { x, y } = key.publicJwk;
    if (x === this.publicKey.x && y === this.publicKey.y) return;
    throw new SignerError("integrity", "The token has another key under this name now. Open a new signer for it.");
  }
}

/** A library that others left broken is restarted, once: their signers find their own way back. */
async function firstConnection(module: Pkcs11Module, wanted: KeyOnToken): Promise<Connection> {
  const { generation } = module;
  try {
    return await Connection.open(module, wanted);
  } catch (error) {
    const height = heightOf(error);
    if (height === undefined || (height < LAST_STEP && module.users === 1)) throw error;
    await module.restart(generation);
    return Connection.open(module, wanted);
  }
}

/** Names the buffers after the call, so that no optimiser lets them go during it. */
function keep(signature: Buffer, ..._buffers: Buffer[]): Buffer {
  return signature;
}
