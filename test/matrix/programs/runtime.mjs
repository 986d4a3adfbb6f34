/** What is checked only without a bundler: worker threads of the application, and the servers and tokens for tests. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { DPoPProver, dpopFetch, OAuthClient, openSigner } from "hardproof";
import "hardproof/pkcs11"; // The main thread owns the library.
import { softHsm } from "hardproof/softhsm";
import { testServer } from "hardproof/testing";
import * as checks from "./checks.mjs";

/** A thread of the application signs. */
async function thread() {
  const worker = new Worker(new URL("thread.mjs", import.meta.url));
  const [message] = await Promise.race([
    once(worker, "message"),
    once(worker, "exit").then(([code]) => [`The thread ended with ${code}.`]),
  ]);
  await worker.terminate();
  assert.equal(message, "signed");
}

/** The first test of docs/testing.md. */
async function testing() {
  const [hsm, server] = await Promise.all([softHsm(), testServer()]);
  const signer = await openSigner(hsm.uri("dpop"), hsm.access);
  const prover = await DPoPProver.create(signer);
  const client = await OAuthClient.discover(server.issuer);
  const token = await client.clientCredentials({ dpopProver: prover, ...server.client });
  const response = await dpopFetch({ prover, token })(server.resource);
  const stolen = await server.callAsThief(token.accessToken);
  await signer.close();
  await Promise.all([server.close(), hsm.close()]);
  assert.deepEqual([response.status, stolen.status], [200, 401]);
}

await checks.run({ ...checks, thread, testing });
