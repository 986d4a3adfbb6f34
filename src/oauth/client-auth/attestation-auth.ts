/**
 * Client authentication by an attested key (draft-ietf-oauth-attestation-based-client-auth-12): a client attestation, and
 * a proof that this process has the attested key.
 */
import type { DPoPProver } from "../../dpop/prover.js";
import { newJti } from "../../jose/jti.js";
import { thumbprint } from "../../jose/jwk-thumbprint.js";
import { encodeHeader, signCompact } from "../../keystore/sign-jwt.js";
import type { Signer, SignOptions } from "../../keystore/signer.js";
import { signatureChannel, traced } from "../../tracing.js";
import { misconfigured } from "../assert.js";
import { supportedName } from "../server-metadata.js";
import { type AttestationSlot, attestationSlot } from "./attestation-cache.js";
import { CHALLENGE_HEADER } from "./attestation-challenges.js";
import { assertSigner } from "./client-assertion.js";
import type { ClientAttester } from "./client-attester.js";

/** Authentication by an attested key, with a proof of possession in a header of its own. */
export interface AttestationAuth {
  /** The name of the method, as the client is registered. */
  method: "attest_jwt_client_auth";
  /** Attests the key, once for each lifetime. */
  attester: ClientAttester;
  /** The key of this process. May be the signer of the DPoP proofs or another one. */
  signer: Signer;
}

/** Authentication by an attested key whose DPoP proofs are the proof of possession. */
export interface AttestationDPoPAuth {
  /** The name of the method, as the client is registered. */
  method: "attest_jwt_client_auth_dpop";
  /** Attests the key, once for each lifetime. */
  attester: ClientAttester;
  /** Makes the proofs of every request. Tokens can be requested only with this prover's key. */
  prover: DPoPProver;
}

/** What a proof of possession is signed for. */
export interface AttestationTarget extends SignOptions {
  /** The server's issuer. */
  readonly audience: string;
  /** Returns the server's latest challenge, if it has one. */
  readonly challenge?: (() => Promise<string | undefined>) | undefined;
  /** The algorithms that the server lists for proofs of possession, if it does. */
  readonly popAlgorithms?: readonly string[] | undefined;
  /** Returns the seconds since 1970. */
  readonly now: () => number;
}

/** The headers of an authenticated request, in lower case. */
export type AttestationHeaders = Readonly<Record<string, string>>;

const ATTESTATION = "oauth-client-attestation";
const POP = "oauth-client-attestation-pop";
/** Seconds. A proof of possession that took longer to sign is signed again. */
const MAX_AGE = 30;

/** Whether the client authenticates by an attested key. */
export function usesAttestation(auth: unknown): auth is AttestationAuth | AttestationDPoPAuth {
  const { method } = Object(auth);
  return method === "attest_jwt_client_auth" || method === "attest_jwt_client_auth_dpop";
}

/**
 * Checks the options.
 *
 * @throws {OAuthError} With code `misconfigured` if one is missing or invalid.
 */
export function assertAttestationAuth(auth: AttestationAuth | AttestationDPoPAuth): void {
  if (typeof auth.attester !== "function")
    throw misconfigured("clientAuth.attester must be a function, such as the result of clientAttester().");
  if (auth.method === "attest_jwt_client_auth") assertSigner(auth.signer, "clientAuth.signer");
  else if (typeof auth.prover?.makeProof !== "function") throw misconfigured("clientAuth.prover must be a DPoPProver.");
}

/**
 * Returns the prover of a request: in combined mode always that of the attested key, since its proof authenticates the
 * client.
 *
 * @throws {OAuthError} With code `misconfigured` if the request has a prover with another key.
 */
export function attestedProver(auth: unknown, prover: DPoPProver | undefined): DPoPProver | undefined {
  if (!usesAttestation(auth) || auth.method !== "attest_jwt_client_auth_dpop") return prover;
  if (prover === undefined || prover.jkt === auth.prover.jkt) return auth.prover;
  throw misconfigured(
    `The dpopProver's key ${prover.jkt} isn't the attested key ${auth.prover.jkt}. Use the prover of clientAuth, or the ` +
      "method attest_jwt_client_auth.",
  );
}

/**
 * Authenticates one request.
 *
 * @throws {SignerError} If a key can't sign.
 * @throws {OAuthError} With code `misconfigured` if the server doesn't list the key's algorithm. What the attester throws.
 */
export async function attestationHeaders(
  auth: AttestationAuth | AttestationDPoPAuth,
  clientId: string,
  target: AttestationTarget,
): Promise<AttestationHeaders> {
  const attestation = await (await slotOf(auth, clientId, target)).get();
  if (auth.method === "attest_jwt_client_auth_dpop") return { [ATTESTATION]: attestation };
  return { [ATTESTATION]: attestation, [POP]: await proofOfPossession(auth.signer, target) };
}

/** Allows one retry of a request for each error that a new challenge or a new attestation can remove. */
export class AttestationRetry {
  readonly #auth: AttestationAuth | AttestationDPoPAuth;
  readonly #clientId: string;
  readonly #retried = new Set<string>();

  constructor(auth: AttestationAuth | AttestationDPoPAuth, clientId: string) {
    this.#auth = auth;
    this.#clientId = clientId;
  }

  /**
   * Decides whether the request can succeed with what the response has changed.
   *
   * @param error - The error code of the response.
   * @param sent - The headers of the rejected request.
   */
  async canRetry(error: string | undefined, response: Headers, sent: AttestationHeaders): Promise<boolean> {
    const isFixable =
      error === "use_fresh_attestation" || (error === "use_attestation_challenge" && response.has(CHALLENGE_HEADER));
    if (!isFixable || this.#retried.has(error)) return false;
    this.#retried.add(error);
    if (error === "use_fresh_attestation")
      (await slotOf(this.#auth, this.#clientId, {})).discard(sent[ATTESTATION] ?? "");
    return true;
  }
}

async function slotOf(
  auth: AttestationAuth | AttestationDPoPAuth,
  clientId: string,
  options: SignOptions,
): Promise<AttestationSlot> {
  const { signer } = auth.method === "attest_jwt_client_auth" ? auth : auth.prover;
  return attestationSlot(auth.attester, { clientId, jwk: await signer.publicJwk(options) });
}

/** Signs a proof of possession ("Client Attestation PoP JWT"), which can be used once. */
async function proofOfPossession(signer: Signer, target: AttestationTarget): Promise<string> {
  const { audience: aud, popAlgorithms, now, signal } = target;
  const challenge = await target.challenge?.();
  const jwk = await signer.publicJwk({ signal });
  const alg = supportedName(jwk.alg, popAlgorithms, "client attestation proofs");
  const header = encodeHeader({ typ: "oauth-client-attestation-pop+jwt", alg });
  const jti = newJti();
  const claims = () => ({ aud, jti, iat: now(), challenge });
  const trace = () => ({ kind: "attestation_pop" as const, jti, jkt: thumbprint(jwk), uri: signer.uri, aud });
  return traced(signatureChannel, trace, () => signCompact(header, claims, signer, { maxAge: MAX_AGE, signal }));
}
