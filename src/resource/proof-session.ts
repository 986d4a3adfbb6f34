/**
 * DPoP proofs for HTTP libraries without a `fetch`: the headers of each request, and whether to send it again (RFC 9449
 * §7 to §9).
 */
import { encodeUrl } from "../dpop/encode-url.js";
import { normalizeMethod } from "../dpop/http-method.js";
import type { NonceOption } from "../dpop/nonce-cache.js";
import type { DPoPProver } from "../dpop/prover.js";
import type { HtuOption } from "../dpop/signed-htu.js";
import { DPoPError } from "../errors.js";
import type { SignOptions } from "../keystore/signer.js";
import { parseObject } from "../oauth/http.js";
import type { Token } from "../oauth/token/token.js";
import type { TokenSource } from "../tokens/token-source.js";
import { type AllowedOrigins, originCheck } from "./allowed-origins.js";
import { type AttemptContext, Attempts } from "./attempts.js";
import { assertHtu, assertNonces, assertOptions, assertProver } from "./call-options.js";
import { type Credentials, type ResponseHead, type ServerCache, serverCache } from "./credentials.js";
import { FormCredentials } from "./form-credentials.js";
import { type ResponseHeaders, relevantHeaders } from "./response-headers.js";
import { assertScheme, sourceOf, TokenCredentials, type TokenUse } from "./token-credentials.js";

/** Options of {@link proofSession}. */
export interface ProofSessionOptions extends AllowedOrigins, HtuOption, NonceOption, TokenUse {
  /** Makes the proof of each request. */
  prover: DPoPProver;
  /** Whether to correct the prover's clock by the `Date` header of a server that rejected its proof. Default: true. */
  adjustClock?: boolean | undefined;
}

/** A request that needs proofs. */
export interface SessionRequest {
  /** The HTTP method, as the library sends it. */
  method: string;
  /** The absolute URL. */
  url: string | URL;
  /**
   * An access token that is bound to the prover's key, or a source that renews it. Without it, the request is one to an
   * authorization server.
   */
  token?: string | Token | TokenSource | undefined;
}

/** A response, as HTTP libraries return it. */
export interface SessionResponse {
  /** The HTTP status. */
  status: number;
  /** The headers: a `Headers`, pairs, or an object of strings or lists of strings. */
  headers: ResponseHeaders;
  /** The body, as text or parsed JSON. Only its error is read. */
  body?: unknown;
}

/** The headers that a request needs. The name of each is in lower case. */
export type ProofHeaders = {
  /** The proof. */
  dpop: string;
  /** The scheme and the access token, if the request has one. */
  authorization?: string;
};

/** One request of a {@link ProofSession}, with its retries. */
export interface ProofAttempt {
  /** The URL to send. Characters that RFC 3986 doesn't allow, such as `|`, are percent-encoded, as in the proof. */
  readonly url: string;
  /**
   * Makes the headers for the next time that the request is sent. Call it each time: a server rejects a proof that it
   * has seen before.
   *
   * @throws {DPoPError} If the request can't have a proof, or the token is bound to another key.
   * @throws {SignerError} If the key can't sign.
   */
  headers(options?: SignOptions): Promise<ProofHeaders>;
  /**
   * Caches the response's nonce, and decides whether the request can succeed with new headers after the server rejected
   * it. Call it once with each response.
   *
   * @returns True at most once for each reason: the nonce, the clock, the name of the algorithm, and a token that the
   *   source could renew.
   * @throws {DPoPError} With code `misconfigured` if the server doesn't list the key's algorithm.
   */
  canRetry(response: SessionResponse, options?: SignOptions): Promise<boolean>;
}

/** Makes the headers of requests, and caches the servers' nonces. */
export interface ProofSession {
  /**
   * Starts a request. Use the result for the request and its retries only.
   *
   * @throws {DPoPError} With code `forbidden-origin`, `invalid-htm` or `invalid-htu`, or `misconfigured` if `token` is
   *   invalid.
   */
  request(request: SessionRequest): ProofAttempt;
}

/**
 * Creates a session for HTTP libraries that don't take a `fetch`, such as got, axios and undici's `request`. For all
 * others, {@link dpopFetch} and {@link proofFetch} do the same, and follow redirects safely.
 *
 * The library must not follow a redirect with these headers: the proof is only for the request's URL.
 *
 * @example
 * ```ts
 * const session = proofSession({ prover });
 * const attempt = session.request({ method: "GET", url, token });
 * let response = await send(url, await attempt.headers());
 * while (await attempt.canRetry(response)) response = await send(url, await attempt.headers());
 * ```
 * @throws {DPoPError} With code `misconfigured` if an option is invalid.
 */
export function proofSession(options: ProofSessionOptions): ProofSession {
  assertOptions(options, "options");
  const { prover, htu, adjustClock = true } = options;
  assertProver(prover);
  assertHtu(options);
  assertNonces(options);
  assertScheme(options);
  const context = { prover, htu, adjustClock };
  const assertAllowedOrigin = originCheck(options);
  const resources = serverCache("resource-server", options);
  const authorizationServers = serverCache("authorization-server", options);
  return {
    request(request) {
      assertOptions(request, "request");
      const { method, url, token } = request;
      const target = { method: normalizeMethod(method), url: parseUrl(url) };
      assertAllowedOrigin(target.url);
      return token === undefined
        ? newAttempt(context, authorizationServers, new FormCredentials(false), target)
        : newAttempt(context, resources, new TokenCredentials(prover, sourceOf(token), options), target);
    },
  };
}

function newAttempt(
  context: AttemptContext,
  servers: ServerCache,
  credentials: Credentials,
  target: { method: string; url: URL },
): ProofAttempt {
  const attempts = new Attempts(context, servers, credentials);
  return {
    url: target.url.href,
    async headers({ signal } = {}) {
      const { proof, authorization } = await attempts.next({ ...target, signal });
      return { dpop: proof, ...(authorization !== undefined && { authorization }) };
    },
    canRetry: (response, options = {}) => attempts.canRetry(target.url, headOf(response), options),
  };
}

function parseUrl(url: string | URL): URL {
  const text = String(url);
  if (URL.canParse(text)) return encodeUrl(new URL(text));
  throw new DPoPError("invalid-htu", "url must be the request's absolute http: or https: URL.");
}

function headOf({ status, headers, body }: SessionResponse): ResponseHead {
  return { status, headers: relevantHeaders(headers), json: async () => objectOf(body) };
}

function objectOf(body: unknown): Record<string, unknown> | undefined {
  if (typeof body === "string") return parseObject(body);
  if (body instanceof Uint8Array) return parseObject(Buffer.from(body).toString());
  return typeof body === "object" && body !== null ? { ...body } : undefined;
}
