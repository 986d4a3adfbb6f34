/** Token requests (RFC 6749 §4, RFC 8707) and the forms that they are sent as. */

import type { DPoPProver } from "../../dpop/prover.js";
import { assertObject, assertString, misconfigured } from "../assert.js";
import type { ClientCredentials, ClientFields } from "../client-auth/client-auth.js";

/** Additional form fields. `undefined` and `null` aren't sent. An array is sent as one field for each element. */
export type ExtraFields = Readonly<Record<string, FormValue | readonly FormValue[] | null | undefined>>;

/** The value of a form field. */
export type FormValue = string | number | boolean;

/** What the token is bound to: the prover's key (RFC 9449), the client's certificate (RFC 8705 §3), or both. */
export type TokenBinding =
  | {
      /** Makes the proof of each attempt. The token is bound to its key. */
      dpopProver: DPoPProver;
      /** `"certificate"`: the token is bound to the client's certificate too. Needs the client's `certificate`. */
      binding?: "certificate" | undefined;
    }
  | {
      /** The token is bound to the certificate that the client's `fetch` presents. Needs the client's `certificate`. */
      binding: "certificate";
      /** Binds the token to a key too. Without it, no proof is sent. */
      dpopProver?: DPoPProver | undefined;
    };

/** Options that all token requests have in common. */
export interface CommonRequest extends ClientCredentials {
  /** Scopes, separated by spaces. */
  scope?: string | null | undefined;
  /** Additional fields, such as `code`, `redirect_uri`, `refresh_token` or `resource`. */
  extra?: ExtraFields | undefined;
  /** Overrides the client's `requireBinding`. */
  requireBinding?: boolean | undefined;
  /** Aborts the call. */
  signal?: AbortSignal | undefined;
}

/** The grant type of a token request. */
export interface AnyGrant {
  /** The `grant_type`: any name or URN. */
  grantType: "client_credentials" | "authorization_code" | "refresh_token" | (string & {});
}

/** Options of {@link OAuthClient.getTokenWithDPoP}. */
export interface TokenRequest extends CommonRequest, AnyGrant {
  /** Makes the proof of each attempt. The token is bound to its key. */
  dpopProver: DPoPProver;
  /** `"certificate"`: the token is bound to the client's certificate too. Needs the client's `certificate`. */
  binding?: "certificate" | undefined;
}

/** Options of {@link OAuthClient.getToken}. */
export type AnyTokenRequest = Omit<TokenRequest, "dpopProver" | "binding"> & TokenBinding;

/** Options that every grant has in common. */
export type GrantRequest = GrantOptions & TokenBinding;

/** Options that every grant has in common, except for the binding. */
export interface GrantOptions extends CommonRequest {
  /** The resource servers that the token is for: absolute URIs without a fragment (RFC 8707 §2). */
  resource?: string | readonly string[] | undefined;
}

/**
 * Creates the token request of a specific grant. Its fields are sent as `extra`, and the caller's `extra` can't
 * override them.
 */
export function grantRequest(grantType: string, request: GrantRequest, fields: ExtraFields): AnyTokenRequest {
  const { clientId, clientSecret, scope, requireBinding, signal } = assertObject(request, "The request");
  const extra = assertObject(request.extra ?? {}, "extra");
  const grantFields = withResource(fields, request.resource);
  assertNoOverride(extra, grantFields);
  return {
    grantType,
    clientId,
    clientSecret,
    ...assertBinding(request),
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

/** @throws {OAuthError} With code `misconfigured` if the request lacks a grant type or a binding. */
export function assertTokenRequest(request: AnyTokenRequest): void {
  assertObject(request, "The request");
  assertString(request.grantType, "grantType");
  assertScope(request.scope);
  assertBinding(request);
}

/** @throws {OAuthError} With code `misconfigured` if the scope isn't a string: `openid` in a list wouldn't be recognised. */
export function assertScope(scope: string | null | undefined): void {
  if (scope != null && typeof scope !== "string")
    throw misconfigured("scope must be a string: the scopes, separated by spaces.");
}

/**
 * Returns the members that bind the token.
 *
 * @throws {OAuthError} With code `misconfigured` if there is neither a prover nor `binding: "certificate"`.
 */
export function assertBinding({ dpopProver, binding }: TokenBinding): TokenBinding {
  if (binding !== undefined && binding !== "certificate") throw misconfigured('binding must be "certificate".');
  if (dpopProver === undefined && binding === "certificate") return { binding };
  if (typeof dpopProver?.makeProof === "function") return { dpopProver, binding };
  throw misconfigured('dpopProver must be a DPoPProver, unless binding is "certificate".');
}

/** Creates the form of a token request. The order is fixed: `grant_type`, client authentication, `scope`, `extra`. */
export function tokenForm(request: AnyTokenRequest, clientFields: ClientFields): URLSearchParams {
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
