/** What an authorization server says of itself (RFC 8414 §2, RFC 9449 §5.1), and the check that it says it well. */

import { OAuthError } from "../errors.js";
import { misconfigured } from "./assert.js";

/** The members that are used here. All others are kept as they came. */
export interface ServerMetadata {
  readonly issuer: string;
  readonly authorization_endpoint?: string | undefined;
  readonly token_endpoint?: string | undefined;
  readonly revocation_endpoint?: string | undefined;
  readonly introspection_endpoint?: string | undefined;
  readonly pushed_authorization_request_endpoint?: string | undefined;
  readonly device_authorization_endpoint?: string | undefined;
  readonly mtls_endpoint_aliases?: Readonly<Record<string, string | undefined>> | undefined;
  readonly token_endpoint_auth_methods_supported?: readonly string[] | undefined;
  readonly token_endpoint_auth_signing_alg_values_supported?: readonly string[] | undefined;
  readonly dpop_signing_alg_values_supported?: readonly string[] | undefined;
  readonly require_pushed_authorization_requests?: boolean | undefined;
  readonly authorization_response_iss_parameter_supported?: boolean | undefined;
  readonly [name: string]: unknown;
}

/**
 * One document serves many clients: none of them can change what the next one finds.
 *
 * @param issuer - what the server is called, compared character by character (RFC 8414 §3.3)
 * @throws {OAuthError} code `invalid-response` if it is another server's metadata, or none
 */
export function checkMetadata(document: Record<string, unknown> | undefined, issuer: string, response: Response) {
  const wrong = (why: string) => new OAuthError("invalid-response", `The metadata of ${issuer} ${why}.`, { response });
  if (document === undefined) throw wrong("is no JSON object");
  if (document.issuer !== issuer)
    throw wrong(`is that of another issuer: ${JSON.stringify(document.issuer)?.slice(0, 200)}`);
  const members = Object.entries(document).filter(([, value]) => value !== null);
  const odd = oddMember(members);
  if (odd) throw wrong(`has a ${odd} of the wrong type`);
  return frozen({ ...Object.fromEntries(members), issuer }) as ServerMetadata; // each member that is read was checked above
}

/** @throws {OAuthError} code `misconfigured` for metadata of the wrong type, or of a server that takes no proofs by ES256 */
export function checkGiven(metadata: ServerMetadata): void {
  const odd = typeof metadata.issuer === "string" ? oddMember(Object.entries(metadata)) : "issuer";
  if (odd) throw misconfigured(`metadata has a ${odd} of the wrong type.`);
  const { issuer, dpop_signing_alg_values_supported: algorithms } = metadata;
  if (algorithms?.includes("ES256") === false)
    throw misconfigured(`${issuer} takes no DPoP proofs by ES256, only by ${algorithms.join(", ") || "nothing"}.`);
}

/** To its bottom, however deep a server has made it. */
function frozen<T extends object>(document: T): T {
  const left: object[] = [document];
  for (let next = left.pop(); next !== undefined; next = left.pop())
    for (const member of Object.values(Object.freeze(next)))
      if (typeof member === "object" && member !== null) left.push(member);
  return document;
}

function oddMember(members: [name: string, value: unknown][]): string | undefined {
  return members.find(([name, value]) => value !== undefined && !hasItsType(name, value))?.[0];
}

function hasItsType(name: string, value: unknown): boolean {
  if (name.endsWith("_endpoint")) return typeof value === "string";
  if (/_(methods|values)_supported$/.test(name)) return Array.isArray(value) && value.every(isString);
  if (name === "mtls_endpoint_aliases")
    return typeof value === "object" && value !== null && Object.values(value).every(isString);
  return true;
}

function isString(value: unknown): value is string {
  return typeof value === "string";
}
