/** Adds client assertions (RFC 7523 §2.2) to the forms that another library posts to the endpoints of one server. */
import type { DPoPProver } from "../dpop/prover.js";
import { DPoPError, OAuthError } from "../errors.js";
import { assertObject, assertString, misconfigured } from "../oauth/assert.js";
import {
  type AssertionEndpoint,
  type AssertionEndpoints,
  assertionEndpoints,
  endpointKey,
} from "../oauth/client-auth/assertion-endpoints.js";
import { type AssertionKey, assertAssertionKey } from "../oauth/client-auth/client-assertion.js";
import { discoverMetadata } from "../oauth/discovery.js";
import { displayUrl } from "../oauth/http.js";
import type { MetadataTrust } from "../oauth/metadata-url.js";
import type { ServerMetadata } from "../oauth/server-metadata.js";
import { DEFAULT_TIMEOUT } from "../oauth/server-options.js";
import { parseBaseUrl, type UrlTrust } from "../oauth/server-url.js";
import { AssertedForm } from "./form-credentials.js";
import { type OutgoingRequest, withBody } from "./outgoing-request.js";
import type { FormRequest } from "./request-form.js";

/** How {@link proofFetch} authenticates the client: by a JWT in each form to the server's endpoints. */
export interface ClientAssertion extends AssertionKey {
  /** The `client_id`, as it is registered with the server. */
  clientId: string;
  /** The assertion's `aud`. Default: the issuer of `endpoints`. */
  audience?: string | undefined;
  /**
   * The endpoints that may get an assertion: the server's metadata, or URLs. Default: those of the metadata that is
   * discovered by the issuer `audience` (RFC 8414, OpenID Connect Discovery).
   */
  endpoints?: ServerMetadata | readonly (string | URL)[] | undefined;
}

interface AssertedRequest {
  readonly request: OutgoingRequest;
  readonly credentials: AssertedForm;
}

interface AssertionClientOptions extends MetadataTrust {
  fetch?: typeof fetch | undefined;
}

const REMEDY =
  "proofFetch adds the client assertion: configure the library without authentication, as client.None() does.";

/** One client, and the endpoints at which it authenticates. */
export class AssertionClient {
  readonly #client: ClientAssertion;
  readonly #options: AssertionClientOptions;
  #endpoints: AssertionEndpoints | undefined;

  /** @throws {OAuthError} With code `misconfigured` if an option is invalid. */
  constructor(client: ClientAssertion, options: AssertionClientOptions) {
    const { audience, endpoints } = assertObject(client, "clientAssertion");
    assertAssertionKey(client, "clientAssertion.");
    assertString(client.clientId, "clientAssertion.clientId");
    if (audience !== undefined) assertString(audience, "clientAssertion.audience");
    this.#client = { ...client };
    const { allowInsecure, allowPrivateEndpoints, fetch } = options;
    this.#options = { allowInsecure, allowPrivateEndpoints, fetch };
    if (endpoints !== undefined) this.#endpoints = assertionEndpoints(endpoints, { ...options, audience });
    else assertIssuer(audience, options);
  }

  /**
   * Returns the request with its credentials if its URL is that of an endpoint, otherwise `undefined`.
   *
   * @throws {OAuthError} With code `misconfigured` if the form already authenticates the client, or another one. With
   *   the code of the failure if the endpoints can't be discovered.
   */
  async authenticate({ request, text }: FormRequest, prover: DPoPProver): Promise<AssertedRequest | undefined> {
    const endpoint = await this.#find(request);
    if (endpoint === undefined) return undefined;
    if (text === undefined) {
      if (request.body instanceof ReadableStream) request.body.cancel().catch(() => undefined);
      throw tooLong(request);
    }
    const form = new URLSearchParams(text);
    this.#assertUnauthenticated(form, request);
    request.headers.delete("content-length"); // the library's, of the form without the assertion
    const credentials = new AssertedForm(this.#client, endpoint, prover, { url: request.url, form });
    return { request: withBody(request, undefined), credentials };
  }

  async #find({ url, signal }: OutgoingRequest): Promise<AssertionEndpoint | undefined> {
    this.#endpoints ??= await this.#discover(signal);
    return this.#endpoints.get(endpointKey(url));
  }

  async #discover(signal: AbortSignal | undefined): Promise<AssertionEndpoints> {
    const { audience = "" } = this.#client;
    const { allowInsecure, allowPrivateEndpoints = false, fetch } = this.#options;
    try {
      const metadata = await discoverMetadata(audience, { allowInsecure, fetch, timeout: DEFAULT_TIMEOUT, signal });
      return assertionEndpoints(metadata, { allowInsecure, allowPrivateEndpoints, audience });
    } catch (cause) {
      throw cause instanceof OAuthError ? notDiscovered(audience, cause) : cause;
    }
  }

  #assertUnauthenticated(form: URLSearchParams, { headers }: OutgoingRequest): void {
    const { clientId } = this.#client;
    if (form.has("client_secret")) throw misconfigured(`The form already has a client_secret. ${REMEDY}`);
    if (headers.has("authorization")) throw misconfigured(`The form has an Authorization header. ${REMEDY}`);
    const other = form.getAll("client_id").find((id) => id !== clientId);
    if (other === undefined) return;
    const remedy = "Set clientAssertion.clientId to it, or use another proofFetch for that client.";
    throw misconfigured(`The form is for the client ${other}, the assertion for ${clientId}. ${remedy}`);
  }
}

function assertIssuer(audience: string | undefined, trust: UrlTrust): void {
  if (audience === undefined) throw misconfigured("clientAssertion needs audience, the server's issuer, or endpoints.");
  if (/^https?:/i.test(audience)) parseBaseUrl(audience, "clientAssertion.audience", trust);
  else throw misconfigured("clientAssertion.audience isn't an issuer's URL: also set clientAssertion.endpoints.");
}

function notDiscovered(audience: string, cause: OAuthError): OAuthError {
  const remedy = "Set clientAssertion.endpoints to the server's metadata, or to the URLs of its endpoints.";
  const message = `The endpoints of clientAssertion.audience ${audience} could not be discovered: ${cause.message}`;
  return new OAuthError(cause.code, `${message} ${remedy}`, { cause });
}

function tooLong({ url }: OutgoingRequest): DPoPError {
  const message = `The form to ${displayUrl(url)} is longer than maxBufferedBody, so that the assertion can't be added.`;
  return new DPoPError("misconfigured", `${message} Raise maxBufferedBody, or pass the form as URLSearchParams.`);
}
