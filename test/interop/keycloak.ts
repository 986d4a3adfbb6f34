/**
 * Keycloak, with keys on a SoftHSM token: every grant, signed requests and responses, wrong clocks, the admin API, and the
 * FAPI 2.0 client policies.
 */
import { DPoPProver, type Signer } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "../../softhsm/index.js";
import { clockScenarios } from "./keycloak/clock-scenarios.js";
import { fapiScenarios } from "./keycloak/fapi-scenarios.js";
import { grantScenarios } from "./keycloak/grant-scenarios.js";
import { type KeycloakServer, keycloakServer } from "./keycloak/server.js";
import type { Scenario } from "./scenario.js";

/** What the scenarios share. */
export interface Setting {
  readonly scenario: Scenario;
  readonly server: KeycloakServer;
  /** The client's key on the token. */
  readonly signer: Signer;
  readonly prover: DPoPProver;
}

/** Runs all scenarios. */
export async function keycloak(scenario: Scenario): Promise<void> {
  await using hsm = await softHsm({ label: "keycloak" });
  const { module, token, key, pin } = hsm;
  await using signer = new Pkcs11Signer({ module, token, key: key.label, pin });
  await using server = await keycloakServer();
  const setting = { scenario, server, signer, prover: await DPoPProver.create(signer) };
  await grantScenarios(setting);
  await clockScenarios(setting);
  await fapiScenarios(setting);
}
