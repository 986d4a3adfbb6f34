/** Signed request objects: the parameters of an authorization request as a JWT (RFC 9101), by value or pushed. */
import { newJti } from "../../jose/jti.js";
import { thumbprint } from "../../jose/jwk-thumbprint.js";
import { encodeHeader, signCompact } from "../../keystore/sign-jwt.js";
import type { SignOptions } from "../../keystore/signer.js";
import { signatureChannel, traced } from "../../tracing.js";
import { misconfigured } from "../assert.js";
import { type AssertionKey, additionalHeader } from "../client-auth/client-assertion.js";
import { type ServerMetadata, supportedName } from "../server-metadata.js";
import { isSpaceDelimited } from "../space-delimited.js";
import { createForm, type ExtraFields } from "../token/token-request.js";

/** What a request object contains, and for whom it is. */
export interface RequestObject extends SignOptions {
  clientId: string;
  /** The server's issuer identifier: the audience. */
  issuer: string | undefined;
  metadata: ServerMetadata | undefined;
  parameters: ExtraFields;
  /** The caller's additional parameters. */
  extra: ExtraFields | undefined;
  /** Returns the seconds since 1970. */
  now: () => number;
}

/** Seconds in which the user's browser must open the URL. */
const LIFETIME = 300;
/** Seconds. A request object that has less than half of its lifetime left when it is signed is signed again. */
const MAX_AGE = LIFETIME / 2;
const TYPE = "oauth-authz-req+jwt";
/** Parameters whose value is JSON. In a JWT, it isn't encoded again (OpenID Connect Core §6.1, RFC 9396 §6.2). */
const JSON_PARAMETERS = ["authorization_details", "claims"];

/**
 * Signs the parameters of an authorization request. The result is valid for five minutes.
 *
 * @returns A compact JWS.
 * @throws {OAuthError} With code `misconfigured` if the issuer isn't known, the server doesn't list the key's algorithm,
 *   or a parameter can't be part of a request object.
 * @throws {SignerError} If the key can't sign.
 */
export async function signRequestObject(key: AssertionKey, object: RequestObject): Promise<string> {
  const { signer, keyId } = key;
  const { clientId: iss, issuer: aud, metadata, now, signal } = object;
  if (aud === undefined)
    throw misconfigured("requestObject needs the server's issuer. Use discover() or the option issuer.");
  const jwk = await signer.publicJwk({ signal });
  const alg = supportedName(jwk.alg, metadata?.request_object_signing_alg_values_supported, "request objects");
  const jkt = thumbprint(jwk);
  const kid = keyId === undefined ? jkt : (keyId ?? undefined);
  const jti = newJti();
  const claims = parameterClaims(object);
  const withTime = () => {
    const iat = now();
    return { ...claims, iss, aud, jti, iat, nbf: iat, exp: iat + LIFETIME };
  };
  const header = encodeHeader({ ...additionalHeader(key, "requestObject."), typ: TYPE, alg, kid });
  const newTrace = () => ({ kind: "request_object" as const, jti, jkt, uri: signer.uri, aud });
  const options = { maxAge: MAX_AGE, signal };
  return traced(signatureChannel, newTrace, (trace) => signCompact(header, withTime, signer, { ...options, trace }));
}

/** Claims of the JWT itself, which a parameter must not replace. `sub` would make it a client assertion (§10.8). */
const RESERVED = { iss: "", sub: "", aud: "", exp: "", nbf: "", iat: "", jti: "", request: "", request_uri: "" };

/** Returns the parameters with their JSON types (RFC 9101 §4). Several values become an array. */
function parameterClaims({ parameters, extra = {} }: RequestObject): Record<string, unknown> {
  createForm({ ...RESERVED, ...parameters }, extra); // validates names and types
  const claims = Object.entries({ ...parameters, ...extra })
    .filter(([, value]) => value != null)
    .map(([name, value]) => [name, claimOf(name, value)]);
  return Object.fromEntries(claims);
}

function claimOf(name: string, value: unknown): unknown {
  if (JSON_PARAMETERS.includes(name)) return parseJson(name, value);
  return isSpaceDelimited(name) && Array.isArray(value) ? value.join(" ") : value;
}

function parseJson(name: string, value: unknown): unknown {
  try {
    return JSON.parse(String(value));
  } catch {
    throw misconfigured(`extra.${name} must be JSON.`);
  }
}
