/** DPoP proofs (RFC 9449 §4.2), signed by any {@link Signer}. */
import { hash } from "node:crypto";
import { DPoPError } from "../errors.js";
import type { Algorithm, AlgorithmName } from "../jose/algorithms.js";
import { nameFor } from "../jose/find-algorithm.js";
import { newJti } from "../jose/jti.js";
import { thumbprint } from "../jose/jwk-thumbprint.js";
import { importPublicKey, type PublicKeyMembers, publicMembers } from "../jose/public-key.js";
import { assertObject, assertSigner } from "../keystore/assert.js";
import { memory } from "../keystore/built-in-providers.js";
import { type KeyRequirement, requireNonExportable } from "../keystore/require-non-exportable.js";
import { encodeHeader, signCompact } from "../keystore/sign-jwt.js";
import type { Signer, SignOptions } from "../keystore/signer.js";
import { type SignatureTrace, signatureChannel, traced } from "../tracing.js";
import { DEFAULT_MAX_SKEW } from "./clock.js";
import { normalizeMethod } from "./http-method.js";
import { isNonce } from "./nonce-cache.js";
import { claimMembers, headerMembers, type ProofMembers } from "./proof-members.js";
import { assertProofOptions, type ProofOptions } from "./proof-options.js";
import { ServerClocks } from "./server-clocks.js";
import { assertExactHtu } from "./signed-htu.js";
import { originOf, type Target, targetUri } from "./target-uri.js";

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
   * Seconds. A proof that is older than this when the store returns its signature isn't sent: it is signed once more, and if
   * that takes too long as well, the call fails with code `timeout`. Default: 5.
   */
  maxProofAge?: number | undefined;
  /**
   * Seconds to add to the system time for `iat`, if this machine's clock is wrong and can't be corrected. A later correction
   * by a server's `Date` replaces it for that server. Default: 0.
   */
  clockOffset?: number | undefined;
}

const DEFAULT_MAX_AGE = 5; // seconds

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
  readonly #clocks: ServerClocks;
  readonly #maxAge: number;
  /** Caches the last token's hash and the last URL's target: most calls repeat those of the previous call. */
  #lastToken = { accessToken: "", ath: "" };
  #lastUrl = { htu: "", target: "", origin: "" };

  private constructor(signer: Signer, publicJwk: PublicKeyMembers, algorithm: Algorithm, options: ProverOptions) {
    const { maxClockSkew = DEFAULT_MAX_SKEW, maxProofAge = DEFAULT_MAX_AGE } = options;
    this.#clocks = new ServerClocks(maxClockSkew, assertSeconds(options.clockOffset ?? 0));
    this.#maxAge = maxProofAge;
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
   * @throws {DPoPError} With code `misconfigured` if `maxProofAge` isn't a number above 0, or `clockOffset` isn't
   *   a whole number.
   */
  static async create(signer: Signer, options: ProverOptions = {}): Promise<DPoPProver> {
    const { require, signal, maxProofAge = DEFAULT_MAX_AGE } = assertObject(options, "The options of the prover");
    if (!(typeof maxProofAge === "number" && maxProofAge > 0))
      throw new DPoPError("misconfigured", "maxProofAge must be a number of seconds above 0.");
    assertSigner(signer);
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
   * Makes the proof for one request. Every request needs a new proof, including a retry (RFC 9449 §7.3). Its `iat` is the
   * time at which the store was ready to sign, so a proof doesn't age while its request waits for the key.
   *
   * @returns The value of the `DPoP` header: a compact JWS.
   * @throws {DPoPError} With a code that names the invalid option, such as `invalid-htu`.
   * @throws {SignerError} If the key can't sign. With code `timeout` if the proof was older than `maxProofAge` twice.
   */
  async makeProof(options: ProofOptions): Promise<string> {
    const { htm, htu, accessToken, nonce, exactHtu, requestUrl, signal } = assertProofOptions(options);
    const header = this.#headerFor(options.supportedAlgorithms, headerMembers(options.header));
    const additional = claimMembers(options.claims);
    const { target, origin: signedOrigin } = exactHtu ? exactTarget(htu) : this.#targetOf(htu);
    const origin = requestUrl === undefined ? signedOrigin : originOf(requestUrl);
    const request = { jti: newJti(), htm: normalizeMethod(htm), htu: target };
    const ath = accessToken === undefined ? undefined : this.#athOf(accessToken);
    if (typeof nonce === "string") assertNonce(nonce);
    const claims = () => ({
      ...request,
      iat: this.#now(origin),
      ath, // JSON.stringify omits undefined members.
      nonce: currentNonce(nonce),
      ...additional,
    });
    const signing = { maxAge: this.#maxAge, signal };
    const newTrace = () => this.#trace(request);
    return traced(signatureChannel, newTrace, (trace) =>
      signCompact(header, claims, this.signer, { ...signing, trace }),
    );
  }

  /**
   * Corrects the clock of later proofs for one server by the `Date` header of its response that rejected a proof. Ignores
   * a change of less than five seconds, and a correction of more than `maxClockSkew`.
   *
   * @param date - The `Date` header of the response that rejected the proof.
   * @param url - Any URL of the server. Without it, the correction is for all servers that have none of their own.
   * @returns Whether the correction has changed.
   */
  adjustClock(date: string | null, url?: string | URL): boolean {
    return this.#clocks.adjust(date, url === undefined ? undefined : originOf(url));
  }

  /**
   * Returns the seconds that are added to the system time for `iat` in proofs for a server. See {@link adjustClock}.
   *
   * @param url - Any URL of the server: each origin has a correction of its own.
   */
  clockOffsetFor(url: string | URL): number {
    return this.#clocks.offsetFor(originOf(url));
  }

  /** Seconds that are added to the system time for servers without a correction of their own. */
  get clockOffset(): number {
    return this.#clocks.default;
  }

  #now(origin: string): number {
    return Math.floor(Date.now() / 1000) + this.#clocks.offsetFor(origin);
  }

  #headerFor(supported: readonly string[] | undefined, more: ProofMembers | undefined): string {
    const name = nameFor(this.#algorithm, supported);
    if (name === this.alg && more === undefined) return this.#header;
    if (name !== undefined) return this.#headerWith(name, more);
    const message = `The server doesn't support proofs with ${this.alg}. It supports: ${supported?.join(", ")}.`;
    throw new DPoPError("misconfigured", message);
  }

  #headerWith(alg: string, more?: ProofMembers): string {
    return encodeHeader({ typ: "dpop+jwt", alg, jwk: this.publicJwk, ...more });
  }

  #athOf(accessToken: string): string {
    if (accessToken === "" || accessToken !== this.#lastToken.accessToken)
      this.#lastToken = { accessToken, ath: tokenHash(accessToken) };
    return this.#lastToken.ath;
  }

  #targetOf(htu: string | URL): Target {
    if (typeof htu !== "string") return targetUri(htu);
    if (htu === "" || htu !== this.#lastUrl.htu) this.#lastUrl = { htu, ...targetUri(htu) };
    return this.#lastUrl;
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

/** An exact `htu` may not be a URL: its proof then has the clock of servers without a correction of their own. */
function exactTarget(htu: string | URL): Target {
  const target = assertExactHtu(htu);
  return { target, origin: URL.canParse(target) ? new URL(target).origin : "" };
}

function currentNonce(nonce: ProofOptions["nonce"]): string | undefined {
  if (typeof nonce !== "function") return nonce;
  const current = nonce();
  return current === undefined ? undefined : assertNonce(current);
}

function assertSeconds(clockOffset: number): number {
  if (Number.isSafeInteger(clockOffset)) return clockOffset;
  throw new DPoPError("misconfigured", "clockOffset must be a whole number of seconds.");
}

function assertNonce(nonce: string): string {
  if (isNonce(nonce)) return nonce;
  throw new DPoPError("invalid-nonce", "nonce must be the value of the server's DPoP-Nonce header (RFC 9449 §8.1).");
}
