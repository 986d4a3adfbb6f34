/**
 * The credentials of a form to an authorization server: those that the calling library put into it, or a client
 * assertion that is signed here.
 */
import type { DPoPProver } from "../dpop/prover.js";
import type { SignOptions } from "../keystore/signer.js";
import type { AssertionEndpoint } from "../oauth/client-auth/assertion-endpoints.js";
import type { AssertionKey } from "../oauth/client-auth/client-assertion.js";
import { addAssertion } from "../oauth/client-auth/private-key-jwt.js";
import { correctedTime } from "../oauth/corrected-time.js";
import { CLIENT_ASSERTION_ERRORS, formRejection, mayRejectProof } from "../oauth/proof-rejection.js";
import type { AttemptCredentials, Credentials, Rejection, ResponseHead } from "./credentials.js";

/** The client that {@link AssertedForm} signs assertions for. */
export interface AssertedClient extends AssertionKey {
  /** The `client_id`. */
  readonly clientId: string;
}

/** A form, and where it is sent. */
export interface FormPost {
  readonly url: URL;
  readonly form: URLSearchParams;
}

/** A form that is sent as it is. */
export class FormCredentials implements Credentials {
  readonly singleUse: boolean;
  readonly forbidsRedirect: boolean;

  /**
   * @param hasAssertion - Whether the form contains, or may contain, a client assertion, whose `jti` a server accepts
   *   only once.
   */
  constructor(hasAssertion: boolean) {
    this.singleUse = hasAssertion;
    this.forbidsRedirect = hasAssertion;
  }

  async next(): Promise<AttemptCredentials> {
    return {};
  }

  rejectionOf(response: ResponseHead): Promise<Rejection | undefined> {
    return readRejection(response);
  }
}

/** A form that gets a new client assertion for each attempt. */
export class AssertedForm implements Credentials {
  readonly singleUse = false;
  readonly forbidsRedirect = true;
  readonly #client: AssertedClient;
  readonly #endpoint: AssertionEndpoint;
  readonly #prover: DPoPProver;
  readonly #url: URL;
  readonly #form: URLSearchParams;

  /** @param prover - Its corrected clock for this server is that of the assertion. */
  constructor(client: AssertedClient, endpoint: AssertionEndpoint, prover: DPoPProver, request: FormPost) {
    this.#client = client;
    this.#endpoint = endpoint;
    this.#prover = prover;
    this.#url = request.url;
    this.#form = request.form;
  }

  /** @throws {OAuthError} With code `misconfigured` if the server doesn't list the key's algorithm. */
  async next({ signal }: SignOptions): Promise<AttemptCredentials> {
    const { clientId } = this.#client;
    const { audience, algorithms, proofAlgorithms } = this.#endpoint;
    const now = () => correctedTime(this.#prover, this.#url);
    const form = new URLSearchParams(this.#form);
    await addAssertion(this.#client, form, { clientId, audience, algorithms, now, signal });
    return { form, proofAlgorithms };
  }

  rejectionOf(response: ResponseHead): Promise<Rejection | undefined> {
    return readRejection(response, CLIENT_ASSERTION_ERRORS);
  }
}

/**
 * An authorization server responds with JSON (RFC 9449 §8). Some endpoints respond with a challenge, as a resource server
 * does.
 */
async function readRejection(
  response: ResponseHead,
  assertionErrors?: readonly string[],
): Promise<Rejection | undefined> {
  if (!mayRejectProof(response.status)) return undefined;
  const { headers } = response;
  return { ...formRejection({ headers, body: await response.json() }, assertionErrors), token: false };
}
