/**
 * Keycloak, with keys on a SoftHSM token: every grant and client authentication, signed requests and responses, wrong
 * clocks, stolen tokens, proxies, the admin API, and the FAPI 2.0 client policies.
 */
import { DPoPProver, type Signer } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";
import { authDevice } from "./keycloak/auth-device.js";
import { clientAuthScenarios } from "./keycloak/client-auth-scenarios.js";
import { clockScenarios } from "./keycloak/clock-scenarios.js";
import { keycloakProgram, VERSION } from "./keycloak/distribution.js";
import { fapiScenarios } from "./keycloak/fapi-scenarios.js";
import { grantScenarios } from "./keycloak/grant-scenarios.js";
import { loginScenarios } from "./keycloak/login-scenarios.js";
import { type MainRealm, mainRealm } from "./keycloak/main-realm.js";
import { proxyScenarios } from "./keycloak/proxy-scenarios.js";
import { refusalScenarios } from "./keycloak/refusal-scenarios.js";
import { registrationScenarios } from "./keycloak/registration-scenarios.js";
import { renewalScenarios } from "./keycloak/renewal-scenarios.js";
import { type KeycloakServer, keycloakServer } from "./keycloak/server.js";
import { thiefScenarios } from "./keycloak/thief-scenarios.js";
import { type KeycloakTls, keycloakTls } from "./keycloak/tls.js";
import type { Peer, Scenario } from "./scenario.js";

/** What the scenarios share. */
export interface Setting {
  readonly scenario: Scenario;
  readonly server: KeycloakServer;
  readonly tls: KeycloakTls;
  /** The client's key on the token. */
  readonly signer: Signer;
  readonly prover: DPoPProver;
  readonly realm: MainRealm;
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

const SUITES = [
  clientAuthScenarios,
  loginScenarios,
  grantScenarios,
  registrationScenarios,
  thiefScenarios,
  refusalScenarios,
  renewalScenarios,
  proxyScenarios,
  clockScenarios,
  fapiScenarios,
];

async function run(scenario: Scenario): Promise<void> {
  await using hsm = await softHsm({ label: "keycloak" });
  const { module, token, key, pin } = hsm;
  await using signer = new Pkcs11Signer({ module, token, key: key.label, pin });
  await using device = await authDevice();
  using tls = keycloakTls();
  await using server = await keycloakServer(device.url, tls.options);
  const prover = await DPoPProver.create(signer);
  const realm = await mainRealm(server, signer, prover);
  for (const suite of SUITES) await suite({ scenario, server, tls, signer, prover, realm });
}
