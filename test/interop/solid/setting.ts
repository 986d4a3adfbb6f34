/** What the scenarios at Community Solid Server share: client credentials of the user, and keys on a SoftHSM token. */
import { DPoPProver, OAuthClient } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "../../../softhsm/index.js";
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
  readonly clientKey: Pkcs11Signer;
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
  await using hsm = await softHsm({ label: "solid" });
  await hsm.generateKey({ label: "client", id: "02", type: "EC:prime256v1" });
  await hsm.generateKey({ label: "thief", id: "03", type: "EC:prime256v1" });
  const signerOf = (key: string) => new Pkcs11Signer({ module: hsm.module, token: hsm.token, key, pin: hsm.pin });
  await using signer = signerOf(hsm.key.label);
  await using clientKey = signerOf("client");
  await using thiefKey = signerOf("thief");
  await using server = await startSolid();
  const client = await OAuthClient.discover(server.issuer, { requireBinding: true });
  const credentials = await server.user.clientCredentials("agent");
  const agent = { ...credentials, dpopProver: await DPoPProver.create(signer), scope: "webid" } as const;
  await work({ scenario, server, client, agent, clientKey, thief: await DPoPProver.create(thiefKey) });
}
