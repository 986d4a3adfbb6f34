/** DPoP proofs (RFC 9449 §4.2), signed by any {@link Signer}. */
import { hash } from "node:crypto";
import { DPoPError } from "../errors.js";
import type { Algorithm, AlgorithmName } from "../jose/algorithms.js";
import { nameFor } from "../jose/find-algorithm.js";
import { newJti } from "../jose/jti.js";
import { thumbprint } from "../jose/jwk-thumbprint.js";
import { importPublicKey, type PublicKeyMembers, publicMembers } from "../jose/public-key.js";
import { memory } from "../keystore/built-in-providers.js";
import { type KeyRequirement, requireNonExportable } from "../keystore/require-non-exportable.js";
import { encodeHeader, signCompact } from "../keystore/sign-jwt.js";
import type { Signer, SignOptions } from "../keystore/signer.js";
import { type SignatureTrace, signatureChannel, traced } from "../tracing.js";
import { normalizeMethod } from "./http-method.js";
import { isNonce } from "./nonce-cache.js";
import { assertExactHtu } from "./signed-htu.js";
import { targetUri } from "./target-uri.js";

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
  /** The access token sent with the request. Its SHA-256 hash becomes the `ath` claim. */
  accessToken?: string | undefined;
  /** The latest `DPoP-Nonce` of the server. */
  nonce?: string | undefined;
  /**
   * The JWS algorithms that the server lists, as in `dpop_signing_alg_values_supported`. The header of the proof says
   * `EdDSA` instead of `Ed25519` if the server lists only that older name (RFC 9864 §2.2).
   */
  supportedAlgorithms?: readonly string[] | undefined;
}

/** Options of {@link DPoPProver.create}. */
export interface ProverOptions extends SignOptions {
  /** Rejects an exportable key, or one in the wrong place, before the first proof. See {@link requireNonExportable}. */
  require?: KeyRequirement | undefined;
  /**
   * Seconds. The largest clock correction, beyond `clockOffset`, that is accepted from the `Date` header of a server that
   * rejected a proof. Default: 600. With 0, the clock is never corrected.
   */
  maxClockSkew?: number | undefined;
  /**
   * Seconds to add to the system time for `iat`, if this machine's clock is wrong and can't be corrected. A later correction
   * by a server's `Date` replaces it. Default: 0.
   */
  clockOffset?: number | undefined;
}

type ClockOptions = Pick<ProverOptions, "maxClockSkew" | "clockOffset">;

const DEFAULT_MAX_SKEW = 600; // seconds
const MIN_SKEW = 5; // seconds

const VISIBLE = /^[\x21-\x7e]+$/;

/**
 * Makes DPoP proofs with one key. Doesn't close the signer.
 *
 * @example
 * ```ts
 * const prover = await DPoPProver.create(new Pkcs11Signer({ module, token: "agents", key: "dpop", pin }));
 * const proof = await prover.makeProof({ htm: "GET", htu: "https://api.example.com/resource", accessToken });
 * ```
 */
export class DPoPProver {
  /** The signer that holds the private key. */
  readonly signer: Signer;
  /** The public key, as in the header of each proof: only the members of its type, without `alg` unless it is one. */
  readonly publicJwk: PublicKeyMembers;
  /**
   * SHA-256 JWK thumbprint of the public key (RFC 7638), base64url, 43 characters. A bound token has it in `cnf.jkt`.
   */
  readonly jkt: string;
  readonly #algorithm: Algorithm;
  readonly #header: string;
  readonly #maxClockSkew: number;
  readonly #initialOffset: number;
  #clockOffset: number;
  /** Caches the last token's hash and the last URL's target: most calls repeat those of the previous call. */
  #lastToken = { accessToken: "", ath: "" };
  #lastUrl = { htu: "", target: "" };

  private constructor(signer: Signer, publicJwk: PublicKeyMembers, algorithm: Algorithm, clock: ClockOptions) {
    this.#maxClockSkew = clock.maxClockSkew ?? DEFAULT_MAX_SKEW;
    this.#initialOffset = this.#clockOffset = assertSeconds(clock.clockOffset ?? 0);
    this.signer = signer;
    this.publicJwk = publicJwk;
    this.jkt = thumbprint(publicJwk);
    this.#algorithm = algorithm;
    this.#header = this.#headerWith(algorithm.alg);
  }

  /** The JWS algorithm of the proofs. */
  get alg(): AlgorithmName {
    return this.#algorithm.alg;
  }

  /**
   * Opens the signer's key and creates a prover for it.
   *
   * @throws {SignerError} If the key can't be opened, or doesn't meet `require`.
   * @throws {DPoPError} With code `misconfigured` if `clockOffset` isn't a whole number.
   */
  static async create(signer: Signer, options: ProverOptions = {}): Promise<DPoPProver> {
    const { require, signal } = options;
    if (require) await requireNonExportable(signer, { ...require, signal });
    const { jwk, algorithm } = importPublicKey(await signer.publicJwk({ signal }));
    return new DPoPProver(signer, Object.freeze(publicMembers(jwk)), algorithm, options);
  }

  /**
   * Creates a prover with a new key in memory, for tests and for keys that may end with the process.
   *
   * @param algorithm - Default: `ES256`.
   */
  static async generate(algorithm?: AlgorithmName): Promise<DPoPProver> {
    const { MemorySigner } = await memory();
    return DPoPProver.create(MemorySigner.generate({ algorithm }));
  }

  /**
   * Creates a prover with a private key from PEM.
   *
   * @param pem - The private key as PKCS#8, encrypted PKCS#8, SEC1 or PKCS#1.
   * @param passphrase - The passphrase of an encrypted key.
   * @param algorithm - The JWS algorithm, which an RSA key needs.
   * @throws {SignerError} With code `wrong-key` if `pem` isn't a private key that can sign with the algorithm,
   *   `misconfigured` if it can sign with several, `pin-required` if it needs a passphrase, `pin-incorrect` if the
   *   passphrase is wrong.
   */
  static async fromPem(pem: string, passphrase?: string, algorithm?: AlgorithmName): Promise<DPoPProver> {
    const { MemorySigner } = await memory();
    return DPoPProver.create(MemorySigner.fromPem(pem, { passphrase, algorithm }));
  }

  /**
   * Makes the proof for one request. Every request needs a new proof, including a retry (RFC 9449 §7.3).
   *
   * @returns The value of the `DPoP` header: a compact JWS.
   * @throws {DPoPError} With a code that names the invalid option, such as `invalid-htu`.
   * @throws {SignerError} If the key can't sign.
   */
  async makeProof({
    htm,
    htu,
    exactHtu,
    accessToken,
    nonce,
    supportedAlgorithms,
    signal,
  }: ProofOptions): Promise<string> {
    const header = this.#headerFor(supportedAlgorithms);
    const claims = {
      jti: newJti(),
      htm: normalizeMethod(htm),
      htu: exactHtu ? assertExactHtu(htu) : this.#targetOf(htu),
      iat: Math.floor(Date.now() / 1000) + this.#clockOffset,
      // JSON.stringify omits undefined members.
      ath: accessToken === undefined ? undefined : this.#athOf(accessToken),
      nonce: nonce === undefined ? undefined : assertNonce(nonce),
    };
    const trace = () => this.#trace(claims);
    return traced(signatureChannel, trace, () => signCompact(header, claims, this.signer, { signal }));
  }

  /**
   * Corrects the clock of later proofs by the `Date` header of a server that rejected one. Ignores a change of less
   * than five seconds, and a correction of more than `maxClockSkew`.
   *
   * @param date - The `Date` header of the response that rejected the proof.
   * @returns Whether the correction has changed.
   */
  adjustClock(date: string | null): boolean {
    const now = Date.now();
    const offset = Math.round((Date.parse(date ?? "") - now) / 1000);
    const correction = Math.abs(offset - this.#initialOffset);
    if (!(correction <= this.#maxClockSkew) || Math.abs(offset - this.#clockOffset) < MIN_SKEW) return false;
    this.#clockOffset = offset;
    return true;
  }

  /** Seconds that are added to the system time for `iat`. See {@link adjustClock}. */
  get clockOffset(): number {
    return this.#clockOffset;
  }

  #headerFor(supported: readonly string[] | undefined): string {
    const name = nameFor(this.#algorithm, supported);
    if (name === this.alg) return this.#header;
    if (name !== undefined) return this.#headerWith(name);
    const message = `The server doesn't support proofs with ${this.alg}. It supports: ${supported?.join(", ")}.`;
    throw new DPoPError("misconfigured", message);
  }

  #headerWith(alg: string): string {
    return encodeHeader({ typ: "dpop+jwt", alg, jwk: this.publicJwk });
  }

  #athOf(accessToken: string): string {
    if (accessToken === "" || accessToken !== this.#lastToken.accessToken)
      this.#lastToken = { accessToken, ath: tokenHash(accessToken) };
    return this.#lastToken.ath;
  }

  #targetOf(htu: string | URL): string {
    if (typeof htu !== "string") return targetUri(htu);
    if (htu === "" || htu !== this.#lastUrl.htu) this.#lastUrl = { htu, target: targetUri(htu) };
    return this.#lastUrl.target;
  }

  #trace({ jti, htm, htu }: { jti: string; htm: string; htu: string }): SignatureTrace {
    const url = htu.replace(/[?#].*$/s, ""); // an exact htu may have a query
    return { kind: "dpop", jti, htm, htu: url, jkt: this.jkt, uri: this.signer.uri };
  }
}

function tokenHash(accessToken: string): string {
  if (typeof accessToken !== "string" || !VISIBLE.test(accessToken))
    throw new DPoPError(
      "invalid-access-token",
      "accessToken must consist of visible ASCII characters, without spaces or line breaks.",
    );
  return hash("sha256", accessToken, "base64url");
}

function assertSeconds(clockOffset: number): number {
  if (Number.isSafeInteger(clockOffset)) return clockOffset;
  throw new DPoPError("misconfigured", "clockOffset must be a whole number of seconds.");
}

function assertNonce(nonce: string): string {
  if (isNonce(nonce)) return nonce;
  throw new DPoPError("invalid-nonce", "nonce must be the value of the server's DPoP-Nonce header (RFC 9449 §8.1).");
}
