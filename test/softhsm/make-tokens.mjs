/** A worker of a test runner: makes tokens one after another, and signs with each. Runs in a process or a thread. */
import { openSigner, verifySignature } from "hardproof";
import { softHsm } from "hardproof/softhsm";

const rounds = Number(process.argv[2]);
const message = Buffer.from("message");
const keys = new Set();
for (let round = 0; round < rounds; round++) {
  const hsm = await softHsm({ label: "worker" });
  const signer = await openSigner(hsm.uri(), hsm.access);
  const jwk = await signer.publicJwk();
  if (!(await verifySignature(jwk, message, await signer.sign(message)))) throw new Error("A signature is not valid.");
  keys.add(jwk.x);
  await signer.close();
  await hsm.close();
}
console.log(keys.size, process.env.SOFTHSM2_CONF);
