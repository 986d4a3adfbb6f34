/** Proofs with a key in Google Cloud KMS, compared with the client's `asymmetricSign`. */
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { KeyManagementServiceClient } from "@google-cloud/kms";
import { GcpKmsSigner } from "hardproof/gcp-kms";
import { measureCloud, startEmulator } from "./cloud.js";
import type { Result } from "./row.js";

/** Returns the rows of this subject. */
export async function measure(): Promise<Result[]> {
  const emulator = await startEmulator("gcp");
  const { endpoint, key: name } = JSON.parse(emulator.firstLine);
  const client = new KeyManagementServiceClient(clientOptions(new URL(endpoint)));
  await using signer = new GcpKmsSigner(name, { endpoint });
  const digest = { sha256: createHash("sha256").update("a").digest() };
  try {
    const bareSign = () => client.asymmetricSign({ name, digest });
    return await measureCloud({ name: "Google Cloud KMS", signer, bareSign, emulator });
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
