/** How oidc-provider verifies attested keys (its feature attestClientAuth, draft-12). */
import { randomBytes } from "node:crypto";
import { importJWK, type JWK, type JWTPayload } from "jose";
import type { ClientAuthMethod, Configuration } from "oidc-provider";
import { errors } from "./oidc-provider.js";

/** An attester that the authorization server trusts. */
export interface TrustedAttester {
  readonly issuer: string;
  readonly jwk: object;
  /** Whether an attestation isn't fresh enough. */
  readonly isStale?: (attestation: JWTPayload) => boolean;
}

/** The types of oidc-provider don't have it. */
const { UseFreshAttestation } = errors as unknown as { UseFreshAttestation: new (message: string) => Error };

/** The names of the client authentication methods. The types of oidc-provider don't have the second one. */
export const ATTESTATION_METHODS = ["attest_jwt_client_auth", "attest_jwt_client_auth_dpop"] as ClientAuthMethod[];

/** Returns the configuration of the feature. */
export function attestationPolicy(attester: TrustedAttester | undefined) {
  return {
    enabled: attester !== undefined,
    ack: "draft-12",
    challengeSecret: randomBytes(32),
    getAttestationSignaturePublicKey: async (_ctx: unknown, header: { alg: string }, payload: { iss?: string }) => {
      if (payload.iss !== attester?.issuer) throw new Error("unknown attester");
      return importJWK({ ...attester?.jwk } as JWK, header.alg);
    },
    assertAttestationJwtAndPop: async (_ctx: unknown, { payload }: { payload: JWTPayload }) => {
      if (attester?.isStale?.(payload)) throw new UseFreshAttestation("the attestation isn't fresh");
    },
  } as unknown as NonNullable<NonNullable<Configuration["features"]>["attestClientAuth"]>;
}
