/** The options of `makeProof`. */
import { DPoPError } from "../errors.js";
import type { SignOptions } from "../keystore/signer.js";
import type { ProofMembers } from "./proof-members.js";

/** Options of {@link DPoPProver.makeProof}: the request that the proof is for. */
export interface ProofOptions extends SignOptions {
  /**
   * The request's HTTP method. `DELETE`, `GET`, `HEAD`, `OPTIONS`, `POST` and `PUT` are case-insensitive and signed in
   * upper case, as `fetch` sends them. Any other method is signed unchanged: `fetch` sends `patch` in lower case.
   */
  htm: string;
  /**
   * The request's absolute `http:` or `https:` URL. Its query and fragment are removed, and characters that RFC 3986
   * doesn't allow, such as `|`, are percent-encoded: send the URL in the same form.
   */
  htu: string | URL;
  /**
   * Signs `htu` exactly as it is, even if it isn't a URL: for a server that compares it with another URL than the one that
   * is requested.
   */
  exactHtu?: boolean | undefined;
  /**
   * The URL that is requested, if `htu` differs from it. It chooses the server's clock: see {@link DPoPProver.adjustClock}.
   * Default: `htu`.
   */
  requestUrl?: string | URL | undefined;
  /** The access token sent with the request. Its SHA-256 hash becomes the `ath` claim. */
  accessToken?: string | undefined;
  /** The latest `DPoP-Nonce` of the server. A function is called when the store is ready to sign. */
  nonce?: string | (() => string | undefined) | undefined;
  /**
   * The JWS algorithms that the server lists, as in `dpop_signing_alg_values_supported`. The header of the proof says
   * `EdDSA` instead of `Ed25519` if the server lists only that older name (RFC 9864 §2.2).
   */
  supportedAlgorithms?: readonly string[] | undefined;
  /** Additional members of the proof's header, such as a key attestation. Those of RFC 9449 §4.2 can't be set. */
  header?: ProofMembers | undefined;
  /** Additional claims of the proof, such as a digest of the body. Those of RFC 9449 §4.2 can't be set. */
  claims?: ProofMembers | undefined;
}

const NAMES: Readonly<Record<keyof ProofOptions, true>> = {
  htm: true,
  htu: true,
  exactHtu: true,
  requestUrl: true,
  accessToken: true,
  nonce: true,
  supportedAlgorithms: true,
  header: true,
  claims: true,
  signal: true,
};

/**
 * Checks the options that no other code checks.
 *
 * @throws {DPoPError} With code `misconfigured` if they aren't an object, or one of them would be ignored.
 */
export function assertProofOptions(options: ProofOptions): ProofOptions {
  if (typeof options !== "object" || options === null)
    throw new DPoPError("misconfigured", "The options of makeProof must be an object with htm and htu.");
  assertKnown(options);
  const { supportedAlgorithms } = options;
  if (supportedAlgorithms === undefined || Array.isArray(supportedAlgorithms)) return options;
  throw new DPoPError("misconfigured", "supportedAlgorithms must be an array of algorithm names.");
}

function assertKnown(options: ProofOptions): void {
  const isUnknown = (name: string) => !Object.hasOwn(NAMES, name) && Reflect.get(options, name) !== undefined;
  const unknown = Object.keys(options).find(isUnknown);
  if (unknown === undefined) return;
  const remedy = "To add a member to the proof, use the option header or claims.";
  throw new DPoPError("misconfigured", `makeProof has no option ${unknown}. ${remedy}`);
}
