/** The AWS KMS emulator, as the official client sees it: every signing key spec, and the refusals of the service. */
import { constants, createHash, createPublicKey, verify } from "node:crypto";
import { type KeySpec, KMSClient, type MessageType, SignCommand, type SigningAlgorithmSpec } from "@aws-sdk/client-kms";
import { ml_dsa44, ml_dsa65, ml_dsa87 } from "@noble/post-quantum/ml-dsa.js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AwsKmsEmulator, awsKmsEmulator } from "../../testing/emulators/aws-kms.js";
import { SIGNING_ALGORITHMS } from "../../testing/emulators/aws-kms-specs.js";

let kms: AwsKmsEmulator;
let client: KMSClient;
beforeAll(async () => {
  kms = await awsKmsEmulator();
  const { endpoint, credentials, region } = kms;
  client = new KMSClient({ endpoint, credentials, region, maxAttempts: 1 });
});
afterAll(async () => {
  client.destroy();
  await kms.close();
});

const MESSAGE = Buffer.from("a message");
const sign = (KeyId: string, SigningAlgorithm: SigningAlgorithmSpec, MessageType: MessageType, Message: Uint8Array) =>
  client.send(new SignCommand({ KeyId, SigningAlgorithm, MessageType, Message }));
const ML_DSA = { ML_DSA_44: ml_dsa44, ML_DSA_65: ml_dsa65, ML_DSA_87: ml_dsa87 };
const isMlDsa = (spec: string): spec is keyof typeof ML_DSA => Object.hasOwn(ML_DSA, spec);

/** Verifies by the name of the signing algorithm, without the code under test. */
function verifies(spec: KeySpec, algorithm: SigningAlgorithmSpec, spki: Buffer, signature: Uint8Array): boolean {
  if (isMlDsa(spec)) return ML_DSA[spec].verify(signature, MESSAGE, rawMlDsaKey(spec, spki));
  const key = createPublicKey({ key: spki, format: "der", type: "spki" });
  if (algorithm === "ED25519_SHA_512") return verify(null, MESSAGE, key, signature);
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  const options = algorithm.startsWith("RSASSA_PSS") ? { key, ...pss } : key;
  return verify(hashOf(algorithm), MESSAGE, options, signature);
}

const hashOf = (algorithm: string) => `sha${algorithm.slice(-3)}`;
const digestOf = (algorithm: string) => createHash(hashOf(algorithm)).update(MESSAGE).digest();
const rawMlDsaKey = (spec: keyof typeof ML_DSA, spki: Buffer) => spki.subarray(-(ML_DSA[spec].lengths.publicKey ?? 0));

/** μ for a message with an empty context (FIPS 204 §5.2, §6.2). */
function messageRepresentative(publicKey: Uint8Array): Buffer {
  const shake = (...parts: Uint8Array[]) =>
    parts.reduce((hash, part) => hash.update(part), createHash("shake256", { outputLength: 64 })).digest();
  return shake(shake(publicKey), Buffer.of(0, 0), MESSAGE);
}

const SIGNED: [KeySpec, SigningAlgorithmSpec][] = Object.entries(SIGNING_ALGORITHMS)
  .flatMap(([spec, algorithms]) => algorithms.map((algorithm): [string, SigningAlgorithmSpec] => [spec, algorithm]))
  .filter((row): row is [KeySpec, SigningAlgorithmSpec] => !/^SM2|256K1|ED25519_PH/.test(row.join()));

describe("Sign", () => {
  it.each(SIGNED)("signs with a key of spec %s and the algorithm %s", async (spec, algorithm) => {
    const { arn, material } = [...kms.keys.all.values()].find((key) => key.spec === spec) ?? kms.keys.add({ spec });
    const spki = material?.spki ?? expect.unreachable();
    const raw = await sign(arn, algorithm, "RAW", MESSAGE);
    expect(raw).toMatchObject({ KeyId: arn, SigningAlgorithm: algorithm });
    expect(verifies(spec, algorithm, spki, raw.Signature ?? MESSAGE)).toBe(true);
    if (algorithm === "ED25519_SHA_512") return;
    const [type, message] = isMlDsa(spec)
      ? (["EXTERNAL_MU", messageRepresentative(rawMlDsaKey(spec, spki))] as const)
      : (["DIGEST", digestOf(algorithm)] as const);
    const prepared = await sign(arn, algorithm, type, message);
    expect(verifies(spec, algorithm, spki, prepared.Signature ?? MESSAGE)).toBe(true);
  });

  const refused: [KeySpec, SigningAlgorithmSpec, MessageType, number, string, string][] = [
    ["ECC_NIST_P256", "ECDSA_SHA_384", "DIGEST", 48, "InvalidKeyUsageException", "is incompatible with key spec"],
    ["RSA_2048", "ECDSA_SHA_256", "DIGEST", 32, "InvalidKeyUsageException", "is incompatible with key spec RSA_2048."],
    ["ECC_NIST_P384", "ECDSA_SHA_384", "DIGEST", 32, "ValidationException", "Digest is invalid length for algorithm"],
    ["ECC_NIST_P256", "ECDSA_SHA_256", "EXTERNAL_MU", 64, "ValidationException", "EXTERNAL_MU is incompatible"],
    ["ECC_NIST_P256", "ECDSA_SHA_256", "RAW", 0, "ValidationException", "length greater than or equal to 1"],
    [
      "ECC_NIST_EDWARDS25519",
      "ED25519_SHA_512",
      "DIGEST",
      64,
      "ValidationException",
      "with algorithm ED25519_SHA_512.",
    ],
    ["ECC_NIST_EDWARDS25519", "ED25519_SHA_512", "RAW", 4097, "ValidationException", "less than or equal to 4096"],
    ["ML_DSA_44", "ML_DSA_SHAKE_256", "DIGEST", 64, "ValidationException", "incompatible with key spec ML_DSA_44."],
    ["ML_DSA_44", "ML_DSA_SHAKE_256", "EXTERNAL_MU", 63, "ValidationException", "External Mu is invalid length"],
    ["ML_DSA_44", "ML_DSA_SHAKE_256", "RAW", 4097, "ValidationException", "less than or equal to 4096"],
  ];
  it.each(refused)("refuses with %s: %s over %s of %i bytes", async (spec, algorithm, type, bytes, name, message) => {
    const signing = sign(kms.keys.add({ spec }).arn, algorithm, type, Buffer.alloc(bytes));
    await expect(signing).rejects.toMatchObject({ name, message: expect.stringContaining(message) });
  });

  it("refuses a key for encryption", async () => {
    const { arn } = kms.keys.add({ spec: "RSA_2048", usage: "ENCRYPT_DECRYPT" });
    await expect(sign(arn, "RSASSA_PSS_SHA_256", "RAW", MESSAGE)).rejects.toMatchObject({
      name: "InvalidKeyUsageException",
      message: `${arn} key usage is ENCRYPT_DECRYPT which is not valid for Sign.`,
    });
  });
});
