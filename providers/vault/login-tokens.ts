/** Tokens of a login that Hardproof makes: one login for all concurrent callers, and another one when the token ends. */
import { untilAborted, withDeadline } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import { isJsonObject } from "../../src/jose/json-object.js";
import { type Credentials, checkNotRejected, readCredentials, rememberRejection } from "./credentials.js";
import { toSignerError } from "./errors.js";
import { exchange, type VaultResponse, type VaultServer } from "./http.js";
import { Lease } from "./lease.js";
import { loginPath, type OwnLogin } from "./login.js";
import { renew, revoke, type TokenHolder, type Tokens, termsOf } from "./tokens.js";

/** Milliseconds. A login is shared, so it doesn't end with the time of one caller. */
const TIME_LIMIT = 30_000;
/** Milliseconds. Until then, a denied request doesn't lead to another login: the new token would be denied as well. */
const LOGIN_PAUSE = 60_000;

/** Logs in at the first use, and again when the token has expired or was revoked. */
export class LoginTokens implements Tokens {
  readonly #login: OwnLogin;
  readonly #holder: TokenHolder;
  /** Paths that a new token was denied, and until when no other one is requested because of them. */
  readonly #denied = new Map<string, number>();
  #lease: Lease | undefined;
  #loggingIn: Promise<Lease> | undefined;
  /** Why the token could not be replaced. */
  #failure: string | undefined;
  #closed = false;

  /** @param namespace - That of the key. The login may have another one. */
  constructor(server: VaultServer, namespace: string | undefined, login: OwnLogin) {
    this.#login = login;
    this.#holder = { server, namespace: login.namespace ?? namespace };
  }

  async current(signal: AbortSignal): Promise<string> {
    if (this.#lease && !this.#lease.isOver) return this.#lease.token;
    return (await untilAborted(signal, () => this.#logIn())).token;
  }

  accepted(token: string): void {
    if (this.#lease?.token === token) this.#lease.proven = true;
  }

  /**
   * Logs in once more, since the token may have been revoked. A token that is new, or a path that a new token was denied,
   * means that the policies don't allow it.
   */
  async replace(rejected: string, path: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.#lease?.token !== rejected) return this.current(signal);
    if (this.#lease.isNew(LOGIN_PAUSE) || performance.now() < (this.#denied.get(path) ?? 0)) return undefined;
    try {
      return (await untilAborted(signal, () => this.#logIn())).token;
    } catch (error) {
      // The token may still be valid for other paths, and the secret id only for one login.
      if (!(error instanceof SignerError) || error.retryable) throw error;
      this.#failure = error.message;
      return undefined;
    }
  }

  denied(token: string, path: string): void {
    if (this.#lease?.token === token) this.#denied.set(path, performance.now() + LOGIN_PAUSE);
  }

  get problem(): string {
    const policies = `the policies of the token from ${loginPath(this.#login)} don't allow it`;
    if (this.#failure === undefined) return `Either the token was revoked, or ${policies}.`;
    return `Either ${policies}, or the token was revoked, and another login failed (${this.#failure.replace(/\.$/, "")}).`;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#lease?.stop();
    if (this.#lease && !this.#lease.isOver) await revoke(this.#holder, this.#lease.token);
  }

  #logIn(): Promise<Lease> {
    this.#loggingIn ??= this.#newLease().finally(() => {
      this.#loggingIn = undefined;
    });
    return this.#loggingIn;
  }

  async #newLease(): Promise<Lease> {
    const path = loginPath(this.#login);
    const toError = () => new SignerError("timeout", `No response from ${path} within ${TIME_LIMIT} ms.`);
    const response = await withDeadline({ timeout: TIME_LIMIT, toError }, async ({ signal }) => {
      const credentials = await readCredentials(this.#login);
      return this.#send(path, credentials, signal);
    });
    const { token, terms } = tokenOf(response, path);
    if (this.#closed) await revoke(this.#holder, token);
    this.#discard();
    this.#failure = undefined;
    this.#lease = new Lease(token, terms, () => renew(this.#holder, token));
    if (this.#closed) this.#lease.stop();
    return this.#lease;
  }

  /** Doesn't wait. A request in flight with the old token is repeated with the new one. */
  #discard(): void {
    this.#lease?.stop();
    if (this.#lease && !this.#lease.isOver) void revoke(this.#holder, this.#lease.token);
  }

  /** Isn't repeated: a secret id may be valid only once. */
  async #send(path: string, credentials: Credentials, signal: AbortSignal): Promise<VaultResponse> {
    const { server, namespace } = this.#holder;
    const place = `${server.address} ${namespace ?? ""} ${path}`;
    checkNotRejected(place, credentials);
    const response = await exchange(server, { method: "POST", path, namespace, ...credentials }, signal);
    if (response.status === 200) return response;
    rememberRejection(place, credentials, response);
    throw loginError(response, path);
  }
}

function tokenOf({ json }: VaultResponse, path: string) {
  const auth = isJsonObject(json.auth) ? json.auth : {};
  const { client_token: token, mfa_requirement: mfa } = auth;
  if (typeof token === "string" && token !== "") return { token, terms: termsOf(json) };
  const reason = mfa ? "It needs a second factor, which Hardproof can't provide." : "The response has no token.";
  throw new SignerError("access-denied", `The login at ${path} is not complete. ${reason}`);
}

/** The methods reject wrong credentials with 400, 401, 403 or, in some versions, 500. */
function loginError(response: VaultResponse, path: string): SignerError {
  const { status, errorText } = response;
  const server = errorText && ` The server reports: ${errorText}`;
  if (/no handler for route/.test(errorText))
    return new SignerError(
      "misconfigured",
      `No login method is mounted at ${path}. Check its mount and namespace.${server}`,
    );
  if (![400, 401, 403].includes(status)) return toSignerError(response, path);
  const remedy = "The server rejected the login. Check the role, its secret, and whether the secret has expired.";
  return new SignerError("access-denied", `HTTP ${status} from ${path}: ${remedy}${server}`);
}
