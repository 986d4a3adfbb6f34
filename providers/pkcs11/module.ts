/**
 * A PKCS#11 library in this process. `C_Initialize` and `C_Finalize` belong to the process (PKCS #11 v2.40 §5.4), so all
 * signers on a library share one object, which counts them, and which alone may restart it.
 */
import { SignerError } from "../../src/errors.js";
import { type Cryptoki, loadCryptoki, returnValue, toSignerError } from "./client.js";
import { CKF_OS_LOCKING_OK, CKR_CANT_LOCK, CKR_CRYPTOKI_ALREADY_INITIALIZED } from "./cryptoki.js";
import { speaksToTpm } from "./evidence.js";
import { findModule } from "./module-path.js";
import { checkSameSetup, type LibrarySetup, setEnvironment } from "./setup.js";
import { beginUse, endUse, finalizeIfAlone } from "./threads.js";

const modules = new Map<string, Promise<Pkcs11Module>>();
/** Milliseconds that a restart waits for calls under way: finalising under them would crash the process. */
const DRAIN = 5_000;

/** It says no more than CKR_GENERAL_ERROR to a user who is not in its group. */
const SOFT_HSM = "For SoftHSM: may this user read its configuration and token directory (SOFTHSM2_CONF)?";

/** A call that came too late: its session and its handles went with the library's earlier life. */
export class LibraryRestarted extends SignerError {
  constructor(path: string) {
    super("unavailable", `${path} was initialised anew meanwhile.`);
  }
}

export class Pkcs11Module {
  /** How often the library was initialised here: handles of an earlier generation are worth nothing. */
  generation = 0;
  readonly lib: Cryptoki;
  readonly path: string;
  #setup: LibrarySetup = {};
  #restoreEnvironment: (() => void) | undefined;
  /** Whether it may be called from several threads. */
  canLock = true;
  #lastTurn: Promise<unknown> = Promise.resolve();
  #users = 0;
  /** From the first user to the end of the last call: this thread has told the others. */
  #inUse = false;
  #initializedBy: "nobody" | "us" | "others" = "nobody";
  #calls = 0;
  #whenIdle: (() => void) | undefined;
  #restarting: Promise<void> | undefined;

  private constructor(path: string, lib: Cryptoki) {
    this.path = path;
    this.lib = lib;
  }

  /**
   * Loads the library, once per file, and initialises it for its first user.
   *
   * @param nameOrPath - `softhsm2`, or `/usr/lib/softhsm/libsofthsm2.so`
   * @throws {SignerError} code `misconfigured` or `unavailable`
   */
  static async acquire(nameOrPath: string, setup: LibrarySetup): Promise<Pkcs11Module> {
    const path = await findModule(nameOrPath);
    const loading = modules.get(path) ?? loadCryptoki(path).then((lib) => new Pkcs11Module(path, lib));
    modules.set(path, loading);
    const module = await loading.catch((error) => {
      modules.delete(path);
      throw error;
    });
    await module.#restarting?.catch(() => undefined);
    module.#join(setup);
    return module;
  }

  get users(): number {
    return this.#users;
  }

  /** Whether calls must not overlap: the library can't lock, or there is a TPM behind it, which has one of everything. */
  get oneAtATime(): boolean {
    return !this.canLock || speaksToTpm(this.lib);
  }

  /** Does one thing after another, for a library that is {@link oneAtATime}. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(work);
    this.#lastTurn = turn.catch(() => undefined);
    return turn;
  }

  /** The last user finalises the library, if it was initialised here, once nothing is under way in it. */
  release(): void {
    this.#users -= 1;
    this.#letGo();
  }

  /**
   * Begins a call that is not over when it returns. A restart waits for its end: {@link leave}.
   *
   * @param generation - in which its session was opened
   * @throws {LibraryRestarted} if that generation is over
   */
  enter(generation: number): void {
    const alive = generation === this.generation && this.#initializedBy !== "nobody" && !this.#restarting;
    if (!alive) throw new LibraryRestarted(this.path);
    this.#calls += 1;
  }

  leave(): void {
    this.#calls -= 1;
    if (this.#calls > 0) return;
    this.#whenIdle?.();
    this.#letGo();
  }

  /**
   * Finalises and initialises the library, once nothing is under way in it. However many ask, it happens once.
   *
   * @param seen - the generation that the caller found broken
   * @throws {SignerError} code `unavailable` if a call is stuck in it, or it does not initialise
   */
  restart(seen: number): Promise<void> {
    if (this.#restarting) return this.#restarting;
    if (seen !== this.generation) return Promise.resolve();
    this.#restarting = this.#restart().finally(() => {
      this.#restarting = undefined;
      this.#letGo();
    });
    return this.#restarting;
  }

  #join(setup: LibrarySetup): void {
    const initialized = this.#initializedBy === "us" || (this.#initializedBy === "others" && this.#users > 0);
    if (initialized || this.#users > 0) checkSameSetup(this.path, this.#setup, setup);
    if (this.#users > 0 && !this.canLock) throw this.#misconfigured("can't lock: it can have one signer at a time.");
    if (!this.#inUse) beginUse();
    this.#inUse = true;
    this.#users += 1;
    if (initialized) return;
    try {
      this.#setup = setup;
      this.#initialize();
    } catch (error) {
      this.release();
      throw error;
    }
  }

  async #restart(): Promise<void> {
    if (this.#calls > 0) await this.#idle();
    this.#finalize();
    this.#initialize();
  }

  #idle(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const stuck = () =>
        reject(new SignerError("unavailable", `A call into ${this.path} is stuck: it can't restart.`));
      const timer = setTimeout(stuck, DRAIN);
      this.#whenIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    }).finally(() => {
      this.#whenIdle = undefined;
    });
  }

  #initialize(): void {
    this.#restoreEnvironment ??= setEnvironment(this.#setup.environment);
    try {
      const value = this.#tryInitialize(CKF_OS_LOCKING_OK);
      if (value === CKR_CANT_LOCK) this.#tryInitialize(0);
      else if (value !== undefined && this.#initializedBy === "nobody") this.#leaveToOthers();
    } catch (error) {
      this.#putEnvironmentBack();
      throw error;
    }
  }

  #leaveToOthers(): void {
    if (this.#restoreEnvironment) throw this.#misconfigured("is initialised already, with another environment.");
    this.#initializedBy = "others";
  }

  /**
   * @param flags - without the locking flag, sessions that sign side by side crash the process
   * @returns `undefined`, or why it is to be tried otherwise
   */
  #tryInitialize(flags: number): string | undefined {
    const { libraryParameters } = this.#setup;
    try {
      this.lib.C_Initialize(libraryParameters === undefined ? { flags } : { flags, libraryParameters });
    } catch (error) {
      const value = returnValue(error);
      if (value === CKR_CRYPTOKI_ALREADY_INITIALIZED || (value === CKR_CANT_LOCK && flags !== 0)) return value;
      const isSoftHsm = value === "CKR_GENERAL_ERROR" && /softhsm/i.test(this.path);
      throw toSignerError(error, `initialising ${this.path}`, isSoftHsm ? SOFT_HSM : undefined);
    }
    this.#initializedBy = "us";
    this.canLock = flags !== 0;
    this.generation += 1;
    return undefined;
  }

  /** Once nobody uses the library, and nothing is stuck in it. */
  #letGo(): void {
    if (!this.#inUse || this.#users > 0 || this.#calls > 0 || this.#restarting) return;
    this.#finalize();
    this.#inUse = false;
    endUse();
  }

  #finalize(): void {
    if (this.#initializedBy !== "us") return;
    const done = finalizeIfAlone(() => {
      try {
        this.lib.C_Finalize();
      } catch {
        // It was lost already: there is nothing left to finalise.
      }
    });
    if (!done) return;
    this.#initializedBy = "nobody";
    this.#putEnvironmentBack();
  }

  #putEnvironmentBack(): void {
    this.#restoreEnvironment?.();
    this.#restoreEnvironment = undefined;
  }

  #misconfigured(problem: string): SignerError {
    return new SignerError("misconfigured", `${this.path} ${problem}`);
  }
}
