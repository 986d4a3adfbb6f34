/** What the scenarios at Community Solid Server share: client credentials of the user, and keys on a SoftHSM token. */
import { type DPoPProver, OAuthClient, type Signer } from "hardproof";
import { hardwareKeys } from "../hardware-keys.js";
import type { Scenario } from "../scenario.js";
import { type SolidServer, startSolid } from "./server.js";

/** What the scenarios share. */
export interface SolidSetting {
  readonly scenario: Scenario;
  readonly server: SolidServer;
  readonly client: OAuthClient;
  /** Client credentials that act as the user, and the key of their tokens. */
  readonly agent: SolidAgent;
  /** The key of client assertions. */
  readonly clientKey: Signer;
  /** Somebody else's key. */
  readonly thief: DPoPProver;
}

/** A client as every request names it. */
export interface SolidAgent {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly dpopProver: DPoPProver;
  readonly scope: "webid";
}

/** Starts the server, and runs the work with a client for it. */
export async function withSolid(scenario: Scenario, work: (setting: SolidSetting) => Promise<void>): Promise<void> {
  await using keys = await hardwareKeys("solid");
  await using server = await startSolid();
  const client = await OAuthClient.discover(server.issuer, { requireBinding: true });
  const credentials = await server.user.clientCredentials("agent");
  const agent = { ...credentials, dpopProver: keys.prover, scope: "webid" } as const;
  await work({ scenario, server, client, agent, clientKey: keys.clientKey, thief: keys.thief });
}
