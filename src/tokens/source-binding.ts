/** What the tokens of a source are bound to: a key (RFC 9449), the client's certificate (RFC 8705 §3), or both. */
import type { DPoPProver } from "../dpop/prover.js";
import { misconfigured } from "../oauth/assert.js";
import type { OAuthClient } from "../oauth/oauth-client.js";
import type { TokenBinding } from "../oauth/token/token-request.js";

/** The part of {@link OAuthClient} that a token source uses. */
export type TokenClient = Pick<OAuthClient, "getTokenWithDPoP" | "refresh" | "issuer"> &
  Partial<
    Pick<OAuthClient, "requireBinding" | "getToken" | "certificateThumbprint" | "isConfidential" | "assertProver">
  >;

/** What the tokens of a source are bound to. See {@link TokenBinding}. */
export type SourceBinding =
  | {
      /** Makes the proofs. Tokens are bound to its key. */
      prover: DPoPProver;
      /** `"certificate"` expects tokens that are bound to the client's certificate too. */
      binding?: "certificate" | undefined;
    }
  | {
      /** Tokens are bound to the client's certificate. Without a prover, no proofs are sent. */
      binding: "certificate";
      /** Binds tokens to a key too. */
      prover?: DPoPProver | undefined;
    };

/**
 * Returns the binding of the source's token requests.
 *
 * @throws {OAuthError} With code `misconfigured` if there is neither a prover nor `binding: "certificate"`, or the client
 *   doesn't know the certificate that tokens are bound to.
 */
export function sourceBinding({ client, prover, binding }: SourceBinding & { client: TokenClient }): TokenBinding {
  if (binding !== undefined && binding !== "certificate") throw misconfigured('binding must be "certificate".');
  if (binding === "certificate" && client.certificateThumbprint === undefined)
    throw misconfigured('binding "certificate" needs a client with the option certificate.');
  if (prover === undefined && binding === "certificate") return { binding };
  if (typeof prover?.makeProof === "function") return { dpopProver: prover, binding };
  throw misconfigured('prover must be a DPoPProver, unless binding is "certificate".');
}
