/** The authorization request, for the user's browser (RFC 6749 §4.1.1), optionally pushed to the server (RFC 9126). */
import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { assertObject, assertString, misconfigured } from "../assert.js";
import type { AuthorizationServer } from "../authorization-server.js";
import { type AssertionKey, assertAssertionKey } from "../client-auth/client-assertion.js";
import { correctedTime } from "../corrected-time.js";
import { profiledAuthorization } from "../profile.js";
import { hasOpenId } from "../server-jwt/expected-id-token.js";
import type { ServerJwts } from "../server-jwt/server-jwts.js";
import {
  assertBinding,
  createForm,
  type ExtraFields,
  type GrantOptions,
  type TokenBinding,
  withResource,
} from "../token/token-request.js";
import { codeChallengeOf, pkcePair } from "./pkce.js";
import { pushRequest, type SignObject } from "./pushed-request.js";
import { signRequestObject } from "./request-object.js";
import { isSignedMode, type ResponseMode } from "./response-mode.js";

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
    /**
     * Signs the request with this key (RFC 9101), so that it can't be changed in the browser. May be the signer of the
     * client's assertions. The header is as in an assertion, except for `typ`, which is always `oauth-authz-req+jwt`.
     */
    requestObject?: AssertionKey | undefined;
    /**
     * How the server returns the response. The modes with `jwt` request a signed response (JARM). Default: in the
     * callback's query.
     */
    responseMode?: ResponseMode | undefined;
    /** The `nonce` that the ID token must have. Default: 22 random characters if the scope contains `openid`. */
    nonce?: string | undefined;
    /** Seconds. The user must authenticate again if the last time was longer ago (OpenID Connect Core §3.1.2.1). */
    maxAge?: number | undefined;
    /** Additional parameters, such as `prompt`, `login_hint` or `acr_values`. */
    extra?: ExtraFields | undefined;
  };

interface PendingRequest extends Pick<AuthorizationUrlRequest, "nonce" | "maxAge" | "responseMode"> {
  redirectUri: string;
  state: string;
  codeVerifier: string;
}

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
  /** The `nonce` that the ID token must have. Set if the scope contains `openid`. */
  readonly nonce: string | undefined;
  /** The `maxAge` of the request, if it has one. */
  readonly maxAge: number | undefined;
  /** The `responseMode` of the request, if it has one. */
  readonly responseMode: ResponseMode | undefined;

  constructor(url: string, request: PendingRequest) {
    this.url = url;
    this.redirectUri = request.redirectUri;
    this.state = request.state;
    this.codeVerifier = request.codeVerifier;
    this.nonce = request.nonce;
    this.maxAge = request.maxAge;
    this.responseMode = request.responseMode;
  }

  /** Returns the text for `inspect`, without secrets. */
  [inspect.custom](): string {
    return `PendingAuthorization ${inspect({ redirectUri: this.redirectUri })}`;
  }
}

/**
 * Creates an authorization request, within the time limit of one call. Its code is bound to the prover's key, if there
 * is one, by `dpop_jkt` (RFC 9449 §10), and to this request by PKCE and `state`.
 */
export async function authorizationUrl(
  server: AuthorizationServer,
  jwts: ServerJwts,
  options: AuthorizationUrlRequest,
): Promise<PendingAuthorization> {
  const { pushed = server.metadata?.require_pushed_authorization_requests === true, signal } = assertObject(
    options,
    "The request",
  );
  const endpoint = pushed ? "pushedAuthorizationRequest" : "authorization";
  return server.withTimeLimit({ endpoint, signal }, (signal) =>
    createRequest(server, jwts, { ...options, pushed, signal }),
  );
}

async function createRequest(
  server: AuthorizationServer,
  jwts: ServerJwts,
  options: AuthorizationUrlRequest,
): Promise<PendingAuthorization> {
  const request = await profiledAuthorization(server.profile, options, server.metadata);
  if (hasOpenId(request.scope)) jwts.assertVerifiable("idToken");
  if (isSignedMode(request.responseMode)) jwts.assertVerifiable("authorizationResponse");
  const { clientId, redirectUri, scope, responseMode, maxAge } = request;
  const { dpopProver } = server.assertUsable(assertBinding(request));
  const { state = randomText(), codeVerifier = pkcePair().codeVerifier } = request;
  const { nonce = hasOpenId(scope) ? randomText() : undefined } = request;
  const parameters = withResource(
    {
      client_id: assertString(clientId, "clientId"),
      request_uri: undefined,
      response_type: "code",
      redirect_uri: assertString(redirectUri, "redirectUri"),
      response_mode: responseMode,
      scope,
      state: assertString(state, "state"),
      nonce: nonce === undefined ? undefined : assertString(nonce, "nonce"),
      max_age: assertSeconds(maxAge),
      code_challenge: codeChallengeOf(codeVerifier),
      code_challenge_method: "S256",
      dpop_jkt: dpopProver?.jkt,
    },
    request.resource,
  );
  const signObject = requestObjectSigner(server, request, parameters);
  const url = server.endpoints.url("authorization");
  const form = request.pushed
    ? createForm({ client_id: clientId, request_uri: await pushRequest(server, request, parameters, signObject) })
    : await queryParameters(request, parameters, signObject);
  for (const [name, value] of form) url.searchParams.append(name, value);
  return new PendingAuthorization(url.href, { redirectUri, state, codeVerifier, nonce, maxAge, responseMode });
}

/**
 * Without a push, the URL contains the parameters, or only the signed object that contains them (RFC 9101 §5). With OpenID
 * Connect, it repeats two of them, which must also be outside the object (OpenID Connect Core §6.1).
 */
async function queryParameters(
  { clientId, scope, extra, signal }: AuthorizationUrlRequest,
  parameters: ExtraFields,
  signObject: SignObject | undefined,
): Promise<URLSearchParams> {
  if (!signObject) return createForm(parameters, extra);
  const repeated = hasOpenId(scope) ? { response_type: parameters.response_type, scope } : {};
  return createForm({ client_id: clientId, ...repeated, request: await signObject(signal) });
}

/** Returns the function that signs the request object, if the request has one. */
function requestObjectSigner(
  server: AuthorizationServer,
  request: AuthorizationUrlRequest,
  parameters: ExtraFields,
): SignObject | undefined {
  const { issuer, metadata } = server;
  const { requestObject, clientId, dpopProver, extra } = request;
  if (requestObject === undefined) {
    if (metadata?.require_signed_request_object !== true || extra?.request != null) return undefined;
    throw misconfigured("The server requires a signed request object (RFC 9101). Use the option requestObject.");
  }
  assertAssertionKey(assertObject(requestObject, "requestObject"), "requestObject.");
  const now = () => correctedTime(server.clockOf({ prover: dpopProver }), server.endpoints.url("token"));
  return (signal) => signRequestObject(requestObject, { clientId, issuer, metadata, parameters, extra, now, signal });
}

function randomText(): string {
  return randomBytes(16).toString("base64url");
}

function assertSeconds(maxAge: number | undefined): number | undefined {
  if (maxAge === undefined || (Number.isSafeInteger(maxAge) && maxAge >= 0)) return maxAge;
  throw misconfigured("maxAge must be a whole number of seconds, 0 or more.");
}
