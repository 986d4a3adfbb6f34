/**
 * Emulates a cloud KMS: `emulator.ts aws [key spec]` or `emulator.ts gcp [algorithm]`. It writes its connection settings as
 * JSON. "latency N" sets the delay of each response in milliseconds; "calls" returns the number of requests so far.
 */
import { answer } from "./answer.js";

const { connection, plan } = process.argv[2] === "aws" ? await aws(process.argv[3]) : await gcp(process.argv[3]);
await answer(JSON.stringify(connection), {
  latency: (milliseconds) => {
    plan.latency = Number(milliseconds);
    return "set";
  },
  calls: () => plan.calls.length,
});

async function aws(spec = "ECC_NIST_P256") {
  const { awsKmsEmulator } = await import("../../testing/emulators/aws-kms.js");
  const { isSigningSpec } = await import("../../testing/emulators/aws-kms-specs.js");
  if (!isSigningSpec(spec)) throw new Error(`AWS KMS doesn't sign with ${spec}.`);
  const { endpoint, region, credentials, keys, plan } = await awsKmsEmulator();
  return { connection: { endpoint, region, credentials, key: keys.add({ spec }).arn }, plan };
}

async function gcp(algorithm = "EC_SIGN_P256_SHA256") {
  const { gcpKmsEmulator } = await import("../../testing/emulators/gcp-kms.js");
  const { endpoint, store, plan } = await gcpKmsEmulator();
  return { connection: { endpoint, key: store.addVersion(store.addKey({ algorithm })).fields.name }, plan };
}
