/**
 * nginx in front of oidc-provider and two resource servers, with keys on a SoftHSM token: it ends TLS, speaks HTTP/2,
 * has another host name, and removes a path prefix.
 */
import { DPoPProver } from "hardproof";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "hardproof/softhsm";
import { authorizationServer } from "../servers/authorization-server.js";
import { resourceServer } from "../servers/resource-server.js";
import { callScenarios } from "./nginx/call-scenarios.js";
import { pathScenarios } from "./nginx/path-scenarios.js";
import { nginxVersion } from "./nginx/program.js";
import { nginx } from "./nginx/server.js";
import { sizeScenarios } from "./nginx/size-scenarios.js";
import { strictServer } from "./nginx/strict-server.js";
import { tokenScenarios } from "./nginx/token-scenarios.js";
import type { Peer, Scenario } from "./scenario.js";

/** nginx. */
export const nginxProxy: Peer = {
  title: "nginx",
  kind: "server",
  install: nginxVersion,
  run,
};

async function run(scenario: Scenario): Promise<void> {
  await using hsm = await softHsm({ label: "nginx" });
  const { module, token, pin } = hsm;
  await using signer = new Pkcs11Signer({ module, token, key: hsm.key.label, pin });
  await using server = await authorizationServer();
  await using clockServer = await authorizationServer({ offerNonces: false });
  await using resource = await resourceServer(server);
  await using strict = await strictServer();
  const passOn = "proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;";
  const rawLocation = `location /raw/ { proxy_pass ${strict.origin}; ${passOn} }`;
  await using front = await nginx([
    `location /auth/ { proxy_pass ${server.issuer}/; }`,
    `location /clock/ { proxy_pass ${clockServer.issuer}/; }`,
    `location /api/ { proxy_pass ${resource.origin}/; }`,
    rawLocation,
    `location /cut/ { proxy_pass ${strict.origin}/; ${passOn} }`,
  ]);
  const prover = await DPoPProver.create(signer);
  const setting = {
    scenario,
    front,
    authorizationServer: server,
    resource,
    clockServer,
    rawLocation,
    hsm,
    signer,
    prover,
  };
  for (const scenarios of [tokenScenarios, callScenarios, pathScenarios, sizeScenarios]) await scenarios(setting);
}
