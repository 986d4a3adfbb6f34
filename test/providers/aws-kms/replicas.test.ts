/** `replicaSigner` over a multi-Region key in two emulated regions, of which one fails as AWS KMS does. */
import { DPoPProver, replicaSigner } from "hardproof";
import { KmsSigner } from "hardproof/aws-kms";
import { jwtVerify } from "jose";
import { importJWK } from "jose/key/import";
import { afterAll, afterEach, expect, it } from "vitest";
import { type AwsKmsEmulator, awsKmsEmulator } from "../../../testing/emulators/aws-kms.js";
import type { Fault } from "../../../testing/emulators/fault-plan.js";

const [frankfurt, dublin] = await Promise.all([awsKmsEmulator("eu-central-1"), awsKmsEmulator("eu-west-1")]);
const primary = frankfurt.keys.add({ multiRegion: true });
const replica = { ...primary, arn: primary.arn.replace(frankfurt.region, dublin.region) };
dublin.keys.all.set(replica.arn, replica);
afterEach(() => {
  frankfurt.plan.clear();
  dublin.plan.clear();
});
afterAll(() => Promise.all([frankfurt.close(), dublin.close()]));

const signerIn = ({ endpoint, credentials }: AwsKmsEmulator, key: string) =>
  new KmsSigner(key, { clientConfig: { endpoint, credentials, maxAttempts: 1 } });
const newReplicas = (options?: Parameters<typeof replicaSigner>[1]) =>
  replicaSigner([signerIn(frankfurt, primary.arn), signerIn(dublin, replica.arn)], options);

async function expectProofs(prover: DPoPProver, count: number): Promise<void> {
  const make = (n: number) => prover.makeProof({ htm: "GET", htu: `https://api.example.com/${n}` });
  const proofs = await Promise.all(Array.from({ length: count }, (_, n) => make(n)));
  const key = await importJWK({ ...prover.publicJwk }, prover.alg);
  for (const [n, proof] of proofs.entries())
    expect((await jwtVerify(proof, key)).payload.htu).toBe(`https://api.example.com/${n}`);
}

it.each<[Fault]>([["throttle"], ["5xx"], ["reset"]])("the other region signs if Sign fails by %s", async (fault) => {
  await using signer = newReplicas();
  const prover = await DPoPProver.create(signer);
  frankfurt.plan.always("Sign", fault);
  await expectProofs(prover, 50);
  expect(dublin.plan.count("Sign")).toBe(50);
});

it("the other region signs if one hangs, and the hanging request is cancelled", async () => {
  await using signer = newReplicas({ hedgeAfter: 20 });
  const prover = await DPoPProver.create(signer);
  frankfurt.plan.always("Sign", "hang");
  const before = frankfurt.cancelledRequests;
  await expectProofs(prover, 20);
  await expect.poll(() => frankfurt.cancelledRequests - before).toBe(20);
});

it("a missing permission isn't tried in the other region", async () => {
  await using signer = newReplicas();
  await signer.publicJwk();
  frankfurt.plan.always("Sign", "denied");
  await expect(signer.sign(Buffer.from("data"))).rejects.toMatchObject({ code: "access-denied" });
  expect(dublin.plan.count("Sign")).toBe(0);
});
