/** Proofs with a key in AWS KMS, compared with the SDK's `Sign` request. */
import { createHash } from "node:crypto";
import { KMSClient, SignCommand } from "@aws-sdk/client-kms";
import { KmsSigner } from "hardproof/aws-kms";
import { measureCloud, startEmulator } from "./cloud.js";
import type { Result } from "./row.js";

/** Returns the rows of this subject. */
export async function measure(): Promise<Result[]> {
  const emulator = await startEmulator("aws");
  const { key, ...clientConfig } = JSON.parse(emulator.firstLine);
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
