/** One key in AWS KMS: found by its name, checked, and from then on used by the ARN that KMS answered. */
import { SignerError } from "../../src/errors.js";
import type { OpenKey, OpenKeyOptions, StoreSignature } from "../../src/keystore/key-source.js";
import { AwsKmsClient, type AwsKmsClientOptions, type GetPublicKeyCommandOutput } from "./client.js";
import { readFacts } from "./evidence.js";
import { isArnOf, type KeyName } from "./names.js";

const KEY_SPEC = "ECC_NIST_P256";
const KEY_USAGE = "SIGN_VERIFY";
const ALGORITHM = "ECDSA_SHA_256";

/**
 * Finds the key and its public half.
 *
 * @throws {SignerError} code `wrong-key` for any key but one on P-256 for signing, else what the table says
 */
export async function openKey(
  name: KeyName,
  access: AwsKmsClientOptions,
  { signal }: OpenKeyOptions,
): Promise<OpenKey> {
  const kms = await AwsKmsClient.connect(access);
  try {
    const answer = await kms.getPublicKey(name.keyId, signal);
    const keyArn = checkName(name, answer.KeyId);
    return {
      publicKey: checkKey(keyArn, answer),
      keyRef: keyArn,
      signDigest: (digest, use) => sign(kms, keyArn, digest, use.signal),
      describe: async (use) => readFacts(await kms.describeKey(keyArn, use.signal)),
      close: () => kms.close(),
    };
  } catch (error) {
    kms.close();
    throw error;
  }
}

async function sign(
  kms: AwsKmsClient,
  keyArn: string,
  digest: Uint8Array,
  signal: AbortSignal,
): Promise<StoreSignature> {
  const { Signature, KeyId } = await kms.sign(keyArn, digest, signal);
  if (!Signature) throw new SignerError("integrity", "AWS KMS answered Sign without a signature.");
  return { signature: Signature, form: "der", ...(KeyId !== undefined && { keyRef: KeyId }) };
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
