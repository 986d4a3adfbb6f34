/**
 * A PKCS#11 library in this process. `C_Initialize` and `C_Finalize` belong to the process, so all signers on a path
 * share one object, which counts them, and which alone may restart the library.
 */
import { isMainThread } from "node:worker_threads";
import { SignerError } from "../../src/errors.js";
import { type Cryptoki, loadCryptoki, returnValue, toSignerError } from "./client.js";
import { CKF_OS_LOCKING_OK, CKR_CRYPTOKI_ALREADY_INITIALIZED } from "./cryptoki.js";

const modules = new Map<string, Promise<Pkcs11Module>>();
/** Milliseconds that a restart waits for calls under way: finalising under them would crash the process. */
const DRAIN = 5_000;

export class Pkcs11Module {
  /** How often the library was initialised: handles of an earlier generation are worth nothing. */
  generation = 0;
  readonly path: string;
  readonly lib: Cryptoki;
  readonly #parameters: string | undefined;
  #users = 0;
  #initializedHere = false;
  #calls = 0;
  #whenIdle: (() => void) | undefined;
  #restarting: Promise<void> | undefined;

  private constructor(path: string, lib: Cryptoki, parameters: string | undefined) {
    this.path = path;
    this.lib = lib;
    this.#parameters = parameters;
  }

  /**
   * Loads the library, once per path, and initialises it for its first user.
   *
   * @param parameters - `pReserved` of `C_Initialize`, for NSS
   * @throws {SignerError} code `misconfigured` or `unavailable`
   */
  static async acquire(path: string, parameters: string | undefined): Promise<Pkcs11Module> {
    const loading = modules.get(path) ?? loadCryptoki(path).then((lib) => new Pkcs11Module(path, lib, parameters));
    modules.set(path, loading);
    const module = await loading.catch((error) => {
      modules.delete(path);
      throw error;
    });
    if (module.#parameters !== parameters)
      throw new SignerError("misconfigured", `${path} is in use with other libraryParameters: a process has one set.`);
    if (module.#users === 0 && !module.#initializedHere) module.#initialize();
    module.#users += 1;
    return module;
  }

  /** The last user finalises the library, if it was initialised here and nothing is stuck in it. */
  release(): void {
    this.#users -= 1;
    if (this.#users === 0 && this.#calls === 0) this.#finalize();
  }

  /** Runs asynchronous calls into the library. They wait while it restarts, and a restart waits for them. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    while (this.#restarting) await this.#restarting.catch(() => undefined);
    this.#calls += 1;
    try {
      return await work();
    } finally {
      this.#calls -= 1;
      if (this.#calls === 0) this.#whenIdle?.();
    }
  }

  /**
   * Finalises and initialises the library, once nothing is under way in it. However many ask, it happens once.
   *
   * @param seen - the generation that the caller found broken
   */
  restart(seen: number): Promise<void> {
    if (seen !== this.generation) return this.#restarting ?? Promise.resolve();
    this.#restarting ??= this.#restart().finally(() => {
      this.#restarting = undefined;
    });
    return this.#restarting;
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

  /** Without the locking flag, sessions that sign side by side crash the process. */
  #initialize(): void {
    const parameters = this.#parameters === undefined ? {} : { libraryParameters: this.#parameters };
    try {
      this.lib.C_Initialize({ flags: CKF_OS_LOCKING_OK, ...parameters });
      this.#initializedHere = true;
    } catch (error) {
      if (returnValue(error) !== CKR_CRYPTOKI_ALREADY_INITIALIZED)
        throw toSignerError(error, `initialising ${this.path}`);
      this.#initializedHere = false;
    }
    this.generation += 1;
  }

  #finalize(): void {
    if (!this.#initializedHere || mayBeSharedWithThreads()) return;
    try {
      this.lib.C_Finalize();
    } catch {
      // It was lost already, or another thread was first: either way there is nothing left to finalise.
    }
    this.#initializedHere = false;
  }
}

/** `C_Finalize` in one thread kills the sessions of all: only a main thread without workers may call it. */
function mayBeSharedWithThreads(): boolean {
  return !isMainThread || process.getActiveResourcesInfo().includes("Worker");
}
