/** DPoP proofs (RFC 9449 §4.2), made with any signer. */
import { hash } from "node:crypto";
import { DPoPError } from "../errors.js";
import { newJti } from "../jose/jti.js";
import { thumbprint } from "../jose/jwk-thumbprint.js";
import { memory } from "../keystore/built-in-providers.js";
import { type KeyRequirement, requireNonExportable } from "../keystore/require-non-exportable.js";
import { encodeHeader, signCompact } from "../keystore/sign-jwt.js";
import type { PublicJwk, Signer, SignOptions } from "../keystore/signer.js";
import { type SignatureTrace, signatureChannel, traced } from "../tracing.js";
import { sentMethod } from "./http-method.js";
import { isNonce } from "./nonce-cache.js";

/** What one proof is for. */
export interface ProofOptions extends SignOptions {
  /**
   * The method of the request, as it is sent. `DELETE GET HEAD OPTIONS POST PUT` are taken in any case and signed in
   * upper case, as `fetch` sends them; any other is signed as given, since `fetch` sends `patch` in lower case.
   */
  htm: string;
  /** The URL of the request, absolute, `http:` or `https:`. Query and fragment are cut off. */
  htu: string | URL;
  /** The access token that goes with the request: its hash becomes `ath`. */
  accessToken?: string | undefined;
  /** The server's last `DPoP-Nonce`. */
  nonce?: string | undefined;
}

export interface ProverOptions extends SignOptions {
  /** Refuses a key that can be exported, or lives elsewhere, before the first proof. See {@link requireNonExportable}. */
  require?: KeyRequirement | undefined;
  /**
   * Seconds by which a server that refuses a proof may set the clock of later ones, by its `Date` header. Default 600; 0
   * turns it off.
   */
  maxClockSkew?: number | undefined;
}

const MOST_SKEW = 600;
const LEAST_SKEW = 5;

const VISIBLE = /^[\x21-\x7e]+$/;

/**
 * Makes DPoP proofs with one key.
 *
 * @example
 * ```ts
 * const prover = await DPoPProver.create(new Pkcs11Signer({ module, token: "agents", key: "dpop", pin }));
 * const proof = await prover.makeProof({ htm: "GET", htu: "https://api.example.com/resource", accessToken });
 * ```
 */
export class DPoPProver {
  /** The key behind it. */
  readonly signer: Signer;
  /** The public key, as it stands in each proof's header. */
  readonly publicJwk: PublicJwk;
  /** SHA-256 JWK thumbprint of the public key (RFC 7638), base64url, 43 characters: what `cnf.jkt` must say. */
  readonly jkt: string;
  readonly #header: string;
  readonly #maxClockSkew: number;
  #clockOffset = 0;
  /** The last token's hash, and the last URL's target: most calls are with the same one as the call before. */
  #hashed = { accessToken: "", ath: "" };
  #read = { htu: "", target: "" };

  private constructor(signer: Signer, publicJwk: PublicJwk, jkt: string, maxClockSkew: number) {
    this.#maxClockSkew = maxClockSkew;
    this.signer = signer;
    this.publicJwk = publicJwk;
    this.jkt = jkt;
    this.#header = encodeHeader({ typ: "dpop+jwt", alg: signer.alg, jwk: publicJwk });
  }

  /**
   * Opens the signer's key and makes a prover of it.
   *
   * @throws {SignerError} code of what is wrong with the key
   */
  static async create(signer: Signer, options: ProverOptions = {}): Promise<DPoPProver> {
    const { require, signal, maxClockSkew = MOST_SKEW } = options;
    if (require) await requireNonExportable(signer, { ...require, signal });
    const { kty, crv, x, y } = await signer.publicJwk({ signal });
    const publicJwk = Object.freeze({ kty, crv, x, y });
    return new DPoPProver(signer, publicJwk, thumbprint(publicJwk), maxClockSkew);
  }

  /** Makes a prover with a fresh key in this process's memory: for tests, and for keys as short-lived as the process. */
  static async generate(): Promise<DPoPProver> {
    const { MemorySigner } = await memory();
    return DPoPProver.create(MemorySigner.generate());
  }

  /**
   * Makes a prover with a private key from PEM.
   *
   * @param pem - PKCS#8, encrypted PKCS#8, or SEC1
   * @throws {SignerError} `wrong-key` if it is no P-256 private key, `pin-required` or `pin-incorrect` for its passphrase
   */
  static async fromPem(pem: string, passphrase?: string): Promise<DPoPProver> {
    const { MemorySigner } = await memory();
    return DPoPProver.create(MemorySigner.fromPem(pem, { passphrase }));
  }

  /**
   * Makes one proof, for one request. Every request needs its own, a retry too (RFC 9449 §7.3).
   *
   * @returns a compact JWS, the value of the `DPoP` header
   * @throws {DPoPError} code of the argument that was refused
   * @throws {SignerError} code of why the key did not sign
   */
  async makeProof({ htm, htu, accessToken, nonce, signal }: ProofOptions): Promise<string> {
    const claims = {
      jti: newJti(),
      htm: sentMethod(htm),
      htu: this.#targetOf(htu),
      iat: Math.floor(Date.now() / 1000) + this.#clockOffset,
      // JSON leaves out what is undefined.
      ath: accessToken === undefined ? undefined : this.#athOf(accessToken),
      nonce: nonce === undefined ? undefined : checkNonce(nonce),
    };
    const trace = () => this.#trace(claims);
    return traced(signatureChannel, trace, () => signCompact(this.#header, claims, this.signer, { signal }));
  }

  /**
   * Sets the clock of later proofs by a server that refused one. A difference of a few seconds is no skew, and one above
   * the bound is not believed.
   *
   * @param date - the `Date` header of the refusal
   * @returns whether the next proof will say another time
   */
  adjustClock(date: string | null): boolean {
    const now = Date.now();
    const offset = Math.round((Date.parse(date ?? "") - now) / 1000);
    if (!(Math.abs(offset) <= this.#maxClockSkew) || Math.abs(offset - this.#clockOffset) < LEAST_SKEW) return false;
    this.#clockOffset = offset;
    return true;
  }

  /** Seconds by which a server has set the clock of proofs: see {@link adjustClock}. */
  get clockOffset(): number {
    return this.#clockOffset;
  }

  #athOf(accessToken: string): string {
    if (accessToken === "" || accessToken !== this.#hashed.accessToken)
      this.#hashed = { accessToken, ath: tokenHash(accessToken) };
    return this.#hashed.ath;
  }

  #targetOf(htu: string | URL): string {
    if (typeof htu !== "string") return target(htu);
    if (htu === "" || htu !== this.#read.htu) this.#read = { htu, target: target(htu) };
    return this.#read.target;
  }

  #trace({ jti, htm, htu }: { jti: string; htm: string; htu: string }): SignatureTrace {
    return { kind: "dpop", jti, htm, htu, jkt: this.jkt, uri: this.signer.uri };
  }
}

function target(htu: string | URL): string {
  const url = htu instanceof URL ? htu : parseUrl(htu);
  if (url?.protocol !== "https:" && url?.protocol !== "http:")
    throw new DPoPError("invalid-htu", "htu must be the absolute http(s) URL of the request.");
  if (url.username || url.password)
    throw new DPoPError("invalid-htu", `htu must not hold a user name or password (${url.host}).`);
  return url.origin + url.pathname;
}

function parseUrl(htu: string): URL | undefined {
  try {
    return new URL(htu);
  } catch {
    return undefined;
  }
}

function tokenHash(accessToken: string): string {
  if (typeof accessToken !== "string" || !VISIBLE.test(accessToken))
    throw new DPoPError("invalid-access-token", "accessToken must be visible ASCII, without spaces or line breaks.");
  return hash("sha256", accessToken, "base64url");
}

function checkNonce(nonce: string): string {
  if (isNonce(nonce)) return nonce;
  throw new DPoPError("invalid-nonce", "nonce must be what the server sent in DPoP-Nonce (RFC 9449 §8.1).");
}
