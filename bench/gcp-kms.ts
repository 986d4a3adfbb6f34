/** Proofs with a key in Google Cloud KMS, compared with the client's `asymmetricSign`. */
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { KeyManagementServiceClient } from "@google-cloud/kms";
import { GcpKmsSigner } from "hardproof/gcp-kms";
import { kmsAlgorithmFor } from "../providers/gcp-kms/algorithms.js";
import { findAlgorithm } from "../src/jose/find-algorithm.js";
import { measureCloud, startEmulator } from "./cloud.js";
import type { Result } from "./row.js";

/** As long as a short proof. */
const message = Buffer.alloc(500, "a");

/** Returns the rows of this subject, for the algorithm in HARDPROOF_BENCH_ALGORITHM. Default: ES256. */
export async function measure(): Promise<Result[]> {
  const { HARDPROOF_BENCH_ALGORITHM: alg = "ES256" } = process.env;
  const algorithm = findAlgorithm(alg);
  if (!algorithm) throw new Error(`Unknown algorithm ${alg}.`);
  const emulator = await startEmulator("gcp", kmsAlgorithmFor(algorithm.alg));
  const { endpoint, key: name } = JSON.parse(emulator.firstLine);
  const client = new KeyManagementServiceClient(clientOptions(new URL(endpoint)));
  await using signer = new GcpKmsSigner(name, { endpoint });
  const { hash } = algorithm;
  const input = hash ? { digest: { [hash]: createHash(hash).update(message).digest() } } : { data: message };
  try {
    const bareSign = () => client.asymmetricSign({ name, ...input });
    const cloud = alg === "ES256" ? "Google Cloud KMS" : `Google Cloud KMS (${alg})`;
    return await measureCloud({ name: cloud, signer, bareSign, emulator });
  } finally {
    await client.close();
    emulator.stop();
  }
}

/** Options without TLS and credentials. They need the copy of google-gax that the client itself uses. */
function clientOptions({ hostname, port }: URL) {
  const gax: typeof import("google-gax") = createRequire(createRequire(import.meta.url).resolve("@google-cloud/kms"))(
    "google-gax",
  );
  return {
    servicePath: hostname,
    port: Number(port),
    sslCreds: gax.grpc.credentials.createInsecure(),
    authClient: new gax.googleAuthLibrary.PassThroughClient(),
  };
}
