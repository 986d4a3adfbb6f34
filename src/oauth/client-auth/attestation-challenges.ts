/** The challenges of one server for attested keys (draft-ietf-oauth-attestation-based-client-auth-12, "Challenges"). */
import { send } from "../http.js";

/** How a challenge is requested. */
interface ChallengeRequest {
  /** The server's `challenge_endpoint`, if it has one. */
  readonly endpoint: URL | undefined;
  readonly fetch: typeof fetch;
  readonly signal: AbortSignal | undefined;
}

/** The response header, which any response may have. */
export const CHALLENGE_HEADER = "oauth-client-attestation-challenge";

/** Caches a server's latest challenge. */
export class AttestationChallenges {
  #latest: string | undefined;

  /** Caches the challenge of a response, if it has one. */
  remember(headers: Headers): void {
    this.#latest = headers.get(CHALLENGE_HEADER) ?? this.#latest;
  }

  /**
   * Returns the latest challenge, or requests the first one from the server's endpoint. `undefined` if the server doesn't
   * have an endpoint, or doesn't return a challenge: if it needs one, its error response will contain it.
   *
   * @throws {OAuthError} If the endpoint doesn't respond.
   */
  async get({ endpoint, fetch, signal }: ChallengeRequest): Promise<string | undefined> {
    if (this.#latest !== undefined || endpoint === undefined) return this.#latest;
    const init = { method: "POST", headers: { accept: "application/json" }, signal: signal ?? null };
    const { response, body } = await send(endpoint, init, fetch);
    const challenge = response.ok ? body?.attestation_challenge : undefined;
    if (typeof challenge === "string") this.#latest = challenge;
    this.remember(response.headers);
    return this.#latest;
  }
}
