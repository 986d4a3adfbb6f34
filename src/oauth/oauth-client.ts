/** An OAuth 2.0 client (RFC 6749) whose tokens are bound to a key (RFC 9449 §5), or to its certificate (RFC 8705 §3). */

import type { DPoPProver } from "../dpop/prover.js";
import type { SignOptions } from "../keystore/signer.js";
import { assertObject, assertString, misconfigured } from "./assert.js";
import { AuthorizationServer } from "./authorization-server.js";
import { discoverMetadata } from "./discovery.js";
import type { AuthorizationCodeRequest } from "./grants/authorization-callback.js";
import { authorizationCode } from "./grants/authorization-code.js";
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
import type { AuthorizationCallback } from "./grants/callback-parameters.js";
import {
  type DeviceAuthorization,
  type DeviceAuthorizationRequest,
  type DeviceCodeRequest,
  deviceAuthorization,
} from "./grants/device-authorization.js";
import { type JwtBearerRequest, jwtBearer } from "./grants/jwt-bearer.js";
import { type RefreshRequest, refresh } from "./grants/refresh.js";
import { type TokenExchangeRequest, tokenExchange } from "./grants/token-exchange.js";
import { withProfile } from "./profile.js";
import type { ClientRegistration, RegistrationAccess } from "./registration/client-registration.js";
import {
  deleteRegistration,
  type RegistrationRequest,
  type RegistrationUpdate,
  readRegistration,
  register,
  updateRegistration,
} from "./registration/register-client.js";
import { hasOpenId } from "./server-jwt/expected-id-token.js";
import { type ServerJwtOptions, ServerJwts } from "./server-jwt/server-jwts.js";
import type { ServerMetadata } from "./server-metadata.js";
import { DEFAULT_TIMEOUT, type ServerOptions } from "./server-options.js";
import { type GetToken, getToken } from "./token/request-token.js";
import type { Token } from "./token/token.js";
import { type AnyTokenRequest, type GrantRequest, grantRequest, type TokenRequest } from "./token/token-request.js";
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
    this.#options = withProfile(assertObject(options, "The options of the client"));
    this.#server = new AuthorizationServer(this.#options);
    this.#jwts = new ServerJwts(this.#options);
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
    withProfile({ ...rest, baseUrl: issuer, metadata: { issuer } }); // rejects options before the request
    const metadata = await discoverMetadata(assertString(issuer, "issuer"), { timeout, signal, fetch, allowInsecure });
    return new OAuthClient({ ...rest, baseUrl: issuer, metadata, allowPrivateEndpoints });
  }

  /** The server's issuer identifier, or its base URL if the issuer isn't known. */
  get issuer(): string {
    return this.#server.issuer ?? this.#server.endpoints.base;
  }

  /** Whether a token's binding must be confirmed. A request can override it. */
  get requireBinding(): boolean {
    return this.#options.requireBinding ?? false;
  }

  /** The server's metadata, from `discover` or the options. With a profile, it is restricted to what that allows. */
  get metadata(): ServerMetadata | undefined {
    return this.#server.metadata;
  }

  /** The thumbprint of the option `certificate` (`x5t#S256`, RFC 8705 §3.1). */
  get certificateThumbprint(): string | undefined {
    return this.#server.certificateThumbprint;
  }

  /**
   * Whether the server authenticates the client. The refresh tokens of a client that it doesn't authenticate are bound to the
   * prover's key (RFC 9449 §5).
   *
   * @param clientSecret - The secret of the client's requests, if it has one.
   */
  isConfidential(clientSecret?: string | null): boolean {
    const { clientAuth = "none" } = this.#options;
    return clientSecret != null || clientAuth !== "none";
  }

  /**
   * Checks, without a request, that tokens can be requested with the prover's key.
   *
   * @throws {OAuthError} With code `misconfigured` if the server's metadata or the profile doesn't allow the key's algorithm, or
   *   the client authenticates by the proofs of another key (`attest_jwt_client_auth_dpop`).
   */
  assertProver(prover: DPoPProver): void {
    this.#server.assertSupported(prover);
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
    return authorizationUrl(this.#server, this.#jwts, request);
  }

  /**
   * Completes the authorization code grant (RFC 6749 §4.1): validates the callback and exchanges its code for a token.
   *
   * @param callback - The complete URL that the server redirected the browser to, or the form that was posted to it.
   * @param request - The members of the {@link PendingAuthorization}, and the client.
   */
  async authorizationCode(callback: AuthorizationCallback, request: AuthorizationCodeRequest): Promise<Token> {
    return authorizationCode(this.#server, this.#jwts, callback, request, this.#getToken);
  }

  /**
   * Refreshes a token (RFC 6749 §6). If the server doesn't issue a new refresh token or ID token, the result has the
   * current one.
   */
  async refresh(request: RefreshRequest): Promise<Token> {
    return refresh(request, this.#getToken);
  }

  /**
   * Starts device authorization (RFC 8628): requests a code for the user. `token()` of the result waits for the token.
   */
  async deviceAuthorization(request: DeviceAuthorizationRequest): Promise<DeviceAuthorization> {
    return deviceAuthorization(this.#server, request, this.#loginPoll(request));
  }

  /** Runs device authorization in one call (RFC 8628): shows the code and waits for the token. */
  async deviceCode(options: DeviceCodeRequest): Promise<Token> {
    const { show, ...request } = assertObject(options, "The request");
    if (typeof show !== "function") throw misconfigured("show must be a function that shows the code to the user.");
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
    return jwtBearer(this.#server, request, this.#getToken);
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

  /** The token requests of a login whose scope was sent before. */
  #loginPoll(request: GrantRequest): GetToken {
    const idToken = { required: hasOpenId(assertObject(request, "The request").scope) };
    if (idToken.required) this.#jwts.assertVerifiable("idToken");
    return (tokenRequest) => this.#getToken(tokenRequest, { idToken });
  }

  readonly #getToken: GetToken = (request, details) =>
    getToken(this.#server, this.#jwts, request, { ...details, requireBinding: this.requireBinding });
}
