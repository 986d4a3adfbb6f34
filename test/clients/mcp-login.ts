/** An `OAuthClientProvider` for a user's login, with the browser and the storage of a test. */
import type {
  DpopSession,
  OAuthClientMetadata,
  OAuthClientProvider,
  OAuthDiscoveryState,
  StoredOAuthClientInformation,
  StoredOAuthTokens,
} from "@modelcontextprotocol/client";
import { authorizeInBrowser } from "../servers/browser.js";

/** What a provider stores. It can outlive the process. */
export interface LoginState {
  client?: StoredOAuthClientInformation | undefined;
  tokens?: StoredOAuthTokens | undefined;
}

/** Logs the user in by an authorization code. A client without a registration registers itself. */
export class LoginProvider implements OAuthClientProvider {
  readonly redirectUrl: string;
  readonly clientMetadata: OAuthClientMetadata;
  readonly stored: LoginState;
  readonly #session: DpopSession;
  #callback: URLSearchParams | undefined;
  #verifier = "";
  #discovery: OAuthDiscoveryState | undefined;

  constructor(session: DpopSession, redirectUrl: string, stored: LoginState = {}) {
    this.redirectUrl = redirectUrl;
    this.stored = stored;
    this.#session = session;
    this.clientMetadata = {
      client_name: "hardproof",
      redirect_uris: [redirectUrl],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
  }

  /**
   * Returns the parameters of the last callback, which `finishAuth` takes. Each callback is returned once.
   *
   * @throws If the user wasn't asked to log in since then.
   */
  takeCallback(): URLSearchParams {
    const callback = this.#callback;
    this.#callback = undefined;
    if (!callback) throw new Error("The SDK didn't ask the user to log in.");
    return callback;
  }

  dpop(): DpopSession {
    return this.#session;
  }

  clientInformation(): StoredOAuthClientInformation | undefined {
    return this.stored.client;
  }

  saveClientInformation(client: StoredOAuthClientInformation): void {
    this.stored.client = client;
  }

  tokens(): StoredOAuthTokens | undefined {
    return this.stored.tokens;
  }

  saveTokens(tokens: StoredOAuthTokens): void {
    this.stored.tokens = tokens;
  }

  async redirectToAuthorization(url: URL): Promise<void> {
    this.#callback = new URL(await authorizeInBrowser(url.href, this.redirectUrl)).searchParams;
  }

  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }

  codeVerifier(): string {
    return this.#verifier;
  }

  saveDiscoveryState(state: OAuthDiscoveryState): void {
    this.#discovery = state;
  }

  discoveryState(): OAuthDiscoveryState | undefined {
    return this.#discovery;
  }
}
