/** Every algorithm that local-kms has, and the words for those that it doesn't. */
import { createPublicKey } from "node:crypto";
import { CreateKeyCommand, type KeySpec } from "@aws-sdk/client-kms";
import { type AlgorithmName, SignerError } from "hardproof";
import { KmsSigner } from "hardproof/aws-kms";
import { isSignature } from "../../providers/verify-jws.js";
import { run } from "../../src/cli/run.js";
import { check, type Scenario, TheirFault } from "../scenario.js";
import type { LocalKms } from "./server.js";

const SIGNATURES = 20;
/** RFC 7518 §3.5: the salt is as long as the hash. Go's default, which local-kms takes, is as long as it can be. */
const WRONG_SALT = "its RSASSA-PSS salt isn't as long as the hash (RFC 7518 §3.5), so the signature is rejected";
const KEYS: readonly [KeySpec, readonly AlgorithmName[]][] = [
  ["ECC_NIST_P256", ["ES256"]],
  ["ECC_NIST_P384", ["ES384"]],
  ["ECC_NIST_P521", ["ES512"]],
  ["RSA_2048", ["RS256", "RS384", "RS512"]],
  ["RSA_4096", ["RS256"]],
];

/** @throws Nothing: each scenario reports its own errors. */
export async function algorithmScenarios(kms: LocalKms, scenario: Scenario): Promise<void> {
  for (const [spec, algorithms] of KEYS)
    await scenario("signatures", `${spec} signs with ${algorithms.join(", ")}`, async () => {
      const { KeyMetadata } = await kms.admin.send(new CreateKeyCommand({ KeySpec: spec, KeyUsage: "SIGN_VERIFY" }));
      for (const algorithm of algorithms) await checkSignatures(kms, KeyMetadata?.Arn ?? "", algorithm);
      return `${SIGNATURES} signatures each verify`;
    });

  await scenario("PSS signatures", "RSA_2048 signs with PS256, PS384, PS512", async () => {
    const { KeyMetadata } = await kms.admin.send(
      new CreateKeyCommand({ KeySpec: "RSA_2048", KeyUsage: "SIGN_VERIFY" }),
    );
    for (const algorithm of ["PS256", "PS384", "PS512"] as const)
      await checkSignatures(kms, KeyMetadata?.Arn ?? "", algorithm).catch((error) => {
        throw error instanceof SignerError && error.code === "integrity" ? new TheirFault(WRONG_SALT) : error;
      });
    return `${SIGNATURES} signatures each verify`;
  });

  await scenario("signatures", "local-kms has no keys for Ed25519, which keygen says in its words", async () => {
    const uri = `awskms:///alias/missing?region=${kms.region}&endpoint=${kms.endpoint}`;
    const { code, err } = await run(["keygen", "--alg", "Ed25519", uri]);
    check(code !== 0 && err.includes("ValidationException"), `exit code ${code}: ${err}`);
    return err;
  });
}

async function checkSignatures({ endpoint }: LocalKms, keyArn: string, algorithm: AlgorithmName): Promise<void> {
  await using signer = new KmsSigner(keyArn, { algorithm, clientConfig: { endpoint } });
  const { alg, ...jwk } = await signer.publicJwk();
  const key = createPublicKey({ key: jwk, format: "jwk" });
  const messages = Array.from({ length: SIGNATURES }, (_, n) => Buffer.from(`message ${n}`));
  const signatures = await Promise.all(messages.map((message) => signer.sign(message)));
  for (const [n, message] of messages.entries())
    check(isSignature(alg, key, message, signatures[n] ?? Buffer.of()), `the signature ${n} doesn't verify`);
}
