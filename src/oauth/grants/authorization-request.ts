/** The authorization request, for the user's browser (RFC 6749 §4.1.1), optionally pushed to the server (RFC 9126). */
import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { OAuthError } from "../../errors.js";
import { assertString } from "../assert.js";
import type { AuthorizationServer } from "../authorization-server.js";
import { displayUrl } from "../http.js";
import {
  assertBinding,
  createForm,
  type ExtraFields,
  type GrantOptions,
  type TokenBinding,
  withResource,
} from "../token/token-request.js";
import { codeChallengeOf, pkcePair } from "./pkce.js";

/** Options of {@link OAuthClient.authorizationUrl}. */
export type AuthorizationUrlRequest = TokenBinding &
  Omit<GrantOptions, "requireBinding" | "extra"> & {
    /** The callback URL that the server redirects the browser to. */
    redirectUri: string;
    /** The `state` parameter. Default: 22 random characters. */
    state?: string | undefined;
    /** The PKCE code verifier. Default: that of a new {@link pkcePair}. */
    codeVerifier?: string | undefined;
    /**
     * Sends the request to the server first, authenticated and with a proof, so that the URL contains only a reference to
     * it (RFC 9126). Default: whether the server's metadata requires it.
     */
    pushed?: boolean | undefined;
    /** Additional parameters, such as `prompt`, `login_hint` or `nonce`. */
    extra?: ExtraFields | undefined;
  };

/**
 * An authorization request that waits for its callback. Store it where the browser can't read it, for example as JSON
 * in the user's session, and pass its members to {@link OAuthClient.authorizationCode}. `inspect` doesn't print the
 * code verifier.
 */
export class PendingAuthorization {
  /** The URL to open in the user's browser. */
  readonly url: string;
  /** The callback URL of the request. */
  readonly redirectUri: string;
  /** The `state` that the callback must have. */
  readonly state: string;
  /** The PKCE code verifier: a secret. */
  readonly codeVerifier: string;

  constructor(url: string, request: { redirectUri: string; state: string; codeVerifier: string }) {
    this.url = url;
    this.redirectUri = request.redirectUri;
    this.state = request.state;
    this.codeVerifier = request.codeVerifier;
  }

  /** Returns the text for `inspect`, without secrets. */
  [inspect.custom](): string {
    return `PendingAuthorization ${inspect({ redirectUri: this.redirectUri })}`;
  }
}

/**
 * Creates an authorization request. Its code is bound to the prover's key, if there is one, by `dpop_jkt` (RFC 9449
 * §10), and to this request by PKCE and `state`.
 */
export async function authorizationUrl(
  server: AuthorizationServer,
  request: AuthorizationUrlRequest,
): Promise<PendingAuthorization> {
  const { clientId, redirectUri, scope, extra } = request;
  const { dpopProver } = server.assertUsable(assertBinding(request));
  const { state = randomBytes(16).toString("base64url"), codeVerifier = pkcePair().codeVerifier } = request;
  const parameters = withResource(
    {
      client_id: assertString(clientId, "clientId"),
      request_uri: undefined,
      response_type: "code",
      redirect_uri: assertString(redirectUri, "redirectUri"),
      scope,
      state: assertString(state, "state"),
      code_challenge: codeChallengeOf(codeVerifier),
      code_challenge_method: "S256",
      dpop_jkt: dpopProver?.jkt,
    },
    request.resource,
  );
  const url = server.endpoints.url("authorization");
  const form = request.pushed
    ? createForm({ client_id: clientId, request_uri: await push(server, request, parameters) })
    : createForm(parameters, extra);
  for (const [name, value] of form) url.searchParams.append(name, value);
  return new PendingAuthorization(url.href, { redirectUri, state, codeVerifier });
}

/** Pushes the request and returns its `request_uri` (RFC 9126 §2.2). */
async function push(server: AuthorizationServer, request: AuthorizationUrlRequest, parameters: ExtraFields) {
  const { dpopProver: prover, extra, signal } = request;
  const { url, body, response } = await server.post({
    endpoint: "pushedAuthorizationRequest",
    client: request,
    prover,
    form: (clientFields) => createForm({ ...clientFields, ...parameters }, extra), // always with `client_id` (§2.1)
    signal,
  });
  if (typeof body?.request_uri === "string" && body.request_uri !== "") return body.request_uri;
  throw new OAuthError("invalid-response", `The response of ${displayUrl(url)} lacks request_uri.`, { response });
}
