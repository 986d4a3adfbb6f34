/** What a token is asked for with (RFC 6749 §4, RFC 8707), as the form that is sent. */

import type { DPoPProver } from "../../dpop/prover.js";
import { checkText, misconfigured } from "../assert.js";
import type { ClientCredentials, ClientFields } from "../client-auth/client-auth.js";

/** Form fields beside the named ones. `undefined` and `null` are left out, an array sends its field once per element. */
export type ExtraFields = Readonly<Record<string, FormValue | readonly FormValue[] | null | undefined>>;

export type FormValue = string | number | boolean;

export interface TokenRequest extends ClientCredentials {
  /** Any other grant's name or URN is fine too. */
  grantType: "client_credentials" | "authorization_code" | "refresh_token" | (string & {});
  dpopProver: DPoPProver;
  /** Space-separated. */
  scope?: string | null | undefined;
  /** Such as `code`, `redirect_uri`, `refresh_token`, `resource`. */
  extra?: ExtraFields | undefined;
  /** Overrides the client's own. */
  requireBinding?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** What every named grant takes. */
export interface GrantRequest extends Omit<TokenRequest, "grantType"> {
  /** Where the token is to be used: absolute URIs without a fragment (RFC 8707 §2). */
  resource?: string | readonly string[] | undefined;
}

/** A named grant as a token request: its fields are sent as `extra`, which may not override them. */
export function grantRequest(grantType: string, request: GrantRequest, fields: ExtraFields): TokenRequest {
  const { clientId, clientSecret, dpopProver, scope, extra = {}, requireBinding, signal } = request;
  const named = withResource(fields, request.resource);
  checkNotNamed(extra, named);
  return {
    grantType,
    clientId,
    clientSecret,
    dpopProver,
    scope,
    requireBinding,
    signal,
    extra: { ...extra, ...named },
  };
}

/** @throws {OAuthError} code `misconfigured` for a resource that is no absolute URI without a fragment */
export function withResource(fields: ExtraFields, resource: string | readonly string[] | undefined): ExtraFields {
  if (resource === undefined) return fields;
  for (const uri of typeof resource === "string" ? [resource] : resource)
    if (!URL.canParse(uri) || uri.includes("#"))
      throw misconfigured("resource must be an absolute URI without a fragment.");
  return { ...fields, resource };
}

/** @throws {OAuthError} code `misconfigured` for a request that names no grant, or has no prover */
export function checkTokenRequest(request: TokenRequest): void {
  checkText("grantType", request.grantType);
  checkProver(request.dpopProver);
}

export function checkProver(prover: DPoPProver): DPoPProver {
  if (typeof prover?.makeProof === "function") return prover;
  throw misconfigured("dpopProver must be a DPoPProver.");
}

/** In the seed's order: `grant_type`, the client, `scope`, the extras. */
export function tokenForm(request: TokenRequest, clientFields: ClientFields): URLSearchParams {
  const { grantType: grant_type, scope, extra } = request;
  return formOf({ grant_type, ...clientFields, scope }, extra);
}

/** @throws {OAuthError} code `misconfigured` for an extra that would override a named field, or has no text of its own */
export function formOf(named: ExtraFields, extra: ExtraFields = {}): URLSearchParams {
  checkNotNamed(extra, named);
  const form = new URLSearchParams();
  for (const [name, values] of [...Object.entries(named), ...Object.entries(extra)]) {
    if (values == null) continue;
    for (const value of Array.isArray(values) ? values : [values]) form.append(name, fieldText(name, value));
  }
  return form;
}

function checkNotNamed(extra: ExtraFields, named: ExtraFields): void {
  for (const [name, value] of Object.entries(extra))
    if (value != null && Object.hasOwn(named, name))
      throw misconfigured(`extra.${name} would override ${name}: give it by its own name.`);
}

function fieldText(name: string, value: unknown): string {
  if (["string", "number", "boolean"].includes(typeof value)) return String(value);
  throw misconfigured(`${name} must be a string, number or boolean, or an array of them.`);
}
