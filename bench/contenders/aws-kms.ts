/** `aws-kms.ts NAME CONNECTION`: proofs with a key in AWS KMS, or the SDK's `Sign` request, for HARDPROOF_BENCH_ALGORITHM. */
import { randomBytes } from "node:crypto";
import { KMSClient, SignCommand } from "@aws-sdk/client-kms";
import { KmsSigner } from "hardproof/aws-kms";
import { KMS_ALGORITHMS } from "../../providers/aws-kms/algorithms.js";
import { type Call, compete } from "./answer.js";
import { benchAlgorithm } from "./bench-algorithm.js";
import { proofMaker } from "./request.js";

/** Bytes of what an algorithm signs that isn't a digest: a short proof (Ed25519), or μ (ML-DSA). */
const MESSAGE = { RAW: 500, EXTERNAL_MU: 64 };
const DIGEST = { sha256: 32, sha384: 48, sha512: 64 };

const [name, connection = "{}"] = process.argv.slice(2);
const { key, ...clientConfig } = JSON.parse(connection);
const { alg, hash } = benchAlgorithm();
await compete(
  name === "hardproof" ? await proofMaker(new KmsSigner(key, { clientConfig, algorithm: alg })) : bareRequest(),
);

function bareRequest(): Call {
  const { messageType, signingAlgorithm } = KMS_ALGORITHMS[alg];
  const client = new KMSClient(clientConfig);
  const bytes = messageType === "DIGEST" ? DIGEST[hash ?? "sha256"] : MESSAGE[messageType];
  const input = {
    KeyId: key,
    Message: randomBytes(bytes),
    MessageType: messageType,
    SigningAlgorithm: signingAlgorithm,
  };
  return () => client.send(new SignCommand(input));
}
