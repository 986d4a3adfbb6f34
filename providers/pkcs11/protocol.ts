/** What a library's workers and the thread that started them tell each other. */
import type { AlgorithmName, PublicJwk, PublicKeyMembers } from "../../src/keystore/signer.js";
import type { BindingName } from "./binding.js";
import type { KeySelector } from "./objects.js";
import type { TokenSelector } from "./token.js";

/** The library that a worker loads. */
export interface WorkerData {
  readonly path: string;
  readonly libraryParameters: string | undefined;
  readonly binding: BindingName | undefined;
  /** Shared memory: how many requests the worker has begun. */
  readonly begun: Int32Array;
}

/** The most requests in flight to a worker: two batches. While the worker runs one, its parent thread prepares the other. */
export const MAX_IN_FLIGHT = 8;
/** The most signatures that are sent back together. */
export const BATCH = MAX_IN_FLIGHT / 2;

/** What a worker needs to open a key. For operations on a token, only the token counts. */
export interface KeySpec {
  readonly token: TokenSelector;
  readonly selector: KeySelector;
  /** The caller's public key, for a token that doesn't store it. */
  readonly publicKey: Uint8Array | PublicKeyMembers | undefined;
  /** The algorithm to sign with, to list keys for, or to create a key for. */
  readonly algorithm: AlgorithmName | undefined;
  readonly hasPin: boolean;
  readonly forceLogin: boolean | undefined;
  /** The public key that the key must have. `undefined` before the key was first opened. */
  readonly expected: PublicJwk | undefined;
}

/** An operation that waits for a worker. */
export interface Operation {
  readonly name: "sign" | "open" | "describe" | "generate" | "list" | "list-more" | "delete" | "inspect" | "tokens";
  /** For `sign`: makes the digest of the message, or the message itself, when the operation leaves the queue. */
  readonly digest?: () => Uint8Array | Promise<Uint8Array>;
}

/** An operation, as it is sent to a worker. */
export interface Request {
  readonly key: number;
  readonly name: Operation["name"];
  /** For `sign`: the digest of the message, or the message itself, as the algorithm needs it. */
  readonly digest: Uint8Array | undefined;
  /** Whether another worker has a session for the key. A session in this worker is then optional. */
  readonly hasOtherSession: boolean;
}

/** The response to a {@link Request}. */
export interface Result {
  readonly value: unknown;
  /** How long the operation took. */
  readonly milliseconds: number;
}

/** The result of `open`. */
export interface Opened {
  readonly publicJwk: PublicJwk;
  readonly maxSessions: number | undefined;
}

/** One of the results of `list` and `list-more`, which return a portion of the keys; `undefined` after the last portion. */
export interface ListedKey {
  readonly token: TokenSelector;
  readonly key: KeySelector;
  /** `undefined` if the token doesn't report the key's curve. */
  readonly algorithm: AlgorithmName | undefined;
}

/** The result of `delete`. */
export interface DeletedPair {
  readonly token: TokenSelector;
  readonly key: KeySelector;
  /** Why the token didn't delete the public key object, if it didn't: the return value. */
  readonly publicKeyLeft: string | undefined;
}

/** The result of initialising the library. */
export interface Initialized {
  /** Whether this call has initialised the library, rather than another part of the process. */
  readonly initialized: boolean;
  /** Whether calls must not overlap, because the library can't lock, or the token is a TPM. */
  readonly oneAtATime: boolean;
}

/** A worker's question before a login. It waits for the return value of `C_Login`. */
export interface LoginQuestion {
  /** The token's label and serial number, which identify it among the tokens of the library. */
  readonly token: string;
  readonly hasPinPad: boolean;
  /** Whether the login is for one signature, so that no earlier login counts. */
  readonly forSignature: boolean;
  /** When the token reported that no user is logged in (`process.hrtime.bigint()`, which all threads share). */
  readonly lostAt: bigint | undefined;
}
