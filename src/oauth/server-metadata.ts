/** Authorization server metadata (RFC 8414 §2, RFC 9449 §5.1) and its validation. */

import { OAuthError } from "../errors.js";
import type { AlgorithmName } from "../jose/algorithms.js";
import { algorithmNamed, nameFor } from "../jose/find-algorithm.js";
import { misconfigured } from "./assert.js";

/** Authorization server metadata. Only the members that Hardproof uses are typed; all others are unchanged. */
export interface ServerMetadata {
  /** The server's issuer identifier. */
  readonly issuer: string;
  /** The URL of the authorization endpoint. */
  readonly authorization_endpoint?: string | undefined;
  /** The URL of the token endpoint. */
  readonly token_endpoint?: string | undefined;
  /** The URL of the revocation endpoint (RFC 7009). */
  readonly revocation_endpoint?: string | undefined;
  /** The URL of the introspection endpoint (RFC 7662). */
  readonly introspection_endpoint?: string | undefined;
  /** The URL of the pushed authorization request endpoint (RFC 9126 §5). */
  readonly pushed_authorization_request_endpoint?: string | undefined;
  /** The URL of the device authorization endpoint (RFC 8628 §4). */
  readonly device_authorization_endpoint?: string | undefined;
  /** The URL of the backchannel authentication endpoint (CIBA §4). */
  readonly backchannel_authentication_endpoint?: string | undefined;
  /** The PKCE methods that the server supports (RFC 7636 §4.2). */
  readonly code_challenge_methods_supported?: readonly string[] | undefined;
  /** The URL of the server's public keys (RFC 7517 §5). */
  readonly jwks_uri?: string | undefined;
  /** The URL of the client registration endpoint (RFC 7591 §3). */
  readonly registration_endpoint?: string | undefined;
  /** The URLs of endpoints for mutual TLS, by the names above (RFC 8705 §5). */
  readonly mtls_endpoint_aliases?: Readonly<Record<string, string | undefined>> | undefined;
  /** The client authentication methods that the token endpoint supports. */
  readonly token_endpoint_auth_methods_supported?: readonly string[] | undefined;
  /** The same at the revocation endpoint. */
  readonly revocation_endpoint_auth_methods_supported?: readonly string[] | undefined;
  /** The same at the introspection endpoint. */
  readonly introspection_endpoint_auth_methods_supported?: readonly string[] | undefined;
  /** The JWS algorithms that the server supports for client assertions at the token endpoint. */
  readonly token_endpoint_auth_signing_alg_values_supported?: readonly string[] | undefined;
  /** The same at the revocation endpoint. */
  readonly revocation_endpoint_auth_signing_alg_values_supported?: readonly string[] | undefined;
  /** The same at the introspection endpoint. */
  readonly introspection_endpoint_auth_signing_alg_values_supported?: readonly string[] | undefined;
  /** The JWS algorithms that the server supports for proofs of possession of an attested key. */
  readonly client_attestation_pop_signing_alg_values_supported?: readonly string[] | undefined;
  /** The URL at which the server issues challenges for attested keys. */
  readonly challenge_endpoint?: string | undefined;
  /** The JWS algorithms that the server supports for DPoP proofs (RFC 9449 §5.1). */
  readonly dpop_signing_alg_values_supported?: readonly string[] | undefined;
  /** The JWS algorithms that the server supports for ID tokens (OpenID Connect Discovery §3). */
  readonly id_token_signing_alg_values_supported?: readonly string[] | undefined;
  /** The JWS algorithms that the server supports for authorization responses (JARM §4). */
  readonly authorization_signing_alg_values_supported?: readonly string[] | undefined;
  /** The JWS algorithms that the server supports for request objects (RFC 9101 §4). */
  readonly request_object_signing_alg_values_supported?: readonly string[] | undefined;
  /** Whether the server accepts only signed request objects (RFC 9101 §10.5). */
  readonly require_signed_request_object?: boolean | undefined;
  /** Whether the server accepts only pushed authorization requests (RFC 9126 §5). */
  readonly require_pushed_authorization_requests?: boolean | undefined;
  /** Whether every callback contains `iss` (RFC 9207 §3). */
  readonly authorization_response_iss_parameter_supported?: boolean | undefined;
  readonly [name: string]: unknown;
}

/** The members that list the algorithms of client assertions. */
type AssertionMetadata = Pick<
  ServerMetadata,
  | "token_endpoint_auth_signing_alg_values_supported"
  | "revocation_endpoint_auth_signing_alg_values_supported"
  | "introspection_endpoint_auth_signing_alg_values_supported"
>;

/**
 * Validates metadata from a server. The result is deeply frozen, since several clients share it.
 *
 * @param document - The response's JSON object.
 * @param issuer - The expected issuer, compared as a string (RFC 8414 §3.3).
 * @throws {OAuthError} With code `invalid-response` if the metadata is malformed, or that of another issuer.
 */
export function parseMetadata(document: Record<string, unknown> | undefined, issuer: string, response: Response) {
  const invalid = (problem: string) =>
    new OAuthError("invalid-response", `The metadata of ${issuer} ${problem}.`, { response });
  if (document === undefined) throw invalid("isn't a JSON object");
  if (document.issuer !== issuer)
    throw invalid(`belongs to a different issuer: ${JSON.stringify(document.issuer)?.slice(0, 200)}`);
  const members = Object.entries(document).filter(([, value]) => value !== null);
  const name = memberOfWrongType(members);
  if (name) throw invalid(`contains ${name} with the wrong type`);
  return deepFreeze({ ...Object.fromEntries(members), issuer }) as ServerMetadata; // the typed members were checked above
}

/**
 * Checks metadata from the caller.
 *
 * @throws {OAuthError} With code `misconfigured` if it is malformed.
 */
export function assertMetadata(metadata: ServerMetadata): void {
  const name = typeof metadata.issuer === "string" ? memberOfWrongType(Object.entries(metadata)) : "issuer";
  if (name) throw misconfigured(`metadata.${name} has the wrong type.`);
}

/**
 * Checks that the server supports the algorithm of a key.
 *
 * @param supported - The names that the server lists. Without a list, any algorithm passes.
 * @param what - What the key signs, for the error.
 * @returns The algorithm's name for a header. See {@link nameFor}.
 * @throws {OAuthError} With code `misconfigured` if the list lacks the algorithm.
 */
export function supportedName(alg: AlgorithmName, supported: readonly string[] | undefined, what: string): string {
  const name = nameFor(algorithmNamed(alg), supported);
  if (name !== undefined) return name;
  const list = supported?.join(", ") || "(empty list)";
  throw misconfigured(
    `The server doesn't support ${what} with ${alg}. It supports: ${list}. Use a key for one of them.`,
  );
}

/** Returns the algorithms of client assertions at an endpoint. Most have no list of their own (RFC 8414 §2, RFC 9126 §5). */
export function assertionAlgorithms(metadata: AssertionMetadata | undefined, endpoint: string) {
  return metadata?.[`${withOwnLists(endpoint)}_endpoint_auth_signing_alg_values_supported`];
}

/** Returns the client authentication methods at an endpoint. Without a list of its own, they are those of the token endpoint. */
export function authMethods(metadata: ServerMetadata | undefined, endpoint: string): readonly string[] | undefined {
  const own = metadata?.[`${withOwnLists(endpoint)}_endpoint_auth_methods_supported`];
  return own ?? metadata?.token_endpoint_auth_methods_supported;
}

function withOwnLists(endpoint: string) {
  return endpoint === "revocation" || endpoint === "introspection" ? endpoint : "token";
}

/** Freezes nested objects too. Not recursive, since a server can nest them deeper than the call stack. */
export function deepFreeze<T extends object>(document: T): T {
  const pending: object[] = [document];
  for (let next = pending.pop(); next !== undefined; next = pending.pop())
    for (const member of Object.values(Object.freeze(next)))
      if (typeof member === "object" && member !== null) pending.push(member);
  return document;
}

function memberOfWrongType(members: [name: string, value: unknown][]): string | undefined {
  return members.find(([name, value]) => value !== undefined && !hasRightType(name, value))?.[0];
}

function hasRightType(name: string, value: unknown): boolean {
  if (name.endsWith("_endpoint") || name === "jwks_uri") return typeof value === "string";
  if (/_(methods|values)_supported$/.test(name)) return Array.isArray(value) && value.every(isString);
  if (name === "mtls_endpoint_aliases")
    return (
      typeof value === "object" && value !== null && Object.values(value).every((url) => url == null || isString(url))
    );
  return true;
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}
