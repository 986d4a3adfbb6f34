/** JWT assertions signed by a `Signer`: as a client's authentication and as a grant (RFC 7523, RFC 7521). */
import { newJti } from "../../jose/jti.js";
import { thumbprint } from "../../jose/jwk-thumbprint.js";
import { encodeHeader, signCompact } from "../../keystore/sign-jwt.js";
import type { Signer, SignOptions } from "../../keystore/signer.js";
import { signatureChannel, traced } from "../../tracing.js";

/** Who says what of whom (RFC 7523 §3). */
export interface AssertionClaims {
  iss: string;
  sub: string;
  aud: string;
  /** More claims: none of the named ones. */
  [claim: string]: unknown;
}

export interface AssertionKey {
  /** The key that signs: the same as DPoP's or another. */
  signer: Signer;
  /** The `kid` under which the server knows the key. Default: the key's thumbprint (RFC 7638); `null` leaves it out. */
  keyId?: string | null | undefined;
}

const LIFETIME = 60; // seconds

/**
 * Signs one assertion, for one request: its `jti` is fresh, and it is good for 60 seconds.
 *
 * @param now - seconds since 1970
 * @returns a compact JWS
 * @throws {SignerError} code of why the key did not sign
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
