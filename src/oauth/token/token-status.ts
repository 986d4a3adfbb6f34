/** What becomes of a token: revocation (RFC 7009), and introspection (RFC 7662). */

import type { DPoPProver } from "../../dpop/prover.js";
import { OAuthError } from "../../errors.js";
import { checkText } from "../assert.js";
import type { AuthorizationServer } from "../authorization-server.js";
import type { ClientCredentials } from "../client-auth/client-auth.js";
import { nameOf } from "../http.js";
import { type ExtraFields, formOf } from "./token-request.js";

export interface TokenStatusRequest extends ClientCredentials {
  /** An access or refresh token. */
  token: string;
  tokenTypeHint?: "access_token" | "refresh_token" | (string & {}) | undefined;
  /** Sends a proof too, for a server that wants one. */
  dpopProver?: DPoPProver | undefined;
  extra?: ExtraFields | undefined;
  signal?: AbortSignal | undefined;
}

/** The server's word on a token (RFC 7662 §2.2), as it came. */
export interface Introspection {
  readonly active: boolean;
  readonly [claim: string]: unknown;
}

export async function revoke(server: AuthorizationServer, request: TokenStatusRequest): Promise<void> {
  await post(server, "revocation", request);
}

export async function introspect(server: AuthorizationServer, request: TokenStatusRequest): Promise<Introspection> {
  const { url, body, response } = await post(server, "introspection", request);
  if (typeof body?.active === "boolean") return { ...body, active: body.active };
  throw new OAuthError("invalid-response", `${nameOf(url)} did not say whether the token is active.`, { response });
}

function post(server: AuthorizationServer, endpoint: "revocation" | "introspection", request: TokenStatusRequest) {
  const { tokenTypeHint, dpopProver: prover, extra, signal } = request;
  const fields = { token: checkText("token", request.token), token_type_hint: tokenTypeHint };
  return server.post({
    endpoint,
    client: request,
    prover,
    form: (clientFields) => formOf({ ...clientFields, ...fields }, extra),
    signal,
  });
}
