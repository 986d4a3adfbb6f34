/** JWT assertions signed by a `Signer`, for client authentication and as a grant (RFC 7521, RFC 7523). */
import { newJti } from "../../jose/jti.js";
import { thumbprint } from "../../jose/jwk-thumbprint.js";
import { isSigner } from "../../keystore/assert.js";
import { encodeHeader, signCompact } from "../../keystore/sign-jwt.js";
import type { Signer, SignOptions } from "../../keystore/signer.js";
import { signatureChannel, traced } from "../../tracing.js";
import { assertString, misconfigured } from "../assert.js";
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
}

/** Options of {@link signAssertion}. */
export interface AssertionOptions extends SignOptions {
  /** The JWS algorithms that the server lists for the assertion, if it does. */
  algorithms?: readonly string[] | undefined;
}

const LIFETIME = 60; // seconds

/**
 * Checks the options.
 *
 * @param prefix - The name of the object in the error, with a dot, or an empty string.
 * @throws {OAuthError} With code `misconfigured` if one is invalid.
 */
export function assertAssertionKey(key: AssertionKey, prefix: string): void {
  const { signer, keyId } = key ?? {};
  if (!isSigner(signer)) throw misconfigured(`${prefix}signer must be a Signer.`);
  if (keyId != null) assertString(keyId, `${prefix}keyId`);
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
  { signer, keyId }: AssertionKey,
  claims: AssertionClaims,
  now: number,
  { algorithms, signal }: AssertionOptions,
) {
  const jwk = await signer.publicJwk({ signal });
  const alg = supportedName(jwk.alg, algorithms, "client assertions");
  const jkt = thumbprint(jwk);
  const kid = keyId === undefined ? jkt : (keyId ?? undefined);
  const header = encodeHeader({ typ: "JWT", alg, kid });
  const jti = newJti();
  const payload = { ...claims, jti, iat: now, exp: now + LIFETIME };
  const trace = () => ({ kind: "client_assertion" as const, jti, jkt, uri: signer.uri, aud: claims.aud });
  return traced(signatureChannel, trace, () => signCompact(header, payload, signer, { signal }));
}
