/** An OAuth 2.0 client (RFC 6749) whose tokens are bound to a key (RFC 9449 §5), or to its certificate (RFC 8705 §3). */

import type { SignOptions } from "../keystore/signer.js";
import { type TokenTrace, tokenChannel, traced } from "../tracing.js";
import { assertString } from "./assert.js";
import { AuthorizationServer, DEFAULT_TIMEOUT, type ServerOptions } from "./authorization-server.js";
import { correctedTime } from "./corrected-time.js";
import { discoverMetadata } from "./discovery.js";
import { type AuthorizationCodeRequest, parseCallback } from "./grants/authorization-callback.js";
import {
  type AuthorizationUrlRequest,
  authorizationUrl,
  type PendingAuthorization,
} from "./grants/authorization-request.js";
import {
  type BackchannelAuthentication,
  type BackchannelAuthenticationRequest,
  backchannelAuthentication,
} from "./grants/backchannel-authentication.js";
import { type AuthorizationCallback, callbackParameters } from "./grants/callback-parameters.js";
import {
  type DeviceAuthorization,
  type DeviceAuthorizationRequest,
  deviceAuthorization,
} from "./grants/device-authorization.js";
import { type JwtBearerRequest, jwtBearer } from "./grants/jwt-bearer.js";
import { isSignedMode, responseParameters } from "./grants/response-mode.js";
import { type TokenExchangeRequest, tokenExchange } from "./grants/token-exchange.js";
import { withTimeLimit } from "./http.js";
import { hasOpenId } from "./server-jwt/expected-id-token.js";
import type { IdTokenClaims } from "./server-jwt/id-token.js";
import { type ServerJwtOptions, ServerJwts } from "./server-jwt/server-jwts.js";
import type { ServerMetadata } from "./server-metadata.js";
import type { ExpectedBinding } from "./token/binding.js";
import { requestToken, type TokenDetails } from "./token/request-token.js";
import { type Token, withState } from "./token/token.js";
import {
  type AnyTokenRequest,
  assertTokenRequest,
  type GrantRequest,
  grantRequest,
  type TokenRequest,
} from "./token/token-request.js";
import { type Introspection, introspect, revoke, type TokenStatusRequest } from "./token/token-status.js";

/** Options of {@link OAuthClient}. */
export interface OAuthClientOptions extends ServerOptions, ServerJwtOptions {
  /**
   * Rejects a token unless the response, or a JWT access token, confirms that it is bound to the key or certificate of the
   * request. A token that is bound to a different one is always rejected.
   */
  requireBinding?: boolean | undefined;
}

/** Options of {@link OAuthClient.discover}. */
export type DiscoverOptions = Omit<OAuthClientOptions, "baseUrl" | "metadata" | "issuer"> & SignOptions;

/** Options of {@link OAuthClient.refresh}. */
export type RefreshRequest = GrantRequest & {
  /** The current refresh token. */
  refreshToken: string;
  /** The `idTokenClaims` of the current token. A new ID token must be for the same user (OpenID Connect Core §12.2). */
  idTokenClaims?: IdTokenClaims | null | undefined;
};

/** Options of {@link OAuthClient.deviceCode}. */
export type DeviceCodeRequest = DeviceAuthorizationRequest & {
  /** Shows the code to the user. Polling starts when it returns. */
  show: (device: DeviceAuthorization) => void | Promise<void>;
};

/**
 * Requests, introspects and revokes tokens that are bound to a key by DPoP, to the client's certificate, or to both.
 *
 * Every method throws {@link OAuthError} if the request fails, and {@link SignerError} if a key can't sign.
 *
 * @example
 * ```ts
 * const client = new OAuthClient({ baseUrl: "https://auth.example.com" });
 * const token = await client.clientCredentials({ dpopProver: prover, clientId, clientSecret, scope: "read" });
 * ```
 */
export class OAuthClient {
  readonly #server: AuthorizationServer;
  readonly #options: OAuthClientOptions;
  readonly #jwts: ServerJwts;

  /** @throws {OAuthError} With code `misconfigured` if an option is invalid, such as a URL that isn't `https:`. */
  constructor(options: OAuthClientOptions) {
    this.#server = new AuthorizationServer(options);
    this.#options = options;
    this.#jwts = new ServerJwts(options);
  }

  /**
   * Creates a client from the server's metadata (RFC 8414, otherwise OpenID Connect Discovery). Caches the metadata as
   * long as the server allows.
   *
   * @param issuer - The server's issuer identifier, exactly as in its metadata.
   */
  static async discover(issuer: string, options: DiscoverOptions = {}): Promise<OAuthClient> {
    const { signal, ...rest } = options;
    const { timeout = DEFAULT_TIMEOUT, fetch, allowInsecure } = options;
    const metadata = await discoverMetadata(assertString(issuer, "issuer"), { timeout, signal, fetch, allowInsecure });
    return new OAuthClient({ ...rest, baseUrl: issuer, metadata });
  }

  /** The server's issuer identifier, or its base URL if the issuer isn't known. */
  get issuer(): string {
    return this.#server.issuer ?? this.#server.endpoints.base;
  }

  /** Whether a token's binding must be confirmed. A request can override it. */
  get requireBinding(): boolean {
    return this.#options.requireBinding ?? false;
  }

  /** The server's metadata, from `discover` or the options. */
  get metadata(): ServerMetadata | undefined {
    return this.#options.metadata;
  }

  /** The thumbprint of the option `certificate` (`x5t#S256`, RFC 8705 §3.1). */
  get certificateThumbprint(): string | undefined {
    return this.#server.certificateThumbprint;
  }

  /**
   * Requests a token by any grant, bound to the prover's key, or to the client's certificate, or to both. Otherwise like
   * {@link OAuthClient.getTokenWithDPoP}.
   */
  async getToken(request: AnyTokenRequest): Promise<Token> {
    return this.#getToken(request);
  }

  /**
   * Requests a token that is bound to the prover's key, by any grant. Retries with a new proof after a nonce challenge,
   * and after a proof that was rejected because of the clock, once each.
   */
  async getTokenWithDPoP(request: TokenRequest): Promise<Token> {
    return this.#getToken(request);
  }

  /** Requests a token for the client itself (RFC 6749 §4.4). */
  async clientCredentials(request: GrantRequest): Promise<Token> {
    return this.#getToken(grantRequest("client_credentials", request, {}));
  }

  /** Starts the authorization code grant (RFC 6749 §4.1): creates the URL to open in the user's browser. */
  async authorizationUrl(request: AuthorizationUrlRequest): Promise<PendingAuthorization> {
    const { pushed = this.metadata?.require_pushed_authorization_requests === true } = request;
    if (hasOpenId(request.scope)) this.#jwts.assertVerifiable("idToken");
    if (isSignedMode(request.responseMode)) this.#jwts.assertVerifiable("authorizationResponse");
    return authorizationUrl(this.#server, { ...request, pushed }, this.metadata);
  }

  /**
   * Completes the authorization code grant (RFC 6749 §4.1): validates the callback and exchanges its code for a token.
   *
   * @param callback - The complete URL that the server redirected the browser to, or the form that was posted to it.
   * @param request - The members of the {@link PendingAuthorization}, and the client.
   */
  async authorizationCode(callback: AuthorizationCallback, request: AuthorizationCodeRequest): Promise<Token> {
    const { nonce = null, maxAge } = request;
    const fields = {
      redirect_uri: assertString(request.redirectUri, "redirectUri"),
      code_verifier: assertString(request.codeVerifier, "codeVerifier"),
    };
    return this.#withTimeLimit(request.signal, async (signal) => {
      const code = await this.#codeOf(callback, request);
      const tokenRequest = grantRequest("authorization_code", { ...request, signal }, { code, ...fields });
      return this.#getToken(tokenRequest, { idToken: { required: nonce !== null, nonce, maxAge } });
    });
  }

  /**
   * Refreshes a token (RFC 6749 §6). If the server doesn't issue a new refresh token or ID token, the result has the
   * current one.
   */
  async refresh(request: RefreshRequest): Promise<Token> {
    const refreshToken = assertString(request.refreshToken, "refreshToken");
    const previous = request.idTokenClaims ?? undefined;
    const tokenRequest = grantRequest("refresh_token", request, { refresh_token: refreshToken });
    const token = await this.#getToken(tokenRequest, { idToken: { required: false, previous } });
    const idTokenClaims = token.idTokenClaims ?? previous;
    return withState(token, { refreshToken: token.refreshToken ?? refreshToken, idTokenClaims });
  }

  /**
   * Starts device authorization (RFC 8628): requests a code for the user. `token()` of the result waits for the token.
   */
  async deviceAuthorization(request: DeviceAuthorizationRequest): Promise<DeviceAuthorization> {
    const { pkce = this.metadata?.code_challenge_methods_supported?.includes("S256") === true } = request;
    return deviceAuthorization(this.#server, { ...request, pkce }, this.#loginPoll(request));
  }

  /** Runs device authorization in one call (RFC 8628): shows the code and waits for the token. */
  async deviceCode({ show, ...request }: DeviceCodeRequest): Promise<Token> {
    const device = await this.deviceAuthorization(request);
    await show(device);
    return device.token();
  }

  /**
   * Starts backchannel authentication (CIBA): the server asks the user on a device of theirs. `token()` of the result
   * waits for the token, in poll mode.
   */
  async backchannelAuthentication(request: BackchannelAuthenticationRequest): Promise<BackchannelAuthentication> {
    return backchannelAuthentication(this.#server, request, this.#loginPoll(request));
  }

  /** Exchanges one token for another (RFC 8693). */
  async exchangeToken(request: TokenExchangeRequest): Promise<Token> {
    return this.#getToken(tokenExchange(request));
  }

  /** Requests a token with a JWT assertion (RFC 7523 §2.1), from the caller or signed for each request. */
  async jwtBearer(request: JwtBearerRequest): Promise<Token> {
    const { request: tokenRequest, appendAssertion } = jwtBearer(request);
    return this.#getToken(tokenRequest, { appendAssertion });
  }

  /** Revokes a token (RFC 7009). Succeeds for a token that the server doesn't know. */
  async revoke(request: TokenStatusRequest): Promise<void> {
    await revoke(this.#server, request);
  }

  /** Introspects a token (RFC 7662). */
  async introspect(request: TokenStatusRequest): Promise<Introspection> {
    return introspect(this.#server, request);
  }

  /** The token requests of a login whose scope was sent before. */
  #loginPoll({ scope }: GrantRequest): (request: AnyTokenRequest) => Promise<Token> {
    const idToken = { required: hasOpenId(scope) };
    if (idToken.required) this.#jwts.assertVerifiable("idToken");
    return (request) => this.#getToken(request, { idToken });
  }

  async #getToken(request: AnyTokenRequest, details: Omit<TokenDetails, "binding"> = {}): Promise<Token> {
    assertTokenRequest(request);
    this.#server.assertUsable(request);
    const trace = () => this.#trace(request);
    const binding = this.#expectedBinding(request);
    return traced(tokenChannel, trace, async (message) => {
      const onStatus = (statusCode: number) => Object.assign(message ?? {}, { statusCode });
      return this.#withTimeLimit(request.signal, (signal) =>
        requestToken(this.#server, this.#jwts, { ...request, signal }, { ...details, binding, onStatus }),
      );
    });
  }

  /** Validates a callback and returns its code. */
  async #codeOf(callback: AuthorizationCallback, request: AuthorizationCodeRequest): Promise<string> {
    const { clientId, dpopProver, responseMode } = request;
    const state = assertString(request.state, "state");
    const context = { clientId, now: correctedTime(dpopProver) };
    const verify = (jwt: string) => this.#jwts.verify("authorizationResponse", jwt, context);
    const parameters = await responseParameters(callbackParameters(callback), responseMode, verify);
    const issuerRequired = this.metadata?.authorization_response_iss_parameter_supported === true;
    return parseCallback(parameters, { state, issuer: this.#server.issuer, issuerRequired });
  }

  /** Limits the time of one call to the token endpoint, including the server's keys. */
  #withTimeLimit<T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { timeout = DEFAULT_TIMEOUT } = this.#options;
    const url = this.#server.endpoints.url("token");
    return withTimeLimit({ url, timeout, signal }, (deadline) => work(deadline.signal));
  }

  #expectedBinding({ dpopProver, binding, requireBinding }: AnyTokenRequest): ExpectedBinding {
    return {
      jkt: dpopProver?.jkt,
      x5t: this.certificateThumbprint,
      toCertificate: binding === "certificate",
      required: requireBinding ?? this.requireBinding,
    };
  }

  #trace({ grantType, clientId, dpopProver, binding }: AnyTokenRequest): TokenTrace {
    const x5t = binding === "certificate" ? this.certificateThumbprint : undefined;
    const url = this.#server.endpoints.url("token").href;
    return { url, grantType, clientId, jkt: dpopProver?.jkt, uri: dpopProver?.signer.uri, ...(x5t && { x5t }) };
  }
}
