/** Token requests (RFC 6749 §4, RFC 8707) and the forms that they are sent as. */

import type { DPoPProver } from "../../dpop/prover.js";
import { assertObject, assertString, misconfigured } from "../assert.js";
import type { ClientCredentials, ClientFields } from "../client-auth/client-auth.js";

/** Additional form fields. `undefined` and `null` aren't sent. An array is sent as one field for each element. */
export type ExtraFields = Readonly<Record<string, FormValue | readonly FormValue[] | null | undefined>>;

/** The value of a form field. */
export type FormValue = string | number | boolean;

/** Options of {@link OAuthClient.getTokenWithDPoP}. */
export interface TokenRequest extends ClientCredentials {
  /** The `grant_type`: any name or URN. */
  grantType: "client_credentials" | "authorization_code" | "refresh_token" | (string & {});
  /** Makes the proof of each attempt. The token is bound to its key. */
  dpopProver: DPoPProver;
  /** Scopes, separated by spaces. */
  scope?: string | null | undefined;
  /** Additional fields, such as `code`, `redirect_uri`, `refresh_token` or `resource`. */
  extra?: ExtraFields | undefined;
  /** Overrides the client's `requireBinding`. */
  requireBinding?: boolean | undefined;
  /** Aborts the call. */
  signal?: AbortSignal | undefined;
}

/** Options that every grant has in common. */
export interface GrantRequest extends Omit<TokenRequest, "grantType"> {
  /** The resource servers that the token is for: absolute URIs without a fragment (RFC 8707 §2). */
  resource?: string | readonly string[] | undefined;
}

/**
 * Creates the token request of a specific grant. Its fields are sent as `extra`, and the caller's `extra` can't
 * override them.
 */
export function grantRequest(grantType: string, request: GrantRequest, fields: ExtraFields): TokenRequest {
  const { clientId, clientSecret, dpopProver, scope, requireBinding, signal } = assertObject(request, "The request");
  const extra = assertObject(request.extra ?? {}, "extra");
  const grantFields = withResource(fields, request.resource);
  assertNoOverride(extra, grantFields);
  return {
    grantType,
    clientId,
    clientSecret,
    dpopProver,
    scope,
    requireBinding,
    signal,
    extra: { ...extra, ...grantFields },
  };
}

/**
 * Adds `resource` to the fields (RFC 8707 §2).
 *
 * @throws {OAuthError} With code `misconfigured` if a resource isn't an absolute URI, or has a fragment.
 */
export function withResource(fields: ExtraFields, resource: string | readonly string[] | undefined): ExtraFields {
  if (resource === undefined) return fields;
  const uris: unknown = typeof resource === "string" ? [resource] : resource;
  if (!Array.isArray(uris) || !uris.every(isResource))
    throw misconfigured("resource must be an absolute URI without a fragment, or an array of them.");
  return { ...fields, resource };
}

function isResource(uri: unknown): boolean {
  return typeof uri === "string" && URL.canParse(uri) && !uri.includes("#");
}

/** @throws {OAuthError} With code `misconfigured` if the request lacks a grant type or a prover. */
export function assertTokenRequest(request: TokenRequest): void {
  assertObject(request, "The request");
  assertString(request.grantType, "grantType");
  assertProver(request.dpopProver);
}

/**
 * Returns the prover.
 *
 * @throws {OAuthError} With code `misconfigured` if it isn't a prover.
 */
export function assertProver(prover: DPoPProver): DPoPProver {
  if (typeof prover?.makeProof === "function") return prover;
  throw misconfigured("dpopProver must be a DPoPProver.");
}

/** Creates the form of a token request. The order is fixed: `grant_type`, client authentication, `scope`, `extra`. */
export function tokenForm(request: TokenRequest, clientFields: ClientFields): URLSearchParams {
  const { grantType: grant_type, scope, extra } = request;
  return createForm({ grant_type, ...clientFields, scope }, extra);
}

/**
 * Creates a form of the fields and `extra`.
 *
 * @throws {OAuthError} With code `misconfigured` if `extra` would override a field, or a value has the wrong type.
 */
export function createForm(fields: ExtraFields, extra?: ExtraFields): URLSearchParams {
  const more = assertObject(extra ?? {}, "extra");
  assertNoOverride(more, fields);
  const form = new URLSearchParams();
  for (const [name, values] of [...Object.entries(fields), ...Object.entries(more)]) {
    if (values == null) continue;
    for (const value of Array.isArray(values) ? values : [values]) form.append(name, fieldText(name, value));
  }
  return form;
}

function assertNoOverride(extra: ExtraFields, fields: ExtraFields): void {
  for (const [name, value] of Object.entries(extra))
    if (value != null && Object.hasOwn(fields, name))
      throw misconfigured(`extra.${name} would override the field ${name}. Use the option for it instead.`);
}

function fieldText(name: string, value: unknown): string {
  if (["string", "number", "boolean"].includes(typeof value)) return String(value);
  throw misconfigured(`${name} must be a string, number or boolean, or an array of them.`);
}
