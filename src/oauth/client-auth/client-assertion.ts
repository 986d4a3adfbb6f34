/** JWT assertions signed by a `Signer`, for client authentication and as a grant (RFC 7521, RFC 7523). */
import { newJti } from "../../jose/jti.js";
import { thumbprint } from "../../jose/jwk-thumbprint.js";
import { isSigner } from "../../keystore/assert.js";
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
/** Seconds. An assertion that has less than half of its lifetime left when it is signed is signed again. */
const MAX_AGE = LIFETIME / 2;

/**
 * Checks the options.
 *
 * @param prefix - The name of the object in the error, with a dot, or an empty string.
 * @throws {OAuthError} With code `misconfigured` if one is invalid.
 */
export function assertAssertionKey(key: AssertionKey, prefix: string): void {
  const { signer, keyId, typ } = key ?? {};
  assertSigner(signer, `${prefix}signer`);
  if (keyId != null) assertString(keyId, `${prefix}keyId`);
  if (typ !== undefined) assertString(typ, `${prefix}typ`);
  additionalHeader(key, prefix);
}

/**
 * Checks an option.
 *
 * @throws {OAuthError} With code `misconfigured` if it isn't a signer.
 */
export function assertSigner(signer: Signer | undefined, name: string): void {
  if (!isSigner(signer)) throw misconfigured(`${name} must be a Signer.`);
}

/**
 * Signs an assertion for one request, with a unique `jti`. It is valid for 60 seconds from when the store was ready to sign.
 *
 * @param now - Returns the current time, in seconds since 1970.
 * @returns A compact JWS.
 * @throws {SignerError} If the key can't sign, or with code `timeout` if it took more than half of the lifetime twice.
 * @throws {OAuthError} With code `misconfigured` if the server doesn't list the key's algorithm.
 */
export async function signAssertion(
  key: AssertionKey,
  claims: AssertionClaims,
  now: () => number,
  { algorithms, signal }: AssertionOptions,
) {
  const { signer, keyId, typ = "JWT" } = key;
  const jwk = await signer.publicJwk({ signal });
  const alg = supportedName(jwk.alg, algorithms, "client assertions");
  const jkt = thumbprint(jwk);
  const kid = keyId === undefined ? jkt : (keyId ?? undefined);
  const header = encodeHeader({ typ, alg, kid, ...additionalHeader(key, "") });
  const jti = newJti();
  const payload = () => {
    const iat = now();
    return { ...claims, jti, iat, exp: iat + LIFETIME };
  };
  const newTrace = () => ({ kind: "client_assertion" as const, jti, jkt, uri: signer.uri, aud: claims.aud });
  const options = { maxAge: MAX_AGE, signal };
  return traced(signatureChannel, newTrace, (trace) => signCompact(header, payload, signer, { ...options, trace }));
}

/** Header parameters that have an option of their own, or that change how a JWS is read. */
const RESERVED = ["alg", "b64", "crit", "kid", "typ"];

/**
 * Returns the header parameters of the options `header` and `certificate`.
 *
 * @param prefix - As for {@link assertAssertionKey}.
 * @throws {OAuthError} With code `misconfigured` if `header` has a parameter that it can't contain.
 */
export function additionalHeader(
  { header = {}, certificate }: AssertionKey,
  prefix: string,
): Readonly<Record<string, unknown>> {
  if (typeof header !== "object" || header === null) throw misconfigured(`${prefix}header must be an object.`);
  const reserved = RESERVED.find((parameter) => Object.hasOwn(header, parameter));
  if (reserved !== undefined) throw misconfigured(`${prefix}header can't contain ${reserved}.`);
  return certificate === undefined ? header : { "x5t#S256": certificateThumbprint(certificate), ...header };
}
