/** JWTs in compact form (RFC 7515 §7.1, RFC 7519) by any signer: proofs, client assertions, and the application's own. */

import { algorithmNamed, findAlgorithm } from "../jose/find-algorithm.js";
import { assertObject, assertSigner } from "./assert.js";
import { signFresh, type TimedSigning } from "./fresh-signature.js";
import { traceReplica } from "./signed-by.js";
import type { Signer, SignOptions } from "./signer.js";
import { misconfigured } from "./signer-error.js";

/** Options of {@link signJwt}. */
export interface JwtOptions extends SignOptions {
  /**
   * Header parameters, such as `kid`, `x5c` or `x5t#S256` (RFC 7515 §4.1). `alg` is that of the key: it may be left out,
   * but must not be another one.
   */
  header?: Readonly<Record<string, unknown>> | undefined;
  /** The header parameter `typ`. Default: that of `header`, otherwise `JWT`. `null`: none. */
  typ?: string | null | undefined;
  /**
   * Seconds. If the store takes longer than this to return the signature, the JWT is signed once more, with new claims;
   * if that takes too long as well, the call fails with code `timeout`. It counts from when the function `claims` is
   * called. Default: no limit.
   */
  maxAge?: number | undefined;
}

/** Options of {@link signCompact}. */
export interface CompactOptions extends SignOptions, Pick<JwtOptions, "maxAge"> {
  /** Gets the URI of the replica that signed. */
  trace?: { uri: string | undefined } | undefined;
}

/**
 * Signs a JWT. Adds no claim: set `iat`, `exp` and `jti` yourself.
 *
 * @example
 * ```ts
 * const jwt = await signJwt(signer, { iss: "agent-7", exp: now + 60 }, { header: { kid: "agent-7-key" } });
 * ```
 * @param claims - The claims, as a JSON object. Members that are `undefined` are left out. A function is called
 *   when the request is handed to the store, so that `iat` can be the time of signing.
 * @returns A compact JWS: `header.claims.signature`, each in base64url.
 * @throws {SignerError} If the key can't sign. With code `misconfigured` if `signer` isn't a signer, `claims` or `header`
 *   isn't an object that JSON can represent, or `header` has the `alg` of another key, or `b64` (RFC 7797).
 */
export async function signJwt(
  signer: Signer,
  claims: object | (() => object),
  options: JwtOptions = {},
): Promise<string> {
  const { header = {}, typ, maxAge, signal } = assertObject(options, "The options of signJwt");
  assertJsonObject(header, "header");
  const { alg } = await assertSigner(signer).publicJwk({ signal });
  const parameters = { typ: "JWT", ...header, alg: headerAlgorithm(alg, header.alg) };
  if (typ !== undefined) Object.assign(parameters, { typ: typ ?? undefined });
  if ("b64" in header) throw misconfigured("A JWT can't have the header parameter b64 (RFC 7797 §7).");
  return signCompact(encodeHeader(parameters), claims, signer, { maxAge, signal });
}

/** Returns the requested name of the key's algorithm: `Ed25519` may also be called `EdDSA`. */
function headerAlgorithm(alg: string, requested: unknown): unknown {
  if (requested === undefined) return algorithmNamed(alg).alg;
  if (findAlgorithm(requested) === algorithmNamed(alg)) return requested;
  throw misconfigured(`The key signs with ${alg}, but the header has alg ${String(requested)}.`);
}

/** Encodes a protected header. The result can be reused for every JWT with this header. */
export function encodeHeader(header: object): string {
  return encode(header);
}

/**
 * Signs a JWT whose header is complete.
 *
 * @param header - The result of {@link encodeHeader}.
 * @param claims - As for {@link signJwt}.
 * @returns `header.claims.signature`.
 * @throws {SignerError} If the key can't sign, or with code `timeout` if it took longer than `maxAge` twice.
 */
export function signCompact(
  header: string,
  claims: object | (() => object),
  signer: Signer,
  options: CompactOptions,
): Promise<string> {
  if (typeof claims !== "function") return signOnce(header, claims, signer, options);
  const sign: TimedSigning<string> = (claimsMade) => {
    const make = () => {
      claimsMade();
      return claims();
    };
    return signOnce(header, make, signer, options);
  };
  return signFresh(sign, options.maxAge, signer.uri);
}

async function signOnce(
  header: string,
  claims: object | (() => object),
  signer: Signer,
  { trace, signal }: CompactOptions,
): Promise<string> {
  let input = "";
  const message = (payload: object) => {
    input = `${header}.${encode(payload)}`;
    return Buffer.from(input, "latin1");
  };
  const signature = await signer.sign(typeof claims === "function" ? () => message(claims()) : message(claims), {
    signal,
  });
  traceReplica(signature, trace);
  return `${input}.${Buffer.from(signature.buffer, signature.byteOffset, signature.byteLength).toString("base64url")}`;
}

function encode(value: object): string {
  assertJsonObject(value, "claims");
  return Buffer.from(toJson(value)).toString("base64url");
}

/** A promise, whose JSON is `{}`, comes from an async function for the claims. */
function assertJsonObject(value: object, name: string): void {
  if (typeof value !== "object" || value === null || Array.isArray(value) || "then" in value)
    throw misconfigured(`The ${name} of a JWT must be a JSON object.`);
}

/** Some objects can't be represented, and a `toJSON`, as that of a `Date`, can return something else. */
function toJson(value: object): string {
  const json = stringify(value);
  if (json?.startsWith("{")) return json;
  throw misconfigured("The claims and the header of a JWT must be JSON objects.");
}

function stringify(value: object): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw misconfigured("The claims and the header of a JWT must contain only what JSON can represent.", { cause });
  }
}
