/**
 * Client attestations: a key in an HSM or KMS confirms that a short-lived key in a process belongs to a client
 * (draft-ietf-oauth-attestation-based-client-auth-12, "Client Attestation JWT").
 */
import { newJti } from "../../jose/jti.js";
import { thumbprint } from "../../jose/jwk-thumbprint.js";
import { importPublicKey, PRIVATE_MEMBERS, type PublicKeyMembers, publicMembers } from "../../jose/public-key.js";
import { signJwt } from "../../keystore/sign-jwt.js";
import type { Signer, SignOptions } from "../../keystore/signer.js";
import { signatureChannel, traced } from "../../tracing.js";
import { assertObject, assertString, misconfigured } from "../assert.js";
import { assertSigner } from "./client-assertion.js";

/** A key to attest, and the client that it belongs to. */
export interface KeyToAttest extends SignOptions {
  /** The `client_id`. It becomes the attestation's `sub`. */
  readonly clientId: string;
  /** The public key. It becomes the attestation's `cnf.jwk`. An RSA key needs its `alg`. */
  readonly jwk: PublicKeyMembers;
}

/**
 * Attests a key. {@link clientAttester} creates an attester in this process; a function of your own can request the
 * attestation from a service.
 *
 * @returns The attestation: a compact JWS.
 */
export type ClientAttester = (key: KeyToAttest) => Promise<string>;

/** Options of {@link clientAttester}. */
export interface ClientAttesterOptions {
  /** The attestation's `iss`, by which the authorization server finds the attester's public key. */
  issuer: string;
  /** Seconds, from 1 to 86,400: how long an attestation is valid. A stolen local key can be used no longer than this. */
  lifetime: number;
  /** Further header parameters, such as `x5c`. Default: `kid` is the thumbprint of the attester's key (RFC 7638). */
  header?: Readonly<Record<string, unknown>> | undefined;
  /** Additional claims, such as `status`. `iss`, `sub`, `jti`, `iat`, `exp` and `cnf` are overridden. */
  claims?: Readonly<Record<string, unknown>> | undefined;
}

const LONGEST_LIFETIME = 24 * 60 * 60; // seconds

/**
 * Creates an attester. Each call signs once with its key. The attester doesn't check who asks: in a service,
 * authenticate the caller, and verify that it has the private key.
 *
 * @example
 * ```ts
 * const attester = clientAttester(new KmsSigner(arn), { issuer: "https://attester.example.com", lifetime: 3600 });
 * ```
 * @param signer - The attester's key. Its public key must be known to the authorization server.
 * @returns A function that throws {@link SignerError} if the key can't sign, or with code `wrong-key` if `jwk` isn't a
 *   key that can sign; and {@link OAuthError} with code `misconfigured` if `jwk` contains a private key.
 * @throws {OAuthError} With code `misconfigured` if an option is invalid.
 */
export function clientAttester(signer: Signer, options: ClientAttesterOptions): ClientAttester {
  assertSigner(signer, "The signer of clientAttester");
  const { issuer, lifetime, header, claims } = assertObject(options, "The options of clientAttester");
  const iss = assertString(issuer, "issuer");
  assertLifetime(lifetime);
  return async ({ clientId, jwk, signal }) => {
    const sub = assertString(clientId, "clientId");
    assertPublic(jwk);
    const attestedKey = publicMembers(importPublicKey(jwk).jwk);
    const jkt = thumbprint(await signer.publicJwk({ signal }));
    const jti = newJti();
    const payload = () => {
      const iat = Math.floor(Date.now() / 1000);
      return { ...claims, iss, sub, jti, iat, exp: iat + lifetime, cnf: { jwk: attestedKey } };
    };
    const jwt = { typ: "oauth-client-attestation+jwt", header: { kid: jkt, ...header }, signal };
    const attested = { clientId: sub, attestedJkt: thumbprint(attestedKey) };
    const trace = () => ({ kind: "client_attestation" as const, jti, jkt, uri: signer.uri, ...attested });
    return traced(signatureChannel, trace, () => signJwt(signer, payload, jwt));
  };
}

/** A process that passes its private key to an attester has a defect, which must not go unnoticed. */
function assertPublic(jwk: PublicKeyMembers): void {
  const secret = PRIVATE_MEMBERS.find((member) => Object.hasOwn(assertObject(jwk, "jwk"), member));
  if (secret !== undefined)
    throw misconfigured(`jwk must be a public key, but it has the member ${secret}. Pass signer.publicJwk().`);
}

function assertLifetime(lifetime: number): void {
  if (!Number.isSafeInteger(lifetime) || lifetime < 1 || lifetime > LONGEST_LIFETIME)
    throw misconfigured(`lifetime must be a whole number of seconds from 1 to ${LONGEST_LIFETIME}.`);
}
