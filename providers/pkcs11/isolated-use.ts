/**
 * The use of a library in a separate process (`isolate: true`). A library that hangs or crashes doesn't affect the
 * application, and each process has its own environment.
 */
import type { ChildProcess } from "node:child_process";
import { untilAborted, withDeadline } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import type { OpenKeyOptions } from "../../src/keystore/key-source.js";
import { fingerprintOf } from "../../src/keystore/pin-fingerprint.js";
import type { PublicJwk } from "../../src/keystore/signer.js";
import type { Channel } from "./calls.js";
import { type TokenUse, type TokenUseOptions, useLibrary } from "./library-use.js";
import type { Opened, Operation } from "./protocol.js";
import { serveUse, useRemotely } from "./remote-use.js";
import { forkWorker } from "./worker-file.js";

/** A message to or from one of the uses that share a process. */
interface Envelope {
  readonly use: number;
  /** `undefined` if the use has ended. */
  readonly message?: unknown;
}

/** Milliseconds until the process of a closed signer ends, whether or not its library has been finalised. */
const CLOSING = 5_000;

const processes = new Map<string, LibraryProcess>();
/** Fingerprints of wrong PINs: a process that is started again must not try them again. */
const wrongPins = new Set<string>();

/** Uses the library in this process or, with `isolate`, in a separate one, which `signal` ends if it doesn't respond. */
export async function useHere(
  options: TokenUseOptions,
  readPin: () => Promise<string>,
  signal?: AbortSignal,
): Promise<TokenUse> {
  if (!options.isolate) return useLibrary(options, readPin);
  const use = new IsolatedUse(options, readPin);
  try {
    await untilAborted(signal, () => use.begin());
    return use;
  } catch (error) {
    await use.close();
    throw error;
  }
}

/** Runs in the separate process: serves the uses of its parent process. */
export function serveParentProcess(): void {
  const receivers = new Map<number, (message: unknown) => void>();
  const ends = new Map<number, () => Promise<void>>();
  const begin = (use: number) => {
    const post = (message: unknown) => process.send?.({ use, message } satisfies Envelope);
    ends.set(use, serveUse({ post, listen: (receive) => receivers.set(use, receive) }, useLibrary));
  };
  process.on("message", ({ use, message }: Envelope) => {
    if (message === undefined) {
      void ends.get(use)?.();
      receivers.delete(use);
      ends.delete(use);
    } else {
      if (!ends.has(use)) begin(use);
      receivers.get(use)?.(message);
    }
  });
  // process.exit() would wait for a worker that is stuck in the library.
  process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
}

/** One use of a process. */
interface ProcessUse {
  readonly process: LibraryProcess;
  readonly channel: ReturnType<LibraryProcess["channel"]>;
  readonly beginning: Promise<TokenUse>;
  /** `undefined` until the library has been loaded. */
  begun?: TokenUse;
}

/** A use that starts the process again at the next call after it has ended. */
class IsolatedUse implements TokenUse {
  readonly #options: TokenUseOptions;
  readonly #readPin: () => Promise<string>;
  #current: ProcessUse | undefined;
  #lastFingerprint: string | undefined;
  #expected: PublicJwk | undefined;

  constructor(options: TokenUseOptions, readPin: () => Promise<string>) {
    this.#options = options;
    this.#readPin = readPin;
  }

  /** @throws {SignerError} If the process or the library can't be started. */
  begin(): Promise<TokenUse> {
    if (!this.#current || this.#current.process.ended) this.#current = this.#start();
    return this.#current.beginning;
  }

  async run(operation: Operation, deadline?: OpenKeyOptions): Promise<unknown> {
    const use = await this.begin();
    try {
      const result = await use.run(operation, deadline);
      if (operation.name === "open") this.#expected = (result as Opened).publicJwk;
      return result;
    } catch (error) {
      if (error instanceof SignerError && error.code === "pin-incorrect" && this.#lastFingerprint)
        wrongPins.add(this.#lastFingerprint);
      throw error;
    }
  }

  /** Ends the process after its last use, also if a call is stuck in it. */
  async close(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    const toError = () => new Error("The library didn't respond.");
    await withDeadline({ timeout: CLOSING, toError }, async () => current?.begun?.close()).catch(() => undefined);
    current?.process.release(current.channel.use);
  }

  #start(): ProcessUse {
    const process = LibraryProcess.acquire(this.#options);
    const channel = process.channel();
    const options = { ...this.#options, expected: this.#expected };
    const beginning = useRemotely(channel, options, () => this.#readPinUnlessWrong());
    const current: ProcessUse = { process, channel, beginning };
    beginning.then(
      (use) => {
        current.begun = use;
      },
      () => {
        if (this.#current === current) this.#current = undefined;
        process.release(channel.use);
      },
    );
    return current;
  }

  async #readPinUnlessWrong(): Promise<string> {
    const pin = await this.#readPin();
    const { module, token } = this.#options;
    this.#lastFingerprint = fingerprintOf(JSON.stringify([module, token]), pin);
    if (!wrongPins.has(this.#lastFingerprint)) return pin;
    throw new SignerError("pin-incorrect", "The PIN was wrong before. This process doesn't try it again.");
  }
}

/** The process of a library, shared by all uses with the same options and environment. */
class LibraryProcess {
  readonly #id: string;
  readonly #child: ChildProcess;
  readonly #receivers = new Map<number, (message: unknown) => void>();
  readonly #failures = new Map<number, (error: SignerError) => void>();
  readonly #waiting = new Set<number>();
  readonly #module: string;
  #uses = 0;
  ended = false;

  private constructor(id: string, { module, environment = {} }: TokenUseOptions) {
    this.#id = id;
    this.#module = module;
    const variables = Object.entries(environment).filter(([, value]) => value !== undefined);
    const env = { ...process.env, ...Object.fromEntries(variables) };
    this.#child = forkWorker({ env, serialization: "advanced" });
    this.#child.on("message", ({ use, message }: Envelope) => this.#receivers.get(use)?.(message));
    this.#child.on("error", (cause) => this.#end(`can't be started: ${cause.message}`));
    this.#child.once("exit", (code, signal) => this.#end(`has ended (${signal ?? `exit code ${code}`})`));
  }

  static acquire(options: TokenUseOptions): LibraryProcess {
    const { module, libraryParameters, environment, binding } = options;
    const id = JSON.stringify([module, libraryParameters, environment, binding]);
    const shared = processes.get(id) ?? new LibraryProcess(id, options);
    processes.set(id, shared);
    return shared;
  }

  channel(): Channel & { readonly use: number } {
    const use = ++this.#uses;
    return {
      use,
      post: (message) => this.#send({ use, message }),
      listen: (receive) => this.#receivers.set(use, receive),
      onEnd: (end) => this.#failures.set(use, end),
      keepAlive: (isWaiting) => this.#keepAlive(use, isWaiting),
    };
  }

  /** Ends a use, and the process after its last one. The library has been finalised by then, unless it is stuck. */
  release(use: number): void {
    if (!this.#receivers.delete(use)) return;
    this.#fail(use, "was closed");
    this.#keepAlive(use, false);
    this.#send({ use });
    if (this.#receivers.size > 0) return;
    this.#forget();
    this.#child.kill("SIGKILL");
  }

  /** The process keeps the application's process alive while one of its uses waits for a response. */
  #keepAlive(use: number, isWaiting: boolean): void {
    if (isWaiting) this.#waiting.add(use);
    else this.#waiting.delete(use);
    const method = this.#waiting.size > 0 ? "ref" : "unref";
    for (const handle of [this.#child, this.#child.channel]) handle?.[method]?.(); // Bun's channel doesn't have them.
  }

  /** Without a callback, each message to a process that has just ended would emit an error event. Its exit event follows. */
  #send(envelope: Envelope): void {
    if (this.#child.connected) this.#child.send(envelope, () => undefined);
  }

  #end(reason: string): void {
    this.ended = true;
    this.#forget();
    for (const use of this.#failures.keys()) this.#fail(use, reason);
  }

  #forget(): void {
    if (processes.get(this.#id) === this) processes.delete(this.#id);
  }

  #fail(use: number, reason: string): void {
    const fail = this.#failures.get(use);
    this.#failures.delete(use);
    fail?.(new SignerError("unavailable", `The process that runs ${this.#module} ${reason}.`));
  }
}
