/**
 * Runs a cloud KMS emulator as a child process: `emulator.ts aws [key spec]` or `emulator.ts gcp`. It writes its connection
 * settings as JSON. "latency N" sets the delay of each response in milliseconds; "calls" returns the number of requests
 * so far.
 */
import { createInterface } from "node:readline";

const { connection, plan } = process.argv[2] === "aws" ? await aws(process.argv[3]) : await gcp(process.argv[3]);
console.log(JSON.stringify(connection));
for await (const line of createInterface(process.stdin)) {
  const [command, value] = line.split(" ");
  if (command === "latency") plan.latency = Number(value);
  console.log(plan.calls.length);
}
process.exit();

async function aws(spec = "ECC_NIST_P256") {
  const { awsKmsEmulator } = await import("../testing/emulators/aws-kms.js");
  const { isSigningSpec } = await import("../testing/emulators/aws-kms-specs.js");
  if (!isSigningSpec(spec)) throw new Error(`AWS KMS doesn't sign with ${spec}.`);
  const { endpoint, region, credentials, keys, plan } = await awsKmsEmulator();
  return { connection: { endpoint, region, credentials, key: keys.add({ spec }).arn }, plan };
}

async function gcp(algorithm = "EC_SIGN_P256_SHA256") {
  const { gcpKmsEmulator } = await import("../testing/emulators/gcp-kms.js");
  const { endpoint, store, plan } = await gcpKmsEmulator();
  return { connection: { endpoint, key: store.addVersion(store.addKey({ algorithm })).fields.name }, plan };
}
