/** One key in AWS KMS: found by its name, checked, and from then on used by the ARN that KMS answered. */
import { SignerError } from "../../src/errors.js";
import type { KeyFacts, OpenKey, OpenKeyOptions } from "../../src/signer.js";
import type { GetPublicKeyCommandOutput, KeyMetadata, Kms } from "./client.js";
import { isArnOf, type KeyName } from "./key-name.js";

const KEY_SPEC = "ECC_NIST_P256";
const KEY_USAGE = "SIGN_VERIFY";
const ALGORITHM = "ECDSA_SHA_256";

/** @throws {SignerError} code `wrong-key` for any key but one on P-256 for signing, else what the table says */
export async function openKey(kms: Kms, name: KeyName, { signal }: OpenKeyOptions): Promise<OpenKey> {
  const answer = await kms.getPublicKey(name.keyId, signal);
  const keyArn = checkName(name, answer.KeyId);
  return {
    publicKey: checkKey(keyArn, answer),
    keyRef: keyArn,
    signDigest: async (digest, use) => {
      const { Signature, KeyId } = await kms.sign(keyArn, digest, use.signal);
      if (!Signature) throw new SignerError("integrity", "AWS KMS answered Sign without a signature.");
      return { signature: Signature, form: "der", ...(KeyId !== undefined && { keyRef: KeyId }) };
    },
    describe: async (use) => factsOf(await kms.describeKey(keyArn, use.signal)),
    close: () => kms.close(),
  };
}

/** Whether a key, by what KMS says of it, is one that this package can sign with. */
export function canSign({ KeySpec, KeyUsage, SigningAlgorithms }: Partial<GetPublicKeyCommandOutput>): boolean {
  return KeySpec === KEY_SPEC && KeyUsage === KEY_USAGE && SigningAlgorithms?.includes(ALGORITHM) === true;
}

/** An alias may be moved to another key at any time, so nothing but the key's own ARN is used after this. */
function checkName(name: KeyName, keyArn: string | undefined): string {
  if (keyArn !== undefined && isArnOf(name, keyArn)) return keyArn;
  throw new SignerError("integrity", `AWS KMS was asked for ${name.keyId}, and answered with ${keyArn}.`);
}

function checkKey(keyArn: string, answer: GetPublicKeyCommandOutput): Uint8Array {
  if (canSign(answer) && answer.PublicKey) return answer.PublicKey;
  const { KeySpec, KeyUsage, SigningAlgorithms = [] } = answer;
  const found = `${KeySpec} for ${KeyUsage} with ${SigningAlgorithms.join(", ") || "no signing algorithm"}`;
  const needed = `${KEY_SPEC} for ${KEY_USAGE} with ${ALGORITHM}`;
  throw new SignerError("wrong-key", `${keyArn} is ${found}. ES256 needs ${needed}.`);
}

/**
 * By the origin of the key material. What was imported also exists where it was made; what is in an external store is as
 * safe as that.
 */
const BY_ORIGIN: Readonly<Record<string, Pick<KeyFacts, "protection" | "exportable">>> = {
  AWS_KMS: { protection: "hsm", exportable: false },
  AWS_CLOUDHSM: { protection: "hsm", exportable: false },
  EXTERNAL: { protection: "hsm", exportable: "unknown" },
  EXTERNAL_KEY_STORE: { protection: "external", exportable: "unknown" },
};

function factsOf(metadata: KeyMetadata): KeyFacts {
  const known = BY_ORIGIN[metadata.Origin ?? ""] ?? { protection: "unknown", exportable: "unknown" };
  return { ...known, evidence: { ...metadata } };
}
