/** Sends somebody's browser to say yes: the authorization request (RFC 6749 §4.1.1), pushed ahead or not (RFC 9126). */
import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { OAuthError } from "../../errors.js";
import { checkText } from "../assert.js";
import type { AuthorizationServer } from "../authorization-server.js";
import { nameOf } from "../http.js";
import { checkProver, type ExtraFields, formOf, type GrantRequest, withResource } from "../token/token-request.js";
import { challengeOf, pkcePair } from "./pkce.js";

export interface AuthorizationUrlRequest extends Omit<GrantRequest, "requireBinding"> {
  /** Where the browser comes back to. */
  redirectUri: string;
  /** Default: 22 random characters. */
  state?: string | undefined;
  /** Of a {@link pkcePair} of your own. */
  codeVerifier?: string | undefined;
  /** Sends the request ahead, authenticated and with a proof, so that the browser carries a reference alone. */
  pushed?: boolean | undefined;
  /** Such as `prompt`, `login_hint`, `nonce`. */
  extra?: ExtraFields | undefined;
}

/**
 * An authorization request under way. Keep it where the browser can't read it, as JSON if need be, and give its members to
 * `authorizationCode`. Prints without its verifier.
 */
export class PendingAuthorization {
  /** Where to send the browser. */
  readonly url: string;
  readonly redirectUri: string;
  readonly state: string;
  readonly codeVerifier: string;

  constructor(url: string, sent: { redirectUri: string; state: string; codeVerifier: string }) {
    this.url = url;
    this.redirectUri = sent.redirectUri;
    this.state = sent.state;
    this.codeVerifier = sent.codeVerifier;
  }

  [inspect.custom](): string {
    return `PendingAuthorization ${inspect({ redirectUri: this.redirectUri })}`;
  }
}

/** The code is bound to the prover's key by `dpop_jkt` (RFC 9449 §10), and to this request by PKCE and `state`. */
export async function authorizationUrl(
  server: AuthorizationServer,
  request: AuthorizationUrlRequest,
): Promise<PendingAuthorization> {
  const { clientId, dpopProver, redirectUri, scope, extra } = request;
  const { state = randomBytes(16).toString("base64url"), codeVerifier = pkcePair().codeVerifier } = request;
  const named = withResource(
    {
      client_id: checkText("clientId", clientId),
      request_uri: undefined,
      response_type: "code",
      redirect_uri: checkText("redirectUri", redirectUri),
      scope,
      state: checkText("state", state),
      code_challenge: challengeOf(codeVerifier),
      code_challenge_method: "S256",
      dpop_jkt: checkProver(dpopProver).jkt,
    },
    request.resource,
  );
  const url = server.endpoints.url("authorization");
  const form = request.pushed
    ? formOf({ client_id: clientId, request_uri: await push(server, request, named) })
    : formOf(named, extra);
  for (const [name, value] of form) url.searchParams.append(name, value);
  return new PendingAuthorization(url.href, { redirectUri, state, codeVerifier });
}

/** @returns the `request_uri` that stands for the request (RFC 9126 §2.2) */
async function push(server: AuthorizationServer, request: AuthorizationUrlRequest, named: ExtraFields) {
  const { dpopProver: prover, extra, signal } = request;
  const { url, body, response } = await server.post({
    endpoint: "pushedAuthorizationRequest",
    client: request,
    prover,
    form: (clientFields) => formOf({ ...clientFields, ...named }, extra), // with `client_id` in any case (§2.1)
    signal,
  });
  if (typeof body?.request_uri === "string" && body.request_uri !== "") return body.request_uri;
  throw new OAuthError("invalid-response", `${nameOf(url)} answered without a request_uri.`, { response });
}
