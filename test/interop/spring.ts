/**
 * Spring Authorization Server, and a resource server by Spring Security, with keys on a SoftHSM token. One application is
 * both: `spring/Server.java`.
 */
import { clientJwks, DPoPProver, type Signer } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";
import { type LoopbackServer, loopbackServer } from "../servers/loopback-server.js";
import type { Peer, Scenario } from "./scenario.js";
import { certificateScenarios } from "./spring/certificate-scenarios.js";
import { clientScenarios } from "./spring/client-scenarios.js";
import { clockScenarios } from "./spring/clock-scenarios.js";
import { grantScenarios } from "./spring/grant-scenarios.js";
import { springLibraries } from "./spring/libraries.js";
import { loginScenarios } from "./spring/login-scenarios.js";
import { proxyScenarios } from "./spring/proxy-scenarios.js";
import { resourceScenarios } from "./spring/resource-scenarios.js";
import { springServer } from "./spring/server.js";
import { discover, type Setting } from "./spring/setting.js";

/** Spring Authorization Server. It needs Java 17 with its compiler, and Maven. */
export const spring: Peer = {
  title: "Spring Authorization Server",
  kind: "server",
  install: async () => (await springLibraries()).version,
  run,
};

async function run(scenario: Scenario): Promise<void> {
  await using hsm = await softHsm({ label: "spring" });
  await hsm.addKey({ label: "assertions", id: "02", algorithm: "ES256" });
  await hsm.addKey({ label: "thief", id: "03", algorithm: "ES256" });
  const { module, token, pin } = hsm;
  await using signer = new Pkcs11Signer({ module, token, key: hsm.key.label, pin });
  await using assertionSigner = new Pkcs11Signer({ module, token, key: "assertions", pin });
  await using thiefSigner = new Pkcs11Signer({ module, token, key: "thief", pin });
  await using keys = await keyServer(assertionSigner);
  const keysUrl = `${keys.origin}/jwks`;
  await using server = await springServer(keysUrl);
  const prover = await DPoPProver.create(signer);
  const clientAuth = { method: "private_key_jwt", signer: assertionSigner } as const;
  const setting: Setting = {
    scenario,
    server,
    signer,
    prover,
    thief: await DPoPProver.create(thiefSigner),
    assertionSigner,
    keys: keysUrl,
    client: await discover(server, {}),
    keyClient: await discover(server, { clientAuth }),
    basic: { clientId: "basic-agent", clientSecret: server.secretOf("basic-agent"), dpopProver: prover },
    byKey: { clientId: "key-agent", dpopProver: prover },
  };
  for (const scenarios of [
    clientScenarios,
    loginScenarios,
    grantScenarios,
    resourceScenarios,
    clockScenarios,
    proxyScenarios,
    certificateScenarios,
  ])
    await scenarios(setting);
}

/** Serves the public key of `key-agent`. */
async function keyServer(signer: Signer): Promise<LoopbackServer & AsyncDisposable> {
  const jwks = JSON.stringify(await clientJwks([signer]));
  const server = await loopbackServer();
  server.http.on("request", (_req, res) => res.setHeader("content-type", "application/json").end(jwks));
  return { ...server, [Symbol.asyncDispose]: server.close };
}
