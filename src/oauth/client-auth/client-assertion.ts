/** JWT assertions signed by a `Signer`, for client authentication and as a grant (RFC 7521, RFC 7523). */
import { newJti } from "../../jose/jti.js";
import { thumbprint } from "../../jose/jwk-thumbprint.js";
import { encodeHeader, signCompact } from "../../keystore/sign-jwt.js";
import type { Signer, SignOptions } from "../../keystore/signer.js";
import { signatureChannel, traced } from "../../tracing.js";

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

const LIFETIME = 60; // seconds

/**
 * Signs an assertion for one request, with a unique `jti`. It is valid for 60 seconds.
 *
 * @param now - The current time, in seconds since 1970.
 * @returns A compact JWS.
 * @throws {SignerError} If the key can't sign.
 */
export async function signAssertion(key: AssertionKey, claims: AssertionClaims, now: number, options: SignOptions) {
  const { signer } = key;
  const jkt = thumbprint(await signer.publicJwk(options));
  const kid = key.keyId === undefined ? jkt : (key.keyId ?? undefined);
  const header = encodeHeader({ typ: "JWT", alg: signer.alg, kid });
  const jti = newJti();
  const payload = { ...claims, jti, iat: now, exp: now + LIFETIME };
  const trace = () => ({ kind: "client_assertion" as const, jti, jkt, uri: signer.uri, aud: claims.aud });
  return traced(signatureChannel, trace, () => signCompact(header, payload, signer, options));
}
