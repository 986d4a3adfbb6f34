/** What a call sends besides its proofs, and how it reads the rejections of the server in its role. */
import { NonceCache, type NonceOption, type ServerRole } from "../dpop/nonce-cache.js";
import type { ProofRejection } from "../dpop/proof-retry.js";
import type { DPoPProver } from "../dpop/prover.js";
import type { SignOptions } from "../keystore/signer.js";
import { ListedAlgorithms } from "./listed-algorithms.js";

/**
 * What is cached about the servers of one role. An authorization server and a resource server may share an origin, but
 * not their nonces (RFC 9449 §9).
 */
export interface ServerCache {
  readonly nonces: NonceCache;
  readonly algorithms: ListedAlgorithms;
}

/** A response without its body, which is read only if it may contain an error. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: Headers;
  /** Returns the JSON object of the body, if it is one. */
  json(): Promise<Record<string, unknown> | undefined>;
}

/** Why a server rejected a request. */
export interface Rejection extends ProofRejection {
  /** Whether the access token isn't valid. */
  readonly token: boolean;
}

/** The scheme of an `Authorization` header with an access token (RFC 9449 §7.1, RFC 6750 §2.1). */
export type AuthorizationScheme = "DPoP" | "Bearer";

/** What the next attempt of a call sends. */
export interface AttemptCredentials {
  /** The prover of the access token's key, if it isn't that of the call. */
  readonly prover?: DPoPProver | undefined;
  readonly accessToken?: string | undefined;
  /** The scheme of the `Authorization` header. Set together with the access token. */
  readonly scheme?: AuthorizationScheme | undefined;
  /** A form that replaces the body. */
  readonly form?: URLSearchParams | undefined;
  /** The algorithms that the server lists for proofs, if it does so in its metadata. */
  readonly proofAlgorithms?: readonly string[] | undefined;
}

/** The credentials of one call. */
export interface Credentials {
  /** Whether the call must not be sent again, since a server would reject the same credentials as a replay. */
  readonly singleUse: boolean;
  /** Whether the call must not follow a redirect, even within the same origin. */
  readonly forbidsRedirect: boolean;
  /** Returns what the next attempt sends. Called for each attempt. */
  next(options: SignOptions): Promise<AttemptCredentials>;
  /** Reads why the server rejected the last attempt. `undefined` if it didn't. */
  rejectionOf(response: ResponseHead): Promise<Rejection | undefined>;
  /** Renews a rejected access token, if there is one. Returns whether the next attempt sends another one. */
  renewToken?(accessToken: string, options: SignOptions): Promise<boolean>;
}

/** Creates the cache for the servers of one role. */
export function serverCache(role: ServerRole, options: NonceOption): ServerCache {
  return { nonces: new NonceCache(role, options), algorithms: new ListedAlgorithms() };
}
