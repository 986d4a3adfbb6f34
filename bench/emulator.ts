/**
 * A cloud KMS emulator in a process of its own: `emulator.ts aws` or `gcp`. It says as JSON how it is reached; "latency N"
 * sets the milliseconds before each answer, "calls" asks how often it was called.
 */
import { createInterface } from "node:readline";

const { reached, plan } = process.argv[2] === "aws" ? await aws() : await gcp();
console.log(JSON.stringify(reached));
for await (const line of createInterface(process.stdin)) {
  const [order, value] = line.split(" ");
  if (order === "latency") plan.latency = Number(value);
  console.log(plan.calls.length);
}
process.exit();

async function aws() {
  const { awsKms } = await import("../test/emulators/aws-kms.js");
  const { endpoint, region, credentials, keys, plan } = await awsKms();
  return { reached: { endpoint, region, credentials, key: keys.add().arn }, plan };
}

async function gcp() {
  const { gcpKms } = await import("../test/emulators/gcp-kms.js");
  const { endpoint, store, plan } = await gcpKms();
  return { reached: { endpoint, key: store.addVersion(store.addKey()).fields.name }, plan };
}
