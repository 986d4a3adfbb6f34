/** What the main side of a PKCS#11 library and its workers send each other. */
import type { SignerErrorCode } from "../../src/errors.js";
import type { PublicJwk } from "../../src/keystore/signer.js";
import type { BindingName } from "./binding.js";
import type { KeySelector } from "./objects.js";
import type { TokenSelector } from "./token.js";

/** What a worker is started with. */
export interface WorkerData {
  readonly path: string;
  readonly libraryParameters: string | undefined;
  readonly binding: BindingName | undefined;
  readonly shared: Int32Array;
}

/** Indexes into the memory that a worker shares with the thread that started it. */
export const SHARED = {
  /** How many messages were sent to the worker: it sleeps until the number changes. */
  MESSAGES: 0,
  /** How many requests the worker has run. */
  DONE: 1,
  /** The first of {@link SLOTS} states, one for each request that was sent ahead. */
  STATES: 2,
} as const;

/** How many requests can be sent ahead: two batches. */
export const SLOTS = 8;
export const BATCH = SLOTS / 2;

/** Whichever side replaces `WAITING` first owns the request: the worker runs it, or the main side takes it back. */
export const STATE = { WAITING: 0, RUNNING: 1, DONE: 2, WITHDRAWN: 3 } as const;

/** A key, as each worker opens it for itself; or, for what isn't done with a key, only its token. */
export interface KeySpec {
  readonly token: TokenSelector;
  readonly selector: KeySelector;
  readonly publicJwk: PublicJwk | undefined;
  readonly hasPin: boolean;
  readonly forceLogin: boolean | undefined;
  /** The public key that it must have, once that is known. */
  readonly expected: PublicJwk | undefined;
}

export type Operation =
  | { readonly name: "sign"; readonly digest: Uint8Array }
  | { readonly name: "open" | "describe" | "generate" | "list" | "delete" | "inspect" }
  | { readonly name: "initialize"; readonly first: boolean }
  /** Closes all keys; with `library`, finalises the library. */
  | { readonly name: "finalize"; readonly library: boolean }
  | { readonly name: "close" };

/** The result of `initialize`. */
export interface Initialized {
  /** Whether this worker's call initialised the library. */
  readonly initialized: boolean;
  /** Whether calls must not overlap: the library can't lock, or speaks to a TPM, which has one of everything. */
  readonly oneAtATime: boolean;
}

/** One of the results of `list`. */
export interface ListedKey {
  readonly token: TokenSelector;
  readonly key: KeySelector;
}

/** The result of `open`. */
export interface Opened {
  readonly publicJwk: PublicJwk;
  readonly maxSessions: number | undefined;
}

/** An operation that waits for a worker. What is to be signed is made when it leaves the queue. */
export type QueuedOperation =
  | { readonly name: "sign"; readonly digest: () => Uint8Array }
  | Exclude<Operation, { readonly name: "sign" }>;

export function toOperation(queued: QueuedOperation): Operation {
  return queued.name === "sign" ? { name: "sign", digest: queued.digest() } : queued;
}

export interface Request {
  readonly id: number;
  /** Index of its state in the shared memory; `undefined` for a request that is run even while another one is waiting. */
  readonly slot: number | undefined;
  /** The number of the signer or task that it belongs to. */
  readonly key: number;
  /** Sent with a key's first request to each worker, and whenever it changed. */
  readonly spec: KeySpec | undefined;
  /** Another worker has a session for this key: this one is expendable. */
  readonly hasOtherSession: boolean;
  readonly operation: Operation;
}

export interface Failure {
  readonly code: SignerErrorCode;
  readonly message: string;
  readonly cause?: { name: string; message: string; code: unknown } | undefined;
  /** The key was lost and the recovery failed. */
  readonly lost?: boolean;
  /** The token refused a further session. */
  readonly refusedSession?: boolean;
}

export interface Response {
  readonly id: number;
  readonly result?: unknown;
  readonly failure?: Failure;
  /** The request was not run. */
  readonly returned?: boolean;
}

/** What the worker asks while it runs a request. It waits for the {@link Reply}. */
export type Question =
  | { readonly ask: "restart"; readonly reason: "lost" | "missing token" }
  | {
      readonly ask: "pin";
      /** The request's. */
      readonly id: number;
      /** What identifies the token. */
      readonly token: string;
      readonly hasPinPad: boolean;
      readonly loggedIn: boolean;
    };

export interface Reply {
  /** `undefined` where no login is needed. */
  readonly login?: { readonly pin: string | undefined };
  readonly failure?: Failure;
}

export type LoginOutcome = "right" | "wrong" | "unknown";
export type ToWorker = { readonly requests: readonly Request[] } | { readonly reply: Reply } | { readonly end: true };
export type FromWorker =
  | { readonly responses: readonly Response[]; readonly microsecondsPerSignature?: number | undefined }
  | { readonly question: Question }
  | { readonly outcome: LoginOutcome };
