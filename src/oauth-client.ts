/** The token endpoint (RFC 6749 §3.2), spoken to with DPoP proofs (RFC 9449 §5). */
import { authenticate, type ClientAuth, type ClientCredentials } from "./client-auth.js";
import { type Deadline, withDeadline } from "./deadline.js";
import type { DPoPProver } from "./dpop-prover.js";
import { OAuthError } from "./errors.js";
import { type Answer, postForm } from "./form-post.js";
import { NonceStore } from "./nonce-store.js";
import { boundKeys, Token } from "./token.js";

export interface OAuthClientOptions {
  /** The authorization server; the token endpoint is `/oauth/token` below it. `https:`, or `http:` on loopback. */
  baseUrl: string | URL;
  /** Takes `http:` for any host. Everything that is sent can then be read and changed on the way. */
  allowInsecure?: boolean | undefined;
  /** How the client authenticates. Default `client_secret_post` with a secret, `none` without. */
  clientAuth?: ClientAuth | undefined;
  /** Refuses a token that is bound to no key. A token bound to another key is always refused. */
  requireBinding?: boolean | undefined;
  /** Milliseconds that one call may take, its retry and the signatures included. Default 10,000. */
  timeout?: number | undefined;
  /** A `fetch` of your own: a proxy, mutual TLS, a test. */
  fetch?: typeof fetch | undefined;
}

/** Form fields beside the named ones. `undefined` and `null` are left out, an array sends its field once per element. */
export type ExtraFields = Readonly<Record<string, FormValue | readonly FormValue[] | null | undefined>>;
type FormValue = string | number | boolean;

export interface TokenRequest extends ClientCredentials {
  /** Any other grant's name or URN is fine too. */
  grantType: "client_credentials" | "authorization_code" | "refresh_token" | (string & {});
  dpopProver: DPoPProver;
  /** Space-separated. */
  scope?: string | null | undefined;
  /** Such as `code`, `redirect_uri`, `refresh_token`, `resource`. */
  extra?: ExtraFields | undefined;
  /** Overrides the client's own. */
  requireBinding?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

const DEFAULT_TIMEOUT = 10_000;
const NAMED_FIELDS = new Set(["grant_type", "client_id", "client_secret", "scope"]);
/** Fields that hold no secret: what else was sent is blotted out of the server's words. */
const PUBLIC_FIELDS = new Set(["grant_type", "client_id", "scope", "redirect_uri", "resource", "audience"]);

/**
 * Gets DPoP-bound tokens.
 *
 * @example
 * ```ts
 * const client = new OAuthClient({ baseUrl: "https://auth.example.com" });
 * const token = await client.getTokenWithDPoP({ grantType: "client_credentials", dpopProver: prover, clientId, clientSecret });
 * ```
 */
export class OAuthClient {
  readonly #tokenUrl: URL;
  readonly #options: OAuthClientOptions;
  readonly #timeout: number;
  readonly #nonces = new NonceStore();

  /** @throws {OAuthError} code `misconfigured` for a base URL that no secret should be sent to */
  constructor(options: OAuthClientOptions) {
    const base = checkBaseUrl(options.baseUrl, options.allowInsecure ?? false);
    this.#tokenUrl = new URL(`${base}/oauth/token`);
    this.#options = options;
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT;
    if (!(this.#timeout > 0)) throw misconfigured("timeout must be a number of milliseconds above 0.");
  }

  /**
   * Asks for a token that is bound to the prover's key. A server that wants a nonce gets a second request, with a fresh
   * proof, and no third.
   *
   * @throws {OAuthError} code of why there is no token
   * @throws {SignerError} code of why the key did not sign
   */
  async getTokenWithDPoP(request: TokenRequest): Promise<Token> {
    const { fields, headers } = authenticate(this.#options.clientAuth, checkClient(request));
    const form = tokenForm(request, fields);
    const secrets = secretsOf(form, headers);
    const { response, text } = await this.#within(request.signal, async (deadline) => {
      const answer = await this.#post(request.dpopProver, form, headers, deadline);
      return wantsNonce(answer) ? this.#post(request.dpopProver, form, headers, deadline) : answer;
    });
    const body = parseObject(text);
    if (!response.ok) throw refusal(response, body, text, secrets);
    if (typeof body?.access_token !== "string" || body.access_token === "")
      throw new OAuthError("invalid-response", `${this.#tokenUrl.href} answered without an access_token.`, {
        response,
      });
    const token = new Token(body, body.access_token);
    this.#checkBinding(token, request, response);
    return token;
  }

  async #post(prover: DPoPProver, form: URLSearchParams, headers: Record<string, string>, deadline: Deadline) {
    const { signal } = deadline;
    const url = this.#tokenUrl;
    const proof = await prover.makeProof({ htm: "POST", htu: url, nonce: this.#nonces.get(url), signal });
    const sent = { ...headers, accept: "application/json", "content-type": FORM, dpop: proof };
    const answer = await postForm({ url, form, headers: sent, fetch: this.#options.fetch ?? fetch }, deadline);
    this.#nonces.keep(url, answer.response.headers);
    return answer;
  }

  #within<T>(signal: AbortSignal | undefined, work: (deadline: Deadline) => Promise<T>): Promise<T> {
    const stopped = (why: "timeout" | "aborted", cause?: unknown) =>
      why === "timeout"
        ? new OAuthError("timeout", `${this.#tokenUrl.href} gave no answer within ${this.#timeout} ms.`)
        : new OAuthError("aborted", `The request to ${this.#tokenUrl.href} was aborted by the caller.`, { cause });
    return withDeadline({ timeout: this.#timeout, signal, stopped }, work);
  }

  /** A token that another key unlocks, or none, is not the token that was asked for. */
  #checkBinding(token: Token, request: TokenRequest, response: Response): void {
    const { raw, accessToken, tokenType } = token;
    const { jkt } = request.dpopProver;
    const keys = boundKeys(raw, accessToken);
    const other = keys.find((key) => key !== jkt);
    if (other !== undefined)
      throw new OAuthError("binding", `The token is bound to key ${other}, not to this prover's ${jkt}.`, { response });
    const bound = keys.length > 0 || (raw.token_type !== undefined && tokenType.toLowerCase() === "dpop");
    if ((request.requireBinding ?? this.#options.requireBinding) && !bound)
      throw new OAuthError("binding", `${this.#tokenUrl.href} issued a token that is bound to no key.`, { response });
  }
}

const FORM = "application/x-www-form-urlencoded;charset=UTF-8";

function checkBaseUrl(baseUrl: string | URL, allowInsecure: boolean): string {
  const url = URL.canParse(String(baseUrl)) ? new URL(baseUrl) : undefined;
  if (url?.protocol !== "https:" && url?.protocol !== "http:") throw misconfigured("baseUrl must be an https: URL.");
  if (url.username || url.password || url.search || url.hash)
    throw misconfigured(`baseUrl must be a plain URL: no user name, query or fragment (${url.host}).`);
  if (url.protocol === "http:" && !allowInsecure && !isLoopback(url.hostname))
    throw misconfigured(`${url.origin} is not https: the client secret could be read on the way. See allowInsecure.`);
  return url.origin + url.pathname.replace(/\/+$/, "");
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127(\.\d+){3}$/.test(host);
}

function checkClient(request: TokenRequest): TokenRequest {
  if (!isFilled(request.grantType)) throw misconfigured("grantType must be the name of a grant.");
  if (!isFilled(request.clientId)) throw misconfigured("clientId must be the client's identifier.");
  if (typeof request.dpopProver?.makeProof !== "function") throw misconfigured("dpopProver must be a DPoPProver.");
  return request;
}

function isFilled(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

/** In the seed's order: `grant_type`, the client, `scope`, the extras. */
function tokenForm(request: TokenRequest, clientFields: Record<string, string>): URLSearchParams {
  const form = new URLSearchParams({ grant_type: request.grantType, ...clientFields });
  if (request.scope != null) form.append("scope", request.scope);
  for (const [name, values] of Object.entries(request.extra ?? {})) {
    if (values == null) continue;
    if (NAMED_FIELDS.has(name)) throw misconfigured(`extra.${name} would override ${name}: give it by its own name.`);
    for (const value of Array.isArray(values) ? values : [values]) form.append(name, fieldText(name, value));
  }
  return form;
}

function fieldText(name: string, value: unknown): string {
  if (["string", "number", "boolean"].includes(typeof value)) return String(value);
  throw misconfigured(`extra.${name} must be a string, number or boolean, or an array of them.`);
}

function secretsOf(form: URLSearchParams, headers: Record<string, string>): string[] {
  const fields = [...form].filter(([name]) => !PUBLIC_FIELDS.has(name)).map(([, value]) => value);
  return [...fields, ...Object.values(headers)].filter((secret) => secret !== "");
}

/** RFC 9449 §8 says 400; there are servers that say 401. Without a new nonce a second try would end the same way. */
function wantsNonce({ response, text }: Answer): boolean {
  const asked = response.status === 400 || response.status === 401;
  return asked && response.headers.has("dpop-nonce") && parseObject(text)?.error === "use_dpop_nonce";
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function refusal(response: Response, body: Record<string, unknown> | undefined, text: string, secrets: string[]) {
  const { error, description } = serverWords(body, text);
  const blot = (words: string) => secrets.reduce((left, secret) => left.replaceAll(secret, "[redacted]"), words);
  const errorDescription = description === null ? null : blot(description);
  const message = `${response.url || "The token endpoint"} answered ${response.status}: ${blot(error)}${errorDescription ? `, ${errorDescription}` : ""}`;
  return new OAuthError("refused", message, { error: blot(error), errorDescription, response });
}

/** RFC 6749 §5.2, or `{"error":{"code","message"}}`, or no JSON at all. */
function serverWords(body: Record<string, unknown> | undefined, text: string) {
  const { error } = body ?? {};
  if (typeof error === "string" && error !== "") return { error, description: stringOrNull(body?.error_description) };
  if (typeof error === "object" && error !== null && "code" in error && typeof error.code === "string")
    return { error: error.code, description: "message" in error ? stringOrNull(error.message) : null };
  return { error: "token_request_failed", description: stringOrNull(body?.error_description) ?? (text || null) };
}

function stringOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function misconfigured(message: string): OAuthError {
  return new OAuthError("misconfigured", message);
}
