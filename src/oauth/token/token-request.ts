/** Token requests (RFC 6749 §4, RFC 8707) and the forms that they are sent as. */

import type { DPoPProver } from "../../dpop/prover.js";
import { assertObject, assertString, misconfigured } from "../assert.js";
import type { ClientCredentials, ClientFields } from "../client-auth/client-auth.js";
import { isSpaceDelimited, joinWords, type WordList } from "../space-delimited.js";

/**
 * Additional form fields. `undefined` and `null` aren't sent. An array is sent as one field for each element, or separated
 * by spaces if the field is a list of words, such as `acr_values`.
 */
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
  /** Scopes, separated by spaces or as an array. */
  scope?: WordList | null | undefined;
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
  joinWords(request.scope); // rejects what isn't a list of words
  assertBinding(request);
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

/** A value that the request states elsewhere than in the form. `extra` may repeat it there, but not contradict it. */
export class StatedElsewhere {
  readonly value: string;

  constructor(value: string) {
    this.value = value;
  }
}

/** The fields of a form. */
export type FormFields = Readonly<Record<string, ExtraFields[string] | StatedElsewhere>>;

/**
 * Creates a form of the fields and `extra`. A field of `extra` that says the same as another field isn't sent twice.
 *
 * @throws {OAuthError} With code `misconfigured` if `extra` would override a field, or a value has the wrong type.
 */
export function createForm(fields: FormFields, extra?: ExtraFields): URLSearchParams {
  const more = assertObject(extra ?? {}, "extra");
  assertNoOverride(more, fields);
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(fields))
    if (!(value instanceof StatedElsewhere)) for (const text of fieldTexts(name, value)) form.append(name, text);
  for (const [name, value] of Object.entries(more))
    if (!form.has(name)) for (const text of fieldTexts(name, value)) form.append(name, text);
  return form;
}

function assertNoOverride(extra: ExtraFields, fields: FormFields): void {
  for (const [name, value] of Object.entries(extra))
    if (value != null && Object.hasOwn(fields, name) && !saysTheSame(name, value, fields[name]))
      throw misconfigured(`extra.${name} would override the field ${name}. Use the option for it instead.`);
}

function saysTheSame(name: string, value: ExtraFields[string], field: FormFields[string]): boolean {
  const expected = field instanceof StatedElsewhere ? field.value : field;
  const [texts, expectedTexts] = [fieldTexts(name, value), fieldTexts(name, expected)];
  return texts.length === expectedTexts.length && texts.every((text, index) => text === expectedTexts[index]);
}

/** Returns the values that a field is sent with. */
function fieldTexts(name: string, values: ExtraFields[string]): string[] {
  if (values == null) return [];
  const texts = [values].flat().map((value) => fieldText(name, value));
  return isSpaceDelimited(name) && texts.length > 0 ? [texts.join(" ")] : texts;
}

function fieldText(name: string, value: unknown): string {
  if (["string", "number", "boolean"].includes(typeof value)) return String(value);
  throw misconfigured(`${name} must be a string, number or boolean, or an array of them.`);
}
