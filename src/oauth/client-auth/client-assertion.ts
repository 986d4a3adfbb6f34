/** JWT assertions signed by a `Signer`, for client authentication and as a grant (RFC 7521, RFC 7523). */
import { newJti } from "../../jose/jti.js";
import { thumbprint } from "../../jose/jwk-thumbprint.js";
import { encodeHeader, signCompact } from "../../keystore/sign-jwt.js";
import type { Signer, SignOptions } from "../../keystore/signer.js";
import { signatureChannel, traced } from "../../tracing.js";
import { assertString, misconfigured } from "../assert.js";
import { certificateThumbprint } from "../certificate.js";
import { supportedName } from "../server-metadata.js";

/** JWT assertion claims (RFC 7523 §3). */
export interface AssertionClaims {
  iss: string;
  sub: string;
  aud: string;
  /** Additional claims. `jti`, `iat` and `exp` are overridden. */
  [claim: string]: unknown;
}

/** The key that signs assertions. */
export interface AssertionKey {
  /** Signs the assertions. May be the signer of the DPoP proofs or another one. */
  signer: Signer;
  /**
   * The `kid` header, by which the server finds the public key. Default: the key's thumbprint (RFC 7638). `null`: none.
   */
  keyId?: string | null | undefined;
  /** The `typ` header. Default: `JWT`. Newer servers may require `client-authentication+jwt` (RFC 7523bis). */
  typ?: string | undefined;
  /**
   * The certificate of the key, in PEM or DER, for a server that finds the key by the header `x5t#S256`, as Microsoft
   * Entra does. Of several certificates in PEM, the first.
   */
  certificate?: string | Uint8Array | undefined;
  /** Further header parameters, such as `x5c`. Not `alg`, `typ` or `kid`. */
  header?: Readonly<Record<string, unknown>> | undefined;
}

/** Options of {@link signAssertion}. */
export interface AssertionOptions extends SignOptions {
  /** The JWS algorithms that the server lists for the assertion, if it does. */
  algorithms?: readonly string[] | undefined;
}

const LIFETIME = 60; // seconds

/**
 * Checks an option.
 *
 * @throws {OAuthError} With code `misconfigured` if it isn't a signer.
 */
export function assertSigner(signer: Signer, name: string): void {
  if (typeof signer?.sign !== "function" || typeof signer.publicJwk !== "function")
    throw misconfigured(`${name} must be a Signer.`);
}

/**
 * Checks the key of an option.
 *
 * @throws {OAuthError} With code `misconfigured`, naming the option, if there isn't a signer, or another member has the
 *   wrong type.
 */
export function assertKey(key: AssertionKey, name: string): void {
  if (typeof key !== "object" || key === null) throw misconfigured(`${name} must be an object with a signer.`);
  assertSigner(key.signer, `${name}.signer`);
  if (key.keyId != null) assertString(key.keyId, `${name}.keyId`);
  if (key.typ !== undefined) assertString(key.typ, `${name}.typ`);
  additionalHeader(key, name);
}

/**
 * Signs an assertion for one request, with a unique `jti`. It is valid for 60 seconds.
 *
 * @param now - The current time, in seconds since 1970.
 * @returns A compact JWS.
 * @throws {SignerError} If the key can't sign.
 * @throws {OAuthError} With code `misconfigured` if the server doesn't list the key's algorithm.
 */
export async function signAssertion(
  key: AssertionKey,
  claims: AssertionClaims,
  now: number,
  { algorithms, signal }: AssertionOptions,
) {
  const { signer, keyId, typ = "JWT" } = key;
  const jwk = await signer.publicJwk({ signal });
  const alg = supportedName(jwk.alg, algorithms, "client assertions");
  const jkt = thumbprint(jwk);
  const kid = keyId === undefined ? jkt : (keyId ?? undefined);
  const header = encodeHeader({ typ, alg, kid, ...additionalHeader(key, "the key") });
  const jti = newJti();
  const payload = { ...claims, jti, iat: now, exp: now + LIFETIME };
  const trace = () => ({ kind: "client_assertion" as const, jti, jkt, uri: signer.uri, aud: claims.aud });
  return traced(signatureChannel, trace, () => signCompact(header, payload, signer, { signal }));
}

/** Header parameters that have an option of their own, or that change how a JWS is read. */
const RESERVED = ["alg", "b64", "crit", "kid", "typ"];

function additionalHeader({ header = {}, certificate }: AssertionKey, name: string): Readonly<Record<string, unknown>> {
  if (typeof header !== "object" || header === null) throw misconfigured(`${name}.header must be an object.`);
  const reserved = RESERVED.find((parameter) => Object.hasOwn(header, parameter));
  if (reserved !== undefined) throw misconfigured(`${name}.header can't contain ${reserved}.`);
  return certificate === undefined ? header : { "x5t#S256": certificateThumbprint(certificate), ...header };
}
