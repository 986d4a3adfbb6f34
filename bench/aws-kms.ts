/** Proofs with a key in AWS KMS, compared with the SDK's `Sign` request. */
import { randomBytes } from "node:crypto";
import { KMSClient, SignCommand } from "@aws-sdk/client-kms";
import { KmsSigner } from "hardproof/aws-kms";
import { KMS_ALGORITHMS } from "../providers/aws-kms/algorithms.js";
import { findAlgorithm } from "../src/jose/find-algorithm.js";
import { measureCloud, startEmulator } from "./cloud.js";
import type { Result } from "./row.js";

/** Bytes of what an algorithm signs that isn't a digest: a short proof (Ed25519), or μ (ML-DSA). */
const MESSAGE = { RAW: 500, EXTERNAL_MU: 64 };
const DIGEST = { sha256: 32, sha384: 48, sha512: 64 };

/** Returns the rows of this subject, for the algorithm in HARDPROOF_BENCH_ALGORITHM. Default: ES256. */
export async function measure(): Promise<Result[]> {
  const { HARDPROOF_BENCH_ALGORITHM: name = "ES256" } = process.env;
  const row = findAlgorithm(name);
  if (!row) throw new Error(`Unknown algorithm ${name}.`);
  const { keySpecs, signingAlgorithm, messageType } = KMS_ALGORITHMS[row.alg];
  const emulator = await startEmulator("aws", keySpecs[0]);
  const { key, ...clientConfig } = JSON.parse(emulator.firstLine);
  const client = new KMSClient(clientConfig);
  await using signer = new KmsSigner(key, { clientConfig, algorithm: row.alg });
  const command = {
    KeyId: key,
    Message: randomBytes(messageType === "DIGEST" ? DIGEST[row.hash ?? "sha256"] : MESSAGE[messageType]),
    MessageType: messageType,
    SigningAlgorithm: signingAlgorithm,
  };
  try {
    const bareSign = () => client.send(new SignCommand(command));
    return await measureCloud({ name: name === "ES256" ? "AWS KMS" : `AWS KMS (${name})`, signer, bareSign, emulator });
  } finally {
    client.destroy();
    emulator.stop();
  }
}
