/** Token revocation (RFC 7009) and introspection (RFC 7662). */

import type { DPoPProver } from "../../dpop/prover.js";
import { OAuthError } from "../../errors.js";
import { assertObject, assertString } from "../assert.js";
import type { AuthorizationServer } from "../authorization-server.js";
import type { ClientCredentials } from "../client-auth/client-auth.js";
import { displayUrl, notJson } from "../http.js";
import { createForm, type ExtraFields } from "./token-request.js";

/** Options of {@link OAuthClient.revoke} and {@link OAuthClient.introspect}. */
export interface TokenStatusRequest extends ClientCredentials {
  /** An access or refresh token. */
  token: string;
  /** Helps the server find the token. */
  tokenTypeHint?: "access_token" | "refresh_token" | (string & {}) | undefined;
  /** Adds a proof to the request, for a server that requires one. */
  dpopProver?: DPoPProver | undefined;
  /** Additional form fields. */
  extra?: ExtraFields | undefined;
  /** Aborts the call. */
  signal?: AbortSignal | undefined;
}

/** The introspection response (RFC 7662 §2.2), unchanged. */
export interface Introspection {
  /** Whether the token is currently valid. */
  readonly active: boolean;
  readonly [claim: string]: unknown;
}

/** Revokes a token. An invalid one doesn't need it (RFC 7009 §2.2), but Keycloak responds with an error and status 200. */
export async function revoke(server: AuthorizationServer, request: TokenStatusRequest): Promise<void> {
  try {
    await post(server, "revocation", request);
  } catch (error) {
    const isInvalid = error instanceof OAuthError && error.error === "invalid_token" && error.statusCode === 200;
    if (!isInvalid) throw error;
  }
}

/**
 * Introspects a token.
 *
 * @throws {OAuthError} With code `invalid-response` if the response lacks `active`.
 */
export async function introspect(server: AuthorizationServer, request: TokenStatusRequest): Promise<Introspection> {
  const { url, body, response } = await post(server, "introspection", request);
  if (body === undefined) throw notJson(url, response);
  if (typeof body.active === "boolean") return { ...body, active: body.active };
  throw new OAuthError("invalid-response", `The response of ${displayUrl(url)} lacks active.`, { response });
}

function post(server: AuthorizationServer, endpoint: "revocation" | "introspection", request: TokenStatusRequest) {
  const { tokenTypeHint, dpopProver: prover, extra, signal } = assertObject(request, "The request");
  const fields = { token: assertString(request.token, "token"), token_type_hint: tokenTypeHint };
  return server.post({
    endpoint,
    client: request,
    prover,
    form: (clientFields) => createForm({ ...clientFields, ...fields }, extra),
    signal,
  });
}
