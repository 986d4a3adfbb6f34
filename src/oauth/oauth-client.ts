/** An OAuth 2.0 client (RFC 6749) whose tokens are bound to a key by DPoP (RFC 9449 §5). */

import type { SignOptions } from "../keystore/signer.js";
import { type TokenTrace, tokenChannel, traced } from "../tracing.js";
import { assertObject, assertString, misconfigured } from "./assert.js";
import { AuthorizationServer, DEFAULT_TIMEOUT, type ServerOptions } from "./authorization-server.js";
import { discoverMetadata } from "./discovery.js";
import { type AuthorizationCodeRequest, parseCallback } from "./grants/authorization-callback.js";
import {
  type AuthorizationUrlRequest,
  authorizationUrl,
  type PendingAuthorization,
} from "./grants/authorization-request.js";
import { type DeviceAuthorization, deviceAuthorization } from "./grants/device-authorization.js";
import { type AppendAssertion, type JwtBearerRequest, jwtBearer } from "./grants/jwt-bearer.js";
import { type TokenExchangeRequest, tokenExchange } from "./grants/token-exchange.js";
import type { ClientRegistration, RegistrationAccess } from "./registration/client-registration.js";
import {
  deleteRegistration,
  type RegistrationRequest,
  type RegistrationUpdate,
  readRegistration,
  register,
  updateRegistration,
} from "./registration/register-client.js";
import type { ServerMetadata } from "./server-metadata.js";
import { Token } from "./token/token.js";
import {
  assertTokenRequest,
  type GrantRequest,
  grantRequest,
  type TokenRequest,
  tokenForm,
} from "./token/token-request.js";
import { parseTokenResponse } from "./token/token-response.js";
import { type Introspection, introspect, revoke, type TokenStatusRequest } from "./token/token-status.js";

/** Options of {@link OAuthClient}. */
export interface OAuthClientOptions extends ServerOptions {
  /** Rejects a token that isn't bound to any key. A token that is bound to a different key is always rejected. */
  requireBinding?: boolean | undefined;
}

/** Options of {@link OAuthClient.discover}. */
export type DiscoverOptions = Omit<OAuthClientOptions, "baseUrl" | "metadata" | "issuer"> & SignOptions;

/** Options of {@link OAuthClient.refresh}. */
export interface RefreshRequest extends GrantRequest {
  /** The current refresh token. */
  refreshToken: string;
}

/** Options of {@link OAuthClient.deviceCode}. */
export interface DeviceCodeRequest extends GrantRequest {
  /** Shows the code to the user. Polling starts when it returns. */
  show: (device: DeviceAuthorization) => void | Promise<void>;
}

/**
 * Requests, introspects and revokes DPoP-bound tokens.
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

  /** @throws {OAuthError} With code `misconfigured` if an option is invalid, such as a URL that isn't `https:`. */
  constructor(options: OAuthClientOptions) {
    this.#server = new AuthorizationServer(options);
    this.#options = options;
  }

  /**
   * Creates a client from the server's metadata (RFC 8414, otherwise OpenID Connect Discovery). Caches the metadata as
   * long as the server allows.
   *
   * @param issuer - The server's issuer identifier, exactly as in its metadata.
   */
  static async discover(issuer: string, options: DiscoverOptions = {}): Promise<OAuthClient> {
    const { signal, ...rest } = assertObject(options, "The options of discover");
    const { timeout = DEFAULT_TIMEOUT, fetch, allowInsecure, allowPrivateEndpoints = false } = options;
    const metadata = await discoverMetadata(assertString(issuer, "issuer"), { timeout, signal, fetch, allowInsecure });
    return new OAuthClient({ ...rest, baseUrl: issuer, metadata, allowPrivateEndpoints });
  }

  /** The server's issuer identifier, or its base URL if the issuer isn't known. */
  get issuer(): string {
    return this.#server.issuer ?? this.#server.endpoints.base;
  }

  /** Whether tokens must be bound to a key. A request can override it. */
  get requireBinding(): boolean {
    return this.#options.requireBinding ?? false;
  }

  /** The server's metadata, from `discover` or the options. */
  get metadata(): ServerMetadata | undefined {
    return this.#options.metadata;
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
    const { require_pushed_authorization_requests: isRequired } = this.metadata ?? {};
    const { pushed = isRequired === true } = assertObject(request, "The request");
    return authorizationUrl(this.#server, { ...request, pushed });
  }

  /**
   * Completes the authorization code grant (RFC 6749 §4.1): validates the callback and exchanges its code for a token.
   *
   * @param callbackUrl - The complete URL that the server redirected the browser to.
   * @param request - The members of the {@link PendingAuthorization}, and the client.
   */
  async authorizationCode(callbackUrl: string | URL, request: AuthorizationCodeRequest): Promise<Token> {
    const { issuer } = this.#server;
    const issuerRequired = this.metadata?.authorization_response_iss_parameter_supported === true;
    const state = assertString(assertObject(request, "The request").state, "state");
    const code = parseCallback(callbackUrl, { state, issuer, issuerRequired });
    const fields = {
      code,
      redirect_uri: assertString(request.redirectUri, "redirectUri"),
      code_verifier: assertString(request.codeVerifier, "codeVerifier"),
    };
    return this.#getToken(grantRequest("authorization_code", request, fields));
  }

  /**
   * Refreshes a token (RFC 6749 §6). If the server doesn't issue a new refresh token, the result has the current one.
   */
  async refresh(request: RefreshRequest): Promise<Token> {
    const refreshToken = assertString(assertObject(request, "The request").refreshToken, "refreshToken");
    const token = await this.#getToken(grantRequest("refresh_token", request, { refresh_token: refreshToken }));
    return token.refreshToken === null ? new Token(token.raw, token.accessToken, refreshToken) : token;
  }

  /**
   * Starts device authorization (RFC 8628): requests a code for the user. `token()` of the result waits for the token.
   */
  async deviceAuthorization(request: GrantRequest): Promise<DeviceAuthorization> {
    return deviceAuthorization(this.#server, request, (tokenRequest) => this.#getToken(tokenRequest));
  }

  /** Runs device authorization in one call (RFC 8628): shows the code and waits for the token. */
  async deviceCode(options: DeviceCodeRequest): Promise<Token> {
    const { show, ...request } = assertObject(options, "The request");
    if (typeof show !== "function") throw misconfigured("show must be a function that shows the code to the user.");
    const device = await this.deviceAuthorization(request);
    await show(device);
    return device.token();
  }

  /** Exchanges one token for another (RFC 8693). */
  async exchangeToken(request: TokenExchangeRequest): Promise<Token> {
    return this.#getToken(tokenExchange(request));
  }

  /** Requests a token with a JWT assertion (RFC 7523 §2.1), from the caller or signed for each request. */
  async jwtBearer(request: JwtBearerRequest): Promise<Token> {
    const { request: tokenRequest, appendAssertion } = jwtBearer(request);
    return this.#getToken(tokenRequest, appendAssertion);
  }

  /** Revokes a token (RFC 7009). Succeeds for a token that the server doesn't know. */
  async revoke(request: TokenStatusRequest): Promise<void> {
    await revoke(this.#server, request);
  }

  /** Introspects a token (RFC 7662). */
  async introspect(request: TokenStatusRequest): Promise<Introspection> {
    return introspect(this.#server, request);
  }

  /**
   * Registers a client (RFC 7591), with the public keys of its signers. The default of `token_endpoint_auth_method` is
   * `private_key_jwt` with a signer, and that of `dpop_bound_access_tokens` is true (RFC 9449 §5.2).
   */
  async register(request: RegistrationRequest): Promise<ClientRegistration> {
    return register(this.#server, request);
  }

  /** Reads a registration (RFC 7592 §2.1). The server may replace the token for it. */
  async readRegistration(access: RegistrationAccess, options: SignOptions = {}): Promise<ClientRegistration> {
    return readRegistration(this.#server, access, options);
  }

  /** Replaces a registration (RFC 7592 §2.2): what the update doesn't contain is deleted. */
  async updateRegistration(access: RegistrationAccess, update: RegistrationUpdate): Promise<ClientRegistration> {
    return updateRegistration(this.#server, access, update);
  }

  /** Deletes a registration (RFC 7592 §2.3). */
  async deleteRegistration(access: RegistrationAccess, options: SignOptions = {}): Promise<void> {
    await deleteRegistration(this.#server, access, options);
  }

  async #getToken(request: TokenRequest, appendAssertion?: AppendAssertion): Promise<Token> {
    assertTokenRequest(request);
    const trace = () => this.#trace(request);
    return traced(tokenChannel, trace, async (message) => {
      const response = await this.#server.post({
        endpoint: "token",
        client: request,
        prover: request.dpopProver,
        form: async (clientFields, context) => {
          const form = tokenForm(request, clientFields);
          await appendAssertion?.(form, context);
          return form;
        },
        signal: request.signal,
        onStatus: (statusCode) => Object.assign(message ?? {}, { statusCode }),
      });
      const required = request.requireBinding ?? this.requireBinding;
      return parseTokenResponse(response, { jkt: request.dpopProver.jkt, required });
    });
  }

  #trace({ grantType, clientId, dpopProver }: TokenRequest): TokenTrace {
    const { jkt, signer } = dpopProver;
    return { url: this.#server.endpoints.url("token").href, grantType, clientId, jkt, uri: signer.uri };
  }
}
