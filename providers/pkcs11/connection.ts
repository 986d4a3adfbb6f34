/** A way to one private key: its token, sessions, a login, and the key's handle. Void once the library is restarted. */
import { SignerError } from "../../src/errors.js";
import type { PublicJwk } from "../../src/keystore/signer.js";
import { type Handle, returnValue } from "./client.js";
import { CKF_SERIAL_SESSION, CKR_SESSION_COUNT } from "./cryptoki.js";
import { type FoundKey, findKey } from "./keys.js";
import type { Pkcs11Module } from "./module.js";
import type { KeySelector } from "./objects.js";
import { SessionPool, type Waiting } from "./session-pool.js";
import type { LibrarySetup } from "./setup.js";
import { SigningThreads } from "./signing-threads.js";
import { findToken, type Login, logIn, type Token, type TokenSelector } from "./token.js";

/** What an operator says of a key. */
export interface KeyOnToken extends LibrarySetup {
  readonly module: string;
  readonly token: TokenSelector;
  readonly key: KeySelector;
  readonly publicJwk: PublicJwk | undefined;
  readonly login: Login;
  readonly sessions: number | undefined;
  readonly maxWaiting: number;
  readonly threads: boolean;
}

/** A recovery, and opening, are shared by all who wait for them: no caller's signal ends them. */
export const SHARED: Waiting = { signal: new AbortController().signal, always: true };
const DEFAULT_SESSIONS = 4;

export class Connection {
  readonly token: Token;
  readonly generation: number;
  readonly #module: Pkcs11Module;
  readonly #wanted: KeyOnToken;
  readonly #pool: SessionPool;
  /** How many there may be. */
  readonly #sessions: number;
  readonly #inTurn: boolean;
  #key: FoundKey | undefined;

  private constructor(module: Pkcs11Module, wanted: KeyOnToken) {
    this.#module = module;
    this.#wanted = wanted;
    this.generation = module.generation;
    this.token = findToken(module.lib, wanted.token);
    this.#inTurn = module.oneAtATime;
    const most = this.#inTurn ? 1 : (this.token.maxSessions ?? Number.POSITIVE_INFINITY);
    this.#sessions = Math.min(wanted.sessions ?? DEFAULT_SESSIONS, most);
    this.#pool = this.#newPool();
  }

  /** @throws {SignerError} code of what was not found, or may not be used; or what the library throws */
  static async open(module: Pkcs11Module, wanted: KeyOnToken): Promise<Connection> {
    const connection = new Connection(module, wanted);
    try {
      await connection.logIn();
      await connection.findKey();
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  get key(): FoundKey {
    if (this.#key) return this.#key;
    throw new SignerError("unavailable", "The key was not found yet.");
  }

  /** Runs one operation on a session of its own, which a restart of the library waits for. */
  use<T>(work: (session: Handle) => T | Promise<T>, waiting: Waiting): Promise<T> {
    if (!this.#inTurn) return this.#pool.use(work, waiting);
    return this.#pool.use((session) => this.#module.inTurn(async () => work(session)), waiting);
  }

  /**
   * @param here - signs without a thread
   * @returns `undefined` where they are not wanted, or of no use
   */
  newThreads(here: ConstructorParameters<typeof SigningThreads>[4]): SigningThreads | undefined {
    if (!this.#wanted.threads || !this.#module.canLock || this.key.alwaysAuthenticate) return undefined;
    const module = this.#module;
    const underWay = async <T>(work: () => Promise<T>) => {
      module.enter(module.generation);
      return work().finally(() => module.leave());
    };
    return new SigningThreads(module.path, this.token.slot.length, this.#sessions, underWay, here);
  }

  renewSessions(): void {
    this.#pool.renew();
  }

  async logIn(): Promise<void> {
    await this.use((session) => logIn(this.#module.lib, session, this.token, this.#wanted.login), SHARED);
  }

  async findKey(): Promise<void> {
    const { key, publicJwk } = this.#wanted;
    this.#key = await this.use((session) => findKey(this.#module.lib, session, key, publicJwk), SHARED);
  }

  /** @param error - for those who wait for a session */
  close(error = new SignerError("misconfigured", "The signer was closed.")): void {
    this.#pool.close(error);
  }

  #newPool(): SessionPool {
    return new SessionPool({
      size: this.#sessions,
      maxWaiting: this.#wanted.maxWaiting,
      open: () => this.#openSession(),
      close: (session) => this.#closeSession(session),
      enter: () => this.#module.enter(this.generation),
      leave: () => this.#module.leave(),
      isFull: (error) => returnValue(error) === CKR_SESSION_COUNT,
    });
  }

  #openSession(): Handle {
    this.#module.enter(this.generation);
    try {
      return this.#module.lib.C_OpenSession(this.token.slot, CKF_SERIAL_SESSION);
    } finally {
      this.#module.leave();
    }
  }

  /** Never one of an earlier generation: its number may be another session's by now. */
  #closeSession(session: Handle): void {
    if (this.#module.generation !== this.generation) return;
    try {
      this.#module.lib.C_CloseSession(session);
    } catch {
      // It was lost, or its token was: that is why it is closed.
    }
  }
}
