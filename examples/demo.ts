/**
 * The main job: an access token that is bound to a key inside a PKCS#11 token, a call with it, and a thief who has the
 * access token but not the key. `npm run demo`
 */
import { DPoPProver, OAuthClient } from "hardproof";
import { MemorySigner } from "hardproof/memory";
import { Pkcs11Signer } from "hardproof/pkcs11";
import { softHsm } from "../softhsm/index.js";
import { authorizationServer } from "../test/peers/authorization-server.js";
import { resourceServer } from "../test/peers/resource-server.js";

await using hsm = await softHsm({ label: "hardproof demo" }).catch((error: Error) => {
  console.log(`No PKCS#11 token can be had here. ${error.message}`);
  console.log("Going on with a key in memory: it shows the protocol, and protects nothing.\n");
  return undefined;
});
await using signer = hsm
  ? new Pkcs11Signer({ module: hsm.module, token: hsm.token, key: hsm.key.label, pin: hsm.pin })
  : MemorySigner.generate();
await using as = await authorizationServer();
await using rs = await resourceServer({ issuer: as.issuer, audience: as.audience });

const prover = await DPoPProver.create(signer);
const client = new OAuthClient({ baseUrl: as.issuer });
const token = await client.getTokenWithDPoP({
  grantType: "client_credentials",
  dpopProver: prover,
  clientId: as.client.clientId,
  clientSecret: as.client.clientSecret,
  scope: "read write",
});
show("cnfJkt", token.cnfJkt);
show("prover.jkt", `${prover.jkt} (${token.cnfJkt === prover.jkt ? "equal" : "NOT equal"})`);

const { uri, protection, exportable, evidence } = await signer.describe();
show("the key lives in", uri);
show("protection", protection);
show("can leave", exportable === false ? "no, says the token itself" : exportable);
for (const [name, value] of Object.entries(evidence)) show(`  ${name}`, JSON.stringify(value));

const answer = await callResource(prover);
show("the resource says", `${answer.status} ${await answer.text()}`);

const thief = await DPoPProver.generate();
const refusal = await callResource(thief);
show("the thief is told", `${refusal.status} ${await refusal.text()}`);
if (answer.status !== 200 || refusal.status !== 401 || token.cnfJkt !== prover.jkt) process.exitCode = 1;

/** A call with the access token, and a second one with the server's nonce where it asks for that (RFC 9449 §9). */
async function callResource(caller: DPoPProver): Promise<Response> {
  const attempt = async (nonce?: string) => {
    const proof = await caller.makeProof({ htm: "GET", htu: rs.url, accessToken: token.accessToken, nonce });
    return fetch(rs.url, { headers: { authorization: `DPoP ${token.accessToken}`, dpop: proof } });
  };
  const first = await attempt();
  const challenged = first.headers.get("www-authenticate")?.includes("use_dpop_nonce");
  return challenged ? attempt(first.headers.get("dpop-nonce") ?? undefined) : first;
}

function show(what: string, value: unknown): void {
  console.log(`${what.padEnd(26)} ${value}`);
}
