/**
 * Requests of one client to an authorization server: authenticated forms with DPoP proofs (RFC 9449 §5), and retries
 * after a nonce challenge (§8) or a wrong clock. Error responses are thrown as errors.
 */

import { type Clock, ClockRetry, createClock } from "../dpop/clock.js";
import { encodeUrl } from "../dpop/encode-url.js";
import { NonceCache } from "../dpop/nonce-cache.js";
import { ProofRetry } from "../dpop/proof-retry.js";
import type { DPoPProver } from "../dpop/prover.js";
import type { SignOptions } from "../keystore/signer.js";
import { assertString, misconfigured } from "./assert.js";
import { certificateThumbprint } from "./certificate.js";
import { AttestationRetry, attestedProver, usesAttestation } from "./client-auth/attestation-auth.js";
import { AttestationChallenges } from "./client-auth/attestation-challenges.js";
import {
  authenticate,
  type ClientAuth,
  type ClientCredentials,
  type ClientFields,
  chooseAuth,
  defaultAuthRemedy,
} from "./client-auth/client-auth.js";
import { correctedTime } from "./corrected-time.js";
import { type EndpointName, Endpoints } from "./endpoints.js";
import { errorResponse } from "./error-response.js";
import { type HttpResponse, send, withTimeLimit } from "./http.js";
import { type JsonRequest, sendJsonRequest } from "./json-request.js";
import { parseMetadataUrl } from "./metadata-url.js";
import { assertProfiledClient, assertProfiledProver, assertProfiledSigner, type Profile } from "./profile.js";
import { assertProfiledAssertion } from "./profiled-assertion.js";
import { withClockHint } from "./proof-hint.js";
import { CLIENT_ASSERTION_ERRORS, errorCodeOf, rejectionOf, type TimedJwts } from "./proof-rejection.js";
import { type Redact, redactor } from "./redact.js";
import { isErrorBody } from "./server-error.js";
import { assertionAlgorithms, authMethods, type ServerMetadata, supportedName } from "./server-metadata.js";
import { assertServerOptions, DEFAULT_TIMEOUT, presentsCertificate, type ServerOptions } from "./server-options.js";
import type { TokenBinding } from "./token/token-request.js";

/** One form request. */
export interface EndpointRequest {
  endpoint: EndpointName;
  client: ClientCredentials;
  /** Makes the proof of each attempt. Without it, no proof is sent. */
  prover?: DPoPProver | undefined;
  /** The clock of JWTs in the form. Default: the prover's, otherwise the server's own. */
  clock?: Clock | undefined;
  /** The errors by which the server rejects a JWT that `form` signs. Those of client authentication are added. */
  assertionErrors?: readonly string[] | undefined;
  /** Creates the form from the client's authentication. Called for each attempt, since assertions can't be reused. */
  form: (clientFields: ClientFields, context: FormContext) => URLSearchParams | Promise<URLSearchParams>;
  /** Aborts the request. */
  signal?: AbortSignal | undefined;
  /** Called with the status of each response. */
  onStatus?: ((status: number) => void) | undefined;
}

/** What a form needs to sign an assertion. */
export interface FormContext extends SignOptions {
  /** The server, as the audience of the assertion. */
  audience: string;
  /** Returns the seconds since 1970, by the corrected clock. */
  now: () => number;
}

/** A response with status 2xx. */
export interface SuccessResponse extends HttpResponse {
  readonly url: URL;
  /** When the request was sent, in milliseconds since 1970: the earliest time at which a lifetime may have begun. */
  readonly sentAt: number;
}

interface Attempt {
  readonly result: HttpResponse;
  readonly sentAt: number;
  readonly redact: Redact;
  /** The headers of the client's authentication. */
  readonly authHeaders: Readonly<Record<string, string>>;
}

const FORM = "application/x-www-form-urlencoded;charset=UTF-8";

/** Posts forms to the endpoints of one authorization server. Caches its nonces. */
export class AuthorizationServer {
  readonly endpoints: Endpoints;
  /** The server's issuer identifier, if it is known. */
  readonly issuer: string | undefined;
  /** The server's metadata, as far as the profile allows it. */
  readonly metadata: ServerMetadata | undefined;
  /** The security profile that requests must conform to. */
  readonly profile: Profile | undefined;
  /** The thumbprint of the client's certificate (`x5t#S256`, RFC 8705 §3.1), if it is known. */
  readonly certificateThumbprint: string | undefined;
  readonly #options: ServerOptions;
  readonly #timeout: number;
  readonly #nonces: NonceCache;
  readonly #clock = createClock();
  readonly #challenges = new AttestationChallenges();

  /** @throws {OAuthError} With code `misconfigured` if an option is invalid. */
  constructor(options: ServerOptions) {
    assertServerOptions(options);
    const { issuer, metadata, profile, certificate, timeout = DEFAULT_TIMEOUT } = options;
    this.certificateThumbprint = certificate === undefined ? undefined : certificateThumbprint(certificate);
    this.endpoints = new Endpoints(options, { mutualTls: presentsCertificate(options) !== undefined });
    this.issuer = issuer ?? metadata?.issuer;
    this.metadata = metadata;
    this.profile = profile;
    this.#options = options;
    this.#nonces = new NonceCache("authorization-server", options);
    this.#timeout = timeout;
  }

  /**
   * Posts one form. Retries once after a nonce challenge, once after a proof or an assertion that was rejected due to the
   * clock, and once each after a challenge for an attested key and a stale attestation.
   *
   * @throws {OAuthError} If there is no response with status 2xx, or its body is an error.
   * @throws {SignerError} If a key can't sign.
   */
  async post(unproven: EndpointRequest): Promise<SuccessResponse> {
    const { client } = unproven;
    const url = encodeUrl(this.endpoints.url(unproven.endpoint));
    assertString(client.clientId, "clientId");
    const { clientAuth } = this.#options;
    assertProfiledClient(this.profile, client);
    const supported = this.metadata && { methods: authMethods(this.metadata, unproven.endpoint) };
    const auth = chooseAuth(clientAuth, client, supported);
    const request = { ...unproven, prover: attestedProver(auth, unproven.prover) };
    if (request.prover) this.assertSupported(request.prover);
    const timed = timedJwts(request, auth);
    const { result, redact, sentAt } = await this.withTimeLimit(request, async (signal) => {
      const key = typeof auth === "object" && "signer" in auth ? auth.signer : undefined;
      await assertProfiledSigner(this.profile, key, "client assertions (clientAuth)", signal);
      const proofs = request.prover && new ProofRetry(request.prover, this.#nonces, this.#options);
      const retry = proofs ?? new ClockRetry(this.clockOf(request), url);
      const attestations = usesAttestation(auth) ? new AttestationRetry(auth, client.clientId) : undefined;
      for (;;) {
        const attempt = await this.#attempt(url, auth, { ...request, signal }, proofs);
        const { result, authHeaders } = attempt;
        const { headers } = result.response;
        if (retry.canRetry(headers, rejectionOf(result, timed))) continue;
        if (!(await attestations?.canRetry(errorCodeOf(result.body), headers, authHeaders))) return attempt;
      }
    });
    const remedy = (error: string, status: number) =>
      isClientRefused(error, status) ? defaultAuthRemedy(clientAuth, auth) : undefined;
    if (!result.response.ok || isErrorBody(result.body)) {
      const clockOffset = this.clockOf(request).clockOffsetFor(url);
      throw withClockHint(errorResponse(url, result, redact, remedy), { ...timed, clockOffset });
    }
    return { ...result, url, sentAt };
  }

  /** Runs requests within the client's time limit for one call. Its errors name the endpoint. */
  withTimeLimit<T>(
    { endpoint, signal }: Pick<EndpointRequest, "endpoint" | "signal">,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const limit = { url: encodeUrl(this.endpoints.url(endpoint)), timeout: this.#timeout, signal };
    return withTimeLimit(limit, (deadline) => work(deadline.signal));
  }

  /** Returns the clock of a request: its own, that of its prover, or one that this server corrects. */
  clockOf({ clock, prover }: Pick<EndpointRequest, "clock" | "prover">): Clock {
    return clock ?? prover ?? this.#clock;
  }

  /**
   * Checks that the server accepts the prover's proofs, and that the certificate that a token is bound to is known.
   *
   * @returns The binding.
   * @throws {OAuthError} With code `misconfigured`.
   */
  assertUsable(binding: TokenBinding): TokenBinding {
    if (binding.dpopProver) this.assertSupported(binding.dpopProver);
    if (binding.binding !== "certificate" || this.certificateThumbprint !== undefined) return binding;
    throw misconfigured(
      'binding "certificate" needs the client\'s option certificate: the one that its fetch presents.',
    );
  }

  /**
   * Checks that the server and the profile accept the prover's proofs.
   *
   * @throws {OAuthError} With code `misconfigured` if they don't allow the key's algorithm, or the client authenticates by
   *   the proofs of another key.
   */
  assertSupported(prover: DPoPProver): void {
    attestedProver(this.#options.clientAuth, prover);
    assertProfiledProver(this.profile, prover);
    supportedName(prover.alg, this.metadata?.dpop_signing_alg_values_supported, "DPoP proofs");
  }

  /**
   * Sends a JSON request that a bearer token authorizes, instead of the client's authentication.
   *
   * @throws {OAuthError} If there is no response with status 2xx, or its body is an error.
   */
  async sendJson(request: JsonRequest): Promise<SuccessResponse> {
    const transport = { fetch: this.#options.fetch ?? fetch, timeout: this.#timeout };
    const sentAt = Date.now();
    const result = await sendJsonRequest(request, transport);
    return { ...result, url: request.url, sentAt };
  }

  /**
   * Parses a URL from a response of this server.
   *
   * @throws {OAuthError} As {@link parseMetadataUrl} does.
   */
  parseUrl(value: string, name: string): URL {
    const { allowInsecure, allowPrivateEndpoints = false } = this.#options;
    return parseMetadataUrl(value, name, this.issuer ?? this.endpoints.base, { allowInsecure, allowPrivateEndpoints });
  }

  async #attempt(url: URL, auth: ClientAuth, request: EndpointRequest, proofs?: ProofRetry): Promise<Attempt> {
    const { client, signal } = request;
    const audience = this.issuer ?? this.endpoints.url("token").href;
    const context = { audience, now: () => correctedTime(this.clockOf(request), url), signal };
    const algorithms = assertionAlgorithms(this.metadata, request.endpoint);
    const popAlgorithms = this.metadata?.client_attestation_pop_signing_alg_values_supported;
    const challenge = () => this.#challenge(signal);
    const target = { ...context, algorithms, popAlgorithms, challenge };
    const { fields, headers, secrets } = await authenticate(auth, client, target);
    if (typeof auth === "object" && "assertion" in auth)
      assertProfiledAssertion(this.profile, fields.client_assertion, audience);
    const form = await request.form(fields, context);
    const supportedAlgorithms = this.metadata?.dpop_signing_alg_values_supported;
    const proof = await proofs?.next({ htm: "POST", htu: url, supportedAlgorithms, signal });
    signal?.throwIfAborted(); // a signer or a custom fetch may ignore the signal
    const secretHeaders = proof === undefined ? headers : { ...headers, dpop: proof };
    const allHeaders = { ...secretHeaders, accept: "application/json", "content-type": FORM };
    const init = { method: "POST", headers: allHeaders, body: form.toString(), signal: signal ?? null };
    const sentAt = Date.now();
    const result = await send(url, init, this.#options.fetch ?? fetch);
    this.#nonces.remember(url, result.response.headers);
    this.#challenges.remember(result.response.headers);
    request.onStatus?.(result.response.status);
    const redact = redactor({ form, headers: secretHeaders, secrets });
    return { result, sentAt, redact, authHeaders: headers };
  }

  #challenge(signal: AbortSignal | undefined): Promise<string | undefined> {
    const url = this.metadata?.challenge_endpoint;
    const endpoint = url === undefined ? undefined : this.parseUrl(url, "challenge_endpoint");
    return this.#challenges.get({ endpoint, fetch: this.#options.fetch ?? fetch, signal });
  }
}

/** Some servers refuse a client by the status alone, and Keycloak with another error. */
function isClientRefused(error: string, status: number): boolean {
  return error === "invalid_client" || (status === 401 && STATUS_REFUSALS.includes(error));
}

const STATUS_REFUSALS = ["token_request_failed", "unauthorized_client", "invalid_request"];

/** Returns what a request contains that was signed for it, and would be signed again with another time. */
function timedJwts({ prover, assertionErrors = [] }: EndpointRequest, auth: ClientAuth): TimedJwts {
  const hasAssertion = typeof auth === "object" && "signer" in auth; // an assertion that was made elsewhere stays the same
  const authErrors = hasAssertion ? CLIENT_ASSERTION_ERRORS : [];
  return { hasProof: prover !== undefined, assertionErrors: [...authErrors, ...assertionErrors] };
}
