/**
 * A thread that calls `C_SignInit` and `C_Sign`. Both may take their time (`C_SignInit` waits for the token too, and the
 * addon can do it synchronously alone), so neither belongs on the event loop. Two threads that hand each signature to and
 * fro cost more than a signature: requests and answers go through memory that both share, and the next request lies there
 * before the last one is answered.
 */
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";
import type { Cryptoki, Handle } from "./client.js";
import { CKM_ECDSA } from "./cryptoki.js";

/** One signature that is wanted. */
export interface SignRequest {
  readonly session: Handle;
  readonly key: Handle;
  /** 32 bytes. */
  readonly digest: Buffer;
  resolve(signature: Buffer): void;
  reject(error: Error): void;
}

/**
 * What lies where. Of numbers, which both threads change: how many requests were `QUEUED` and are `DONE`, counted to `MOST`
 * and on from 0; for each slot whether its request is `TAKEN`, and the `LENGTH` of the answer, below 0 for an error's
 * message. A request lies in the slot of its count's last bit.
 */
const LAYOUT = {
  QUEUED: 0,
  DONE: 1,
  OWNER: 2,
  LENGTH: 4,
  NUMBERS: 6,
  NOBODY: 0,
  TAKEN: 1,
  STOP: -1,
  MOST: 0x3fffffff,
  SLOTS: 2,
  SLOT_BYTES: 256,
  SESSION: 0,
  KEY: 8,
  DIGEST: 16,
  ANSWER: 48,
  READY: "ready",
  CKM_ECDSA,
} as const;
const { QUEUED, DONE, OWNER, LENGTH, NUMBERS, NOBODY, TAKEN, STOP, MOST } = LAYOUT;
const { SLOTS, SLOT_BYTES, SESSION, KEY, DIGEST, ANSWER } = LAYOUT;

/** What the threads of one signer have in common. */
export interface ThreadWork {
  /** Path of a library that is initialised. */
  readonly library: string;
  /** Of a `CK_ULONG`. */
  readonly handleBytes: number;
  /** One number, shared: the microseconds that a signature takes, of the last ones the quickest. 0 if there was none. */
  readonly pace: Int32Array;
}

type OnAnswers = (thread: SigningThread) => void;

export class SigningThread {
  readonly #worker: Worker;
  readonly #numbers: Int32Array;
  readonly #slots: Buffer[];
  readonly #requests: (SignRequest | undefined)[] = [];
  readonly #onAnswers: OnAnswers;
  #queued = 0;
  #answered = 0;
  #collecting = false;
  #ended = false;

  private constructor(worker: Worker, numbers: Int32Array, memory: SharedArrayBuffer, onAnswers: OnAnswers) {
    this.#worker = worker;
    this.#numbers = numbers;
    this.#slots = Array.from({ length: SLOTS }, (_, slot) => Buffer.from(memory, slot * SLOT_BYTES, SLOT_BYTES));
    this.#onAnswers = onAnswers;
    worker.once("exit", () => this.#end());
  }

  /**
   * @param session - one that is open: some libraries keep a state of their own for each time that they are loaded, and a
   *   thread can't use there what another one opened
   * @param onAnswers - called when some requests were answered, and when the thread has ended
   * @throws why there is no thread, or none that knows the session
   */
  static async start(work: ThreadWork, session: Handle, onAnswers: OnAnswers): Promise<SigningThread> {
    const numbers = new Int32Array(new SharedArrayBuffer(NUMBERS * Int32Array.BYTES_PER_ELEMENT));
    const memory = new SharedArrayBuffer(SLOTS * SLOT_BYTES);
    const workerData: Given = { ...work, session, addon: addonPath(), numbers, memory, layout: LAYOUT };
    const worker = new Worker(`(${program})(require)`, { eval: true, execArgv: [], env: {}, workerData });
    const said = await new Promise((resolve) => {
      worker.once("message", resolve).once("error", resolve).once("exit", resolve);
    });
    worker.unref();
    if (said !== LAYOUT.READY) throw new Error(String(said));
    return new SigningThread(worker, numbers, memory, onAnswers);
  }

  /** Whether it is gone, and will answer nothing any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** How many requests it was given, and has not answered: two at most. */
  get pending(): number {
    return (this.#queued - this.#answered) & MOST;
  }

  /** Another number whenever it has done something. */
  get progress(): number {
    return Atomics.load(this.#numbers, DONE);
  }

  submit(request: SignRequest): void {
    const slot = this.#queued % SLOTS;
    const bytes = this.#slots[slot] as Buffer;
    bytes.set(request.session, SESSION);
    bytes.set(request.key, KEY);
    bytes.set(request.digest, DIGEST);
    this.#requests[slot] = request;
    Atomics.store(this.#numbers, OWNER + slot, NOBODY);
    this.#queued = (this.#queued + 1) & MOST;
    Atomics.store(this.#numbers, QUEUED, this.#queued);
    Atomics.notify(this.#numbers, QUEUED);
    if (!this.#collecting) void this.#collect();
  }

  /** Takes back the request that came last, unless it was begun. */
  withdraw(): SignRequest | undefined {
    const slot = (this.#queued + MOST) % SLOTS;
    if (this.pending === 0 || Atomics.exchange(this.#numbers, OWNER + slot, TAKEN) === TAKEN) return undefined;
    const request = this.#requests[slot];
    this.#requests[slot] = undefined;
    return request;
  }

  /** Once nothing is {@link pending}. */
  stop(): void {
    Atomics.store(this.#numbers, QUEUED, STOP);
    Atomics.notify(this.#numbers, QUEUED);
  }

  async #collect(): Promise<void> {
    this.#collecting = true;
    this.#worker.ref();
    while (this.pending > 0) {
      const answer = Atomics.waitAsync(this.#numbers, DONE, this.#answered);
      if (answer.async) await answer.value;
      while (this.#answered !== this.progress) this.#settleNext();
      this.#onAnswers(this);
    }
    this.#worker.unref();
    this.#collecting = false;
  }

  /** What it was given is lost, as with a session. */
  #end(): void {
    this.#ended = true;
    for (const request of this.#requests.splice(0)) request?.reject(asThrown("CKR_FUNCTION_FAILED 6"));
    Atomics.store(this.#numbers, DONE, this.#queued);
    Atomics.notify(this.#numbers, DONE);
    if (!this.#collecting) this.#onAnswers(this);
  }

  #settleNext(): void {
    const slot = this.#answered % SLOTS;
    const request = this.#requests[slot];
    const length = Atomics.load(this.#numbers, LENGTH + slot);
    const answer = Buffer.from((this.#slots[slot] as Buffer).subarray(ANSWER, ANSWER + Math.abs(length)));
    this.#requests[slot] = undefined;
    this.#answered = (this.#answered + 1) & MOST;
    if (length >= 0) request?.resolve(answer);
    else request?.reject(asThrown(answer.toString()));
  }
}

/** @param text - `CKR_… NUMBER`, or the message of any other error */
function asThrown(text: string): Error {
  const [, name, code] = /^(CKR_\w+) (\d+)$/.exec(text) ?? [];
  if (name === undefined) return new Error(text);
  return Object.assign(new Error(name), { name: "Pkcs11Error", code: Number(code) });
}

interface Given extends ThreadWork {
  readonly addon: string;
  readonly session: Uint8Array;
  readonly numbers: Int32Array;
  readonly memory: SharedArrayBuffer;
  readonly layout: typeof LAYOUT;
}

/** graphene-pk11's own: both threads must speak of the same. */
function addonPath(): string {
  const graphene = createRequire(import.meta.url).resolve("graphene-pk11");
  return createRequire(graphene).resolve("pkcs11js");
}

/**
 * What the thread does. It is handed over as text, since a bundler that joins our files would not find one for it: it
 * sees nothing of this file but what it is given.
 */
function program(load: NodeJS.Require): void {
  const { parentPort, workerData } = load("node:worker_threads") as typeof import("node:worker_threads");
  const { addon, library, handleBytes, pace, session, numbers, memory, layout } = workerData as Given;
  const { QUEUED, DONE, OWNER, LENGTH, TAKEN, STOP, MOST, SLOTS, SLOT_BYTES, SESSION, KEY, DIGEST, ANSWER } = layout;
  const { PKCS11 } = load(addon) as { PKCS11: new () => Cryptoki };
  const lib = new PKCS11();
  lib.load(library);
  try {
    lib.C_GetSessionInfo(Buffer.from(session));
  } catch (error) {
    parentPort?.postMessage((error as Error).message);
    return;
  }
  parentPort?.postMessage(layout.READY);
  const mechanism = { mechanism: layout.CKM_ECDSA };
  const slots = Array.from({ length: SLOTS }, (_, slot) => {
    const bytes = Buffer.from(memory, slot * SLOT_BYTES, SLOT_BYTES);
    return {
      session: bytes.subarray(SESSION, SESSION + handleBytes),
      key: bytes.subarray(KEY, KEY + handleBytes),
      digest: bytes.subarray(DIGEST, ANSWER),
      answer: bytes.subarray(ANSWER),
    };
  });
  for (let done = 0; ; ) {
    Atomics.wait(numbers, QUEUED, done);
    const queued = Atomics.load(numbers, QUEUED);
    if (queued === STOP) return;
    while (done !== queued) {
      const slot = done % SLOTS;
      if (Atomics.exchange(numbers, OWNER + slot, TAKEN) !== TAKEN) {
        const { session, key, digest, answer } = slots[slot] as (typeof slots)[number];
        const began = performance.now();
        try {
          lib.C_SignInit(session, mechanism, key);
          numbers[LENGTH + slot] = lib.C_Sign(session, digest, answer).length;
        } catch (error) {
          const { message, code } = error as Error & { code?: number };
          numbers[LENGTH + slot] = -answer.write(code === undefined ? message : `${message} ${code}`);
        }
        const took = Math.ceil(1000 * (performance.now() - began));
        // A thread's first signature takes longer.
        if (done > 0) pace[0] = Math.min(took, 2 * (pace[0] || took), MOST);
      }
      done = (done + 1) & MOST;
      Atomics.store(numbers, DONE, done);
      Atomics.notify(numbers, DONE);
    }
  }
}
