/** What a client asks of one authorization server (RFC 6749), every token bound to its key (RFC 9449 §5). */

import type { SignOptions } from "../keystore/signer.js";
import { type TokenTrace, tokenChannel, traced } from "../tracing.js";
import { checkText } from "./assert.js";
import { AuthorizationServer, DEFAULT_TIMEOUT, type ServerOptions } from "./authorization-server.js";
import { discoverMetadata } from "./discovery.js";
import { type AuthorizationCodeRequest, codeOf } from "./grants/authorization-callback.js";
import {
  type AuthorizationUrlRequest,
  authorizationUrl,
  type PendingAuthorization,
} from "./grants/authorization-request.js";
import { type DeviceAuthorization, deviceAuthorization } from "./grants/device-authorization.js";
import { type FinishForm, type JwtBearerRequest, jwtBearer } from "./grants/jwt-bearer.js";
import { type TokenExchangeRequest, tokenExchange } from "./grants/token-exchange.js";
import type { ServerMetadata } from "./server-metadata.js";
import { Token } from "./token/token.js";
import {
  checkTokenRequest,
  type GrantRequest,
  grantRequest,
  type TokenRequest,
  tokenForm,
} from "./token/token-request.js";
import { tokenOf } from "./token/token-response.js";
import { type Introspection, introspect, revoke, type TokenStatusRequest } from "./token/token-status.js";

export interface OAuthClientOptions extends ServerOptions {
  /** Refuses a token that is bound to no key. A token bound to another key is always refused. */
  requireBinding?: boolean | undefined;
}

/** What `discover` takes: the issuer's metadata says the rest. */
export type DiscoverOptions = Omit<OAuthClientOptions, "baseUrl" | "metadata" | "issuer"> & SignOptions;

export interface RefreshRequest extends GrantRequest {
  refreshToken: string;
}

export interface DeviceCodeRequest extends GrantRequest {
  /** Shows the code to somebody. The wait for them begins when it is done. */
  show: (device: DeviceAuthorization) => void | Promise<void>;
}

/**
 * Gets DPoP-bound tokens, and gives them back.
 *
 * Every method throws {@link OAuthError}, its code saying why there is no result, and {@link SignerError} where the key
 * did not sign.
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

  /** @throws {OAuthError} code `misconfigured` for a base URL that no secret should be sent to */
  constructor(options: OAuthClientOptions) {
    this.#server = new AuthorizationServer(options);
    this.#options = options;
  }

  /**
   * Makes a client by what the server says of itself (RFC 8414, else OpenID Connect Discovery). The metadata is kept for
   * later calls as long as the server allows.
   *
   * @param issuer - the server's own name, exactly as it writes it
   */
  static async discover(issuer: string, options: DiscoverOptions = {}): Promise<OAuthClient> {
    const { signal, ...rest } = options;
    const { timeout = DEFAULT_TIMEOUT, fetch, allowInsecure } = options;
    const metadata = await discoverMetadata(checkText("issuer", issuer), { timeout, signal, fetch, allowInsecure });
    return new OAuthClient({ ...rest, baseUrl: issuer, metadata });
  }

  /** What the server calls itself, or its base URL where nobody said. */
  get issuer(): string {
    return this.#server.issuer ?? this.#server.endpoints.base;
  }

  /** Whether a token that is bound to no key is refused, where a request does not say. */
  get requireBinding(): boolean {
    return this.#options.requireBinding ?? false;
  }

  /** What the server said of itself, if it was asked. */
  get metadata(): ServerMetadata | undefined {
    return this.#options.metadata;
  }

  /**
   * Asks for a token that is bound to the prover's key. A server that wants a nonce gets a second request, with a fresh
   * proof, and so does one whose clock says another time. Neither happens twice.
   *
   * @throws {OAuthError} code of why there is no token
   * @throws {SignerError} code of why the key did not sign
   */
  async getTokenWithDPoP(request: TokenRequest): Promise<Token> {
    return this.#getToken(request);
  }

  /** RFC 6749 §4.4: the agent for itself. */
  async clientCredentials(request: GrantRequest): Promise<Token> {
    return this.#getToken(grantRequest("client_credentials", request, {}));
  }

  /** The start of RFC 6749 §4.1: where to send the browser. With `pushed`, by way of RFC 9126. */
  async authorizationUrl(request: AuthorizationUrlRequest): Promise<PendingAuthorization> {
    const { pushed = this.metadata?.require_pushed_authorization_requests === true } = request;
    return authorizationUrl(this.#server, { ...request, pushed });
  }

  /**
   * The end of RFC 6749 §4.1: the code for a token.
   *
   * @param callbackUrl - the whole URL that the browser came back to
   * @param request - the members of the {@link PendingAuthorization}, and the client
   */
  async authorizationCode(callbackUrl: string | URL, request: AuthorizationCodeRequest): Promise<Token> {
    const { issuer } = this.#server;
    const issuerRequired = this.metadata?.authorization_response_iss_parameter_supported === true;
    const state = checkText("state", request.state);
    const code = codeOf(callbackUrl, { state, issuer, issuerRequired });
    const fields = {
      code,
      redirect_uri: checkText("redirectUri", request.redirectUri),
      code_verifier: checkText("codeVerifier", request.codeVerifier),
    };
    return this.#getToken(grantRequest("authorization_code", request, fields));
  }

  /** RFC 6749 §6. The token has the server's new refresh token, or this one where it sent none. */
  async refresh(request: RefreshRequest): Promise<Token> {
    const refreshToken = checkText("refreshToken", request.refreshToken);
    const token = await this.#getToken(grantRequest("refresh_token", request, { refresh_token: refreshToken }));
    return token.refreshToken === null ? new Token(token.raw, token.accessToken, refreshToken) : token;
  }

  /** The start of RFC 8628: a code to show, and `token()` to wait with. */
  async deviceAuthorization(request: GrantRequest): Promise<DeviceAuthorization> {
    return deviceAuthorization(this.#server, request, (asked) => this.#getToken(asked));
  }

  /** RFC 8628 in one call: shows the code, waits, and has the token. */
  async deviceCode({ show, ...request }: DeviceCodeRequest): Promise<Token> {
    const device = await this.deviceAuthorization(request);
    await show(device);
    return device.token();
  }

  /** RFC 8693: one token for another. */
  async exchangeToken(request: TokenExchangeRequest): Promise<Token> {
    return this.#getToken(tokenExchange(request));
  }

  /** RFC 7523 §2.1: an assertion for a token, as it is given or signed here. */
  async jwtBearer(request: JwtBearerRequest): Promise<Token> {
    const { request: asked, finish } = jwtBearer(request);
    return this.#getToken(asked, finish);
  }

  /** RFC 7009. A token that the server does not know is as good as revoked. */
  async revoke(request: TokenStatusRequest): Promise<void> {
    await revoke(this.#server, request);
  }

  /** RFC 7662. */
  async introspect(request: TokenStatusRequest): Promise<Introspection> {
    return introspect(this.#server, request);
  }

  async #getToken(request: TokenRequest, finish?: FinishForm): Promise<Token> {
    checkTokenRequest(request);
    return traced(
      tokenChannel,
      () => this.#trace(request),
      async (trace) => {
        const accepted = await this.#server.post({
          endpoint: "token",
          client: request,
          prover: request.dpopProver,
          form: async (clientFields, use) => {
            const form = tokenForm(request, clientFields);
            await finish?.(form, use);
            return form;
          },
          signal: request.signal,
          answered: (status) => Object.assign(trace ?? {}, { statusCode: status }),
        });
        const required = request.requireBinding ?? this.requireBinding;
        return tokenOf(accepted, { jkt: request.dpopProver.jkt, required });
      },
    );
  }

  #trace({ grantType, clientId, dpopProver }: TokenRequest): TokenTrace {
    const { jkt, signer } = dpopProver;
    return { url: this.#server.endpoints.url("token").href, grantType, clientId, jkt, uri: signer.uri };
  }
}
