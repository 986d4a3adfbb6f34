/**
 * `gcp-kms.ts NAME CONNECTION`: proofs with a key in Google Cloud KMS, or the client's `asymmetricSign` and a bare
 * `crypto.verify`, for HARDPROOF_BENCH_ALGORITHM.
 */
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { KeyManagementServiceClient } from "@google-cloud/kms";
import { GcpKmsSigner } from "hardproof/gcp-kms";
import { type Call, compete } from "./answer.js";
import { benchAlgorithm } from "./bench-algorithm.js";
import { bareVerify, proofMaker } from "./request.js";

/** As long as a short proof. */
const message = Buffer.alloc(500, "a");
const [contender, connection = "{}"] = process.argv.slice(2);
const { endpoint, key: name } = JSON.parse(connection);
await compete(contender === "hardproof" ? await proofMaker(new GcpKmsSigner(name, { endpoint })) : bareRequest());

function bareRequest(): Call {
  const client = new KeyManagementServiceClient(clientOptions(new URL(endpoint)));
  const { hash } = benchAlgorithm();
  const input = hash ? { digest: { [hash]: createHash(hash).update(message).digest() } } : { data: message };
  return async () => {
    await client.asymmetricSign({ name, ...input });
    bareVerify();
  };
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
