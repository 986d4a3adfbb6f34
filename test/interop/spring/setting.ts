/** What the scenarios share, and how they create clients. */
import { type DPoPProver, OAuthClient, type OAuthClientOptions, type Signer } from "hardproof";
import type { Scenario } from "../scenario.js";
import type { SpringServer } from "./server.js";

/** What the scenarios share. */
export interface Setting {
  readonly scenario: Scenario;
  readonly server: SpringServer;
  /** The key of proofs. */
  readonly signer: Signer;
  readonly prover: DPoPProver;
  /** A thief's, whose key is on the same token. */
  readonly thief: DPoPProver;
  /** The key of `key-agent`'s assertions. */
  readonly assertionSigner: Signer;
  /** The URL of its public key. */
  readonly keys: string;
  /** Authenticates by its secret, in the way that the metadata leads to. */
  readonly client: OAuthClient;
  /** Authenticates by `assertionSigner`. */
  readonly keyClient: OAuthClient;
  readonly basic: Agent;
  /** For `keyClient`. */
  readonly byKey: Agent;
}

/** A client, and the prover of its requests. */
export interface Agent {
  readonly clientId: string;
  readonly clientSecret?: string;
  readonly dpopProver: DPoPProver;
}

/** The callback of every client. Nothing listens there: the callback isn't fetched. */
export const REDIRECT_URI = "http://127.0.0.1/callback";

/** Only the metadata of OpenID Connect names this endpoint, and that of OAuth, which is found first, doesn't. */
const REGISTRATION = "/connect/register";

/** Creates a client that accepts bound tokens only. */
export function discover(
  { origin }: { origin: string },
  options: Partial<Omit<OAuthClientOptions, "baseUrl" | "metadata" | "issuer">>,
): Promise<OAuthClient> {
  return OAuthClient.discover(origin, {
    requireBinding: true,
    endpoints: { registration: REGISTRATION },
    timeout: 60_000, // for the many calls at once
    ...options,
  });
}
