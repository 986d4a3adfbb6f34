/** The messages between a worker of a PKCS#11 library and its parent thread. */
import type { SignerErrorCode } from "../../src/errors.js";
import type { PublicJwk } from "../../src/keystore/signer.js";
import type { BindingName } from "./binding.js";
import type { KeySelector } from "./objects.js";
import type { TokenSelector } from "./token.js";

/** The data that a worker is started with. */
export interface WorkerData {
  readonly path: string;
  readonly libraryParameters: string | undefined;
  readonly binding: BindingName | undefined;
  readonly shared: Int32Array;
}

/** Indexes into the memory that a worker shares with its parent thread. */
export const SHARED = {
  /** How many messages were sent to the worker, which sleeps until the number changes. */
  MESSAGES: 0,
  /** How many requests the worker has run. */
  DONE: 1,
  /** The first of {@link SLOTS} states, one for each request in flight. */
  STATES: 2,
} as const;

/** The most requests in flight to a worker: two batches. */
export const SLOTS = 8;
/** The most requests that are sent together. */
export const BATCH = SLOTS / 2;

/** The side that first replaces `WAITING` gets the request: the worker runs it, or the parent thread withdraws it. */
export const STATE = { WAITING: 0, RUNNING: 1, DONE: 2, WITHDRAWN: 3 } as const;

/** What each worker needs to open a key. For operations on a token, only the token counts. */
export interface KeySpec {
  readonly token: TokenSelector;
  readonly selector: KeySelector;
  readonly publicJwk: PublicJwk | undefined;
  readonly hasPin: boolean;
  readonly forceLogin: boolean | undefined;
  /** The public key that the key must have. `undefined` before the key was first opened. */
  readonly expected: PublicJwk | undefined;
}

/** An operation that a worker runs. */
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
  /** Whether calls must not overlap, because the library can't lock, or the token is a TPM. */
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

/** An operation that waits for a worker. The message to sign is created when the operation leaves the queue. */
export type QueuedOperation =
  | { readonly name: "sign"; readonly digest: () => Uint8Array }
  | Exclude<Operation, { readonly name: "sign" }>;

/** Creates the operation to send. */
export function toOperation(queued: QueuedOperation): Operation {
  return queued.name === "sign" ? { name: "sign", digest: queued.digest() } : queued;
}

/** A request to a worker. */
export interface Request {
  readonly id: number;
  /** Index of the request's state in the shared memory. `undefined` for a request that can't be withdrawn. */
  readonly slot: number | undefined;
  /** The id of the signer's key, or of the task. */
  readonly key: number;
  /** Set if the worker doesn't have a session for the key yet. */
  readonly spec: KeySpec | undefined;
  /** Whether another worker has a session for the key. A session in this worker is then optional. */
  readonly hasOtherSession: boolean;
  readonly operation: Operation;
}

/** An error, as it is sent to another thread or process. */
export interface Failure {
  readonly code: SignerErrorCode;
  readonly message: string;
  readonly cause?: { name: string; message: string; code: unknown } | undefined;
  /** Whether the key was lost and the recovery failed. */
  readonly lost?: boolean;
  /** Whether the token refused a further session. */
  readonly refusedSession?: boolean;
}

/** The response to a request. */
export interface Response {
  readonly id: number;
  readonly result?: unknown;
  readonly failure?: Failure;
  /** Whether the request was not run. */
  readonly returned?: boolean;
}

/** A question of a worker in the middle of a request. The worker waits for the {@link Reply}. */
export type Question =
  | { readonly ask: "restart"; readonly reason: "lost" | "missing token" }
  | {
      readonly ask: "pin";
      /** The request's id. */
      readonly id: number;
      /** The token's label and serial number, which identify it among the tokens of the library. */
      readonly token: string;
      readonly hasPinPad: boolean;
      readonly loggedIn: boolean;
    };

/** The parent thread's reply to a question. */
export interface Reply {
  /** `undefined` if no login is needed. */
  readonly login?: { readonly pin: string | undefined };
  readonly failure?: Failure;
}

/** Whether the token has accepted the PIN. */
export type LoginOutcome = "accepted" | "rejected" | "unknown";
/** A message to a worker. */
export type ToWorker = { readonly requests: readonly Request[] } | { readonly reply: Reply } | { readonly end: true };
/** A message from a worker. */
export type FromWorker =
  | { readonly responses: readonly Response[]; readonly microsecondsPerSignature?: number | undefined }
  | { readonly question: Question }
  | { readonly outcome: LoginOutcome };
