/**
 * The use of a library in a separate process (`isolate: true`). A library that hangs or crashes doesn't affect the
 * application, and each process has its own environment.
 */
import type { ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import type { Deadline } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
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

const processes = new Map<string, LibraryProcess>();
const SALT = randomBytes(16);
/** Fingerprints of wrong PINs: a process that is started again must not try them again. */
const wrongPins = new Set<string>();

/** Uses the library in this process or, with `isolate`, in a separate one. */
export async function useHere(options: TokenUseOptions, readPin: () => Promise<string>): Promise<TokenUse> {
  if (!options.isolate) return useLibrary(options, readPin);
  const use = new IsolatedUse(options, readPin);
  await use.begin();
  return use;
}

/** Runs in the separate process: serves the uses of its parent process. */
export function serveParentProcess(): void {
  const receivers = new Map<number, (message: unknown) => void>();
  process.on("message", ({ use, message }: Envelope) => {
    if (!receivers.has(use))
      serveUse(
        {
          post: (reply) => process.send?.({ use, message: reply } satisfies Envelope),
          listen: (receive) => receivers.set(use, receive),
        },
        useLibrary,
      );
    if (message === undefined) receivers.delete(use);
    else receivers.get(use)?.(message);
  });
  process.once("disconnect", () => process.exit());
}

/** A use that starts the process again at the next call after it has ended. */
class IsolatedUse implements TokenUse {
  readonly #options: TokenUseOptions;
  readonly #readPin: () => Promise<string>;
  #process: LibraryProcess | undefined;
  #channel: ReturnType<LibraryProcess["channel"]> | undefined;
  #use: Promise<TokenUse> | undefined;
  #lastFingerprint: string | undefined;
  #expected: PublicJwk | undefined;

  constructor(options: TokenUseOptions, readPin: () => Promise<string>) {
    this.#options = options;
    this.#readPin = readPin;
  }

  /** @throws {SignerError} If the process or the library can't be started. */
  begin(): Promise<TokenUse> {
    if (this.#process?.ended) this.#use = undefined;
    this.#use ??= this.#begin().catch((error) => {
      this.#use = undefined;
      throw error;
    });
    return this.#use;
  }

  async run(operation: Operation, deadline?: Deadline): Promise<unknown> {
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

  async close(): Promise<void> {
    const process = this.#process;
    if (process && !process.ended) await this.#use?.then((use) => use.close()).catch(() => undefined);
    process?.release(this.#channel?.use ?? 0);
  }

  async #begin(): Promise<TokenUse> {
    this.#process?.release(this.#channel?.use ?? 0);
    this.#process = LibraryProcess.acquire(this.#options);
    this.#channel = this.#process.channel();
    const options = { ...this.#options, expected: this.#expected };
    return useRemotely(this.#channel, options, () => this.#readPinUnlessWrong());
  }

  async #readPinUnlessWrong(): Promise<string> {
    const pin = await this.#readPin();
    const { module, token } = this.#options;
    this.#lastFingerprint = createHash("sha256")
      .update(SALT)
      .update(JSON.stringify([module, token, pin]))
      .digest("hex");
    if (!wrongPins.has(this.#lastFingerprint)) return pin;
    throw new SignerError("pin-incorrect", "This PIN was wrong before. This process doesn't try it again.");
  }
}

/** The process of a library, shared by all uses with the same options and environment. */
class LibraryProcess {
  readonly #id: string;
  readonly #child: ChildProcess;
  readonly #receivers = new Map<number, (message: unknown) => void>();
  readonly #failures = new Map<number, (error: SignerError) => void>();
  #uses = 0;
  readonly #waiting = new Set<number>();
  #users = 0;
  ended = false;

  private constructor(id: string, { module, environment = {} }: TokenUseOptions) {
    this.#id = id;
    const variables = Object.entries(environment).filter(([, value]) => value !== undefined);
    const env = { ...process.env, ...Object.fromEntries(variables) };
    this.#child = forkWorker({ env, serialization: "advanced" });
    this.#child.on("message", ({ use, message }: Envelope) => this.#receivers.get(use)?.(message));
    this.#child.once("error", (cause) => this.#end(`can't be started: ${cause.message}`, module));
    this.#child.once("exit", (code, signal) => this.#end(`has ended (${signal ?? `exit code ${code}`})`, module));
  }

  static acquire(options: TokenUseOptions): LibraryProcess {
    const { module, libraryParameters, environment, binding } = options;
    const id = JSON.stringify([module, libraryParameters, environment, binding]);
    const shared = processes.get(id) ?? new LibraryProcess(id, options);
    processes.set(id, shared);
    shared.#users += 1;
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

  /** The process keeps the application's process alive while one of its uses waits for a response. */
  #keepAlive(use: number, isWaiting: boolean): void {
    if (isWaiting) this.#waiting.add(use);
    else this.#waiting.delete(use);
    for (const handle of [this.#child, this.#child.channel])
      if (this.#waiting.size > 0) handle?.ref();
      else handle?.unref();
  }

  /** Ends the process after its last user. The library has been finalised by then, unless a call is stuck in it. */
  release(use: number): void {
    this.#receivers.delete(use);
    this.#failures.delete(use);
    this.#keepAlive(use, false);
    this.#send({ use });
    this.#users -= 1;
    if (this.#users > 0) return;
    if (processes.get(this.#id) === this) processes.delete(this.#id);
    this.#child.kill("SIGKILL");
  }

  #send(envelope: Envelope): void {
    if (this.#child.connected) this.#child.send(envelope);
  }

  #end(reason: string, module: string): void {
    this.ended = true;
    if (processes.get(this.#id) === this) processes.delete(this.#id);
    for (const fail of this.#failures.values())
      fail(new SignerError("unavailable", `The process that runs ${module} ${reason}.`));
  }
}
