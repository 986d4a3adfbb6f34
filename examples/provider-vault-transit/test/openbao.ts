/**
 * Tries the provider on a running server, OpenBao or Vault: creates a key for each algorithm, runs the conformance kit
 * with it, and verifies proofs. Run it with `npm run openbao -- vault-transit://127.0.0.1:8200/transit/?tls=off`. The
 * token is in VAULT_TOKEN. It exits with 1 if something fails.
 */
import { createKey, DPoPProver, openSigner, registerProvider, type Signer } from "hardproof";
import { conformance } from "hardproof/conformance";
import type { AlgorithmName } from "hardproof/provider";
import { importJWK, jwtVerify } from "jose";
import { isSignedBy } from "../../../test/providers/verify-jws.js";
import { SUPPORTED } from "../src/algorithms.js";
import { provider } from "../src/index.js";
import { formatTransitUri, parseTransitUri } from "../src/uri.js";

const PROOFS = 50;
const SIGNATURES = 200;

const [engine] = process.argv.slice(2);
if (engine === undefined)
  throw new Error("Pass the URI of the engine: vault-transit://127.0.0.1:8200/transit/?tls=off");
registerProvider(provider);
const started = Date.now();
for (const algorithm of SUPPORTED) await tryAlgorithm(algorithm);

async function tryAlgorithm(algorithm: AlgorithmName): Promise<void> {
  const name = `hardproof-${algorithm.toLowerCase()}-${started}`;
  const uri = formatTransitUri({ ...parseTransitUri(engine ?? ""), name });
  await using signer = await createKey(uri, { algorithm });
  await verifyProofs(signer, algorithm);
  const failed = await runKit(() => openSigner(uri, { algorithm }));
  console.log(algorithm, failed.length === 0 ? "ok" : failed.join("\n"));
  if (failed.length > 0) process.exitCode = 1;
}

async function verifyProofs(signer: Signer, algorithm: AlgorithmName): Promise<void> {
  const prover = await DPoPProver.create(signer);
  for (let made = 0; made < PROOFS; made += 1) {
    const proof = await prover.makeProof({ htm: "GET", htu: "https://api.example/" });
    await jwtVerify(proof, await importJWK({ ...prover.publicJwk }, algorithm));
    if (!isSignedBy(proof, prover.publicJwk, algorithm)) throw new Error(`node:crypto rejects ${proof}`);
  }
}

/** Returns the cases that failed. */
async function runKit(open: () => Promise<Signer>): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, run } of conformance({ open, secrets: [process.env.VAULT_TOKEN ?? ""], signatures: SIGNATURES }))
    await run().catch((error) => failed.push(`${name}: ${error}`));
  return failed;
}
