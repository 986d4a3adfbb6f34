/** Proofs with a key in AWS KMS, beside the SDK's own `Sign`. */
import { createHash } from "node:crypto";
import { KMSClient, SignCommand } from "@aws-sdk/client-kms";
import { KmsSigner } from "hardproof/aws-kms";
import { measureCloud, startEmulator } from "./cloud.js";
import type { Answer } from "./row.js";

export async function measure(): Promise<Answer[]> {
  const emulator = await startEmulator("aws");
  const { key, ...clientConfig } = JSON.parse(emulator.greeting);
  const client = new KMSClient(clientConfig);
  await using signer = new KmsSigner(key, { clientConfig });
  const command = {
    KeyId: key,
    Message: createHash("sha256").update("a").digest(),
    MessageType: "DIGEST",
    SigningAlgorithm: "ECDSA_SHA_256",
  } as const;
  try {
    const bareSign = () => client.send(new SignCommand(command));
    return await measureCloud({ name: "AWS KMS", signer, bareSign, emulator });
  } finally {
    client.destroy();
    emulator.stop();
  }
}
