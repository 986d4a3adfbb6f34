/**
 * Keycloak, with keys on a SoftHSM token: every grant, signed requests and responses, wrong clocks, the admin API, and the
 * FAPI 2.0 client policies.
 */
import { DPoPProver, type Signer } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "../../softhsm/index.js";
import { clockScenarios } from "./keycloak/clock-scenarios.js";
import { keycloakProgram, VERSION } from "./keycloak/distribution.js";
import { fapiScenarios } from "./keycloak/fapi-scenarios.js";
import { grantScenarios } from "./keycloak/grant-scenarios.js";
import { type KeycloakServer, keycloakServer } from "./keycloak/server.js";
import type { Peer, Scenario } from "./scenario.js";

/** What the scenarios share. */
export interface Setting {
  readonly scenario: (title: string, work: () => Promise<string>) => Promise<void>;
  readonly server: KeycloakServer;
  /** The client's key on the token. */
  readonly signer: Signer;
  readonly prover: DPoPProver;
}

/** Keycloak. It needs Java 17 and `unzip`. */
export const keycloak: Peer = {
  title: "Keycloak",
  kind: "server",
  async install() {
    await keycloakProgram();
    return VERSION;
  },
  run,
};

async function run(scenario: Scenario): Promise<void> {
  await using hsm = await softHsm({ label: "keycloak" });
  const { module, token, key, pin } = hsm;
  await using signer = new Pkcs11Signer({ module, token, key: key.label, pin });
  await using server = await keycloakServer();
  const untyped: Setting["scenario"] = (title, work) => scenario("refusals", title, work);
  const setting = { scenario: untyped, server, signer, prover: await DPoPProver.create(signer) };
  await grantScenarios(setting);
  await clockScenarios(setting);
  await fapiScenarios(setting);
}
