/** What is checked in each runtime and bundle. The environment variable `CHECK` has the servers and keys, as JSON. */
import assert from "node:assert/strict";
import { DPoPProver, dpopFetch, OAuthClient, openSigner } from "hardproof";
import { MemorySigner } from "hardproof/memory";

const setup = JSON.parse(process.env.CHECK ?? "{}");

/** Runs the checks, and prints a line of JSON for each of them. */
export async function run(checks, print = console.log) {
  for (const name of setup.checks) {
    const failure = await checks[name]().catch(describe);
    print(JSON.stringify({ check: name, error: failure }));
  }
}

function describe(error) {
  const causes = [];
  for (let each = error; each instanceof Error; each = each.cause)
    causes.push(`${each.code ?? each.name}: ${each.message.split("\n", 1)[0]}`);
  return causes.join(" <- ") || String(error);
}

/** A key in memory, and nothing that is loaded for other keys. */
export async function memory() {
  const prover = await DPoPProver.create(MemorySigner.generate());
  const proof = await prover.makeProof({ htm: "GET", htu: "https://api.example.com/" });
  assert.equal(proof.split(".").length, 3);
}

/** A token that is bound to a key, and a request with it. */
export async function token() {
  const dpopProver = await DPoPProver.create(await openSigner("memory:"));
  const client = await OAuthClient.discover(setup.issuer);
  const token = await client.clientCredentials({ dpopProver, ...setup.client });
  const response = await dpopFetch({ prover: dpopProver, token })(setup.resource);
  assert.equal(response.status, 200);
}

/** Proofs with a key on a token whose library needs 200 ms for each signature. The event loop must run meanwhile. */
async function pkcs11(options) {
  const signer = await openSigner(setup.pkcs11, options);
  const prover = await DPoPProver.create(signer);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 5);
  for (let count = 0; count < 3; count++) await prover.makeProof({ htm: "GET", htu: "https://api.example.com/" });
  clearInterval(timer);
  await signer.close();
  assert.ok(ticks > 10, `The event loop is blocked during a signature: it ran ${ticks} times in 600 ms.`);
}

export const koffi = () => pkcs11({ binding: "koffi" });
export const graphene = () => pkcs11({ binding: "graphene-pk11" });
export const isolate = () => pkcs11({ isolate: true });

/** A wrong PIN is reported as such. The caller counts the logins. */
export async function wrongPin() {
  const signer = await openSigner(setup.wrongPin);
  const codes = [];
  for (let count = 0; count < 2; count++) await signer.publicJwk().catch(({ code }) => codes.push(code));
  await signer.close();
  assert.deepEqual(codes, ["pin-incorrect", "pin-incorrect"]);
}

async function sign(uri) {
  const signer = await openSigner(uri);
  const prover = await DPoPProver.create(signer);
  await prover.makeProof({ htm: "GET", htu: "https://api.example.com/" });
  await signer.close();
}

export const aws = () => sign(setup.aws);
export const google = () => sign(setup.google);
