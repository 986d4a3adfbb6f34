/** Opens a key in AWS KMS: finds it by name, checks it, and then uses only the key ARN that KMS returned. */
import { SignerError } from "../../src/errors.js";
import type { OpenKey, OpenKeyOptions, StoreSignature } from "../../src/keystore/key-source.js";
import { AwsKmsClient, type AwsKmsClientOptions, type GetPublicKeyCommandOutput } from "./client.js";
import { readFacts } from "./evidence.js";
import { isArnOf, type KeyName } from "./key-name.js";

const KEY_SPEC = "ECC_NIST_P256";
const KEY_USAGE = "SIGN_VERIFY";
const ALGORITHM = "ECDSA_SHA_256";

/**
 * Connects, and gets the ARN and the public key of the named key.
 *
 * @throws {SignerError} With code `wrong-key` if the key isn't a P-256 signing key, or as `toSignerError` maps the
 *   error.
 */
export async function openKey(
  name: KeyName,
  clientOptions: AwsKmsClientOptions,
  { signal }: OpenKeyOptions,
): Promise<OpenKey> {
  const client = await AwsKmsClient.connect(clientOptions);
  try {
    const response = await client.getPublicKey(name.keyId, signal);
    const keyArn = checkKeyArn(name, response.KeyId);
    return {
      publicKey: checkPublicKey(keyArn, response),
      keyRef: keyArn,
      signDigest: (digest, options) => sign(client, keyArn, digest, options.signal),
      describe: async (options) => readFacts(await client.describeKey(keyArn, options.signal)),
      close: () => client.close(),
    };
  } catch (error) {
    client.close();
    throw error;
  }
}

async function sign(
  client: AwsKmsClient,
  keyArn: string,
  digest: Uint8Array,
  signal: AbortSignal,
): Promise<StoreSignature> {
  const { Signature, KeyId } = await client.sign(keyArn, digest, signal);
  if (!Signature) throw new SignerError("integrity", "The Sign response doesn't contain a signature.");
  return { signature: Signature, form: "der", ...(KeyId !== undefined && { keyRef: KeyId }) };
}

/** Returns whether a key, as KMS describes it, can sign ES256. */
export function canSign({ KeySpec, KeyUsage, SigningAlgorithms }: Partial<GetPublicKeyCommandOutput>): boolean {
  return KeySpec === KEY_SPEC && KeyUsage === KEY_USAGE && SigningAlgorithms?.includes(ALGORITHM) === true;
}

/** An alias can be moved to another key at any time, so later requests use only the key ARN. */
function checkKeyArn(name: KeyName, keyArn: string | undefined): string {
  if (keyArn !== undefined && isArnOf(name, keyArn)) return keyArn;
  throw new SignerError("integrity", `GetPublicKey for ${name.keyId} returned ${keyArn ?? "no key"}.`);
}

function checkPublicKey(keyArn: string, response: GetPublicKeyCommandOutput): Uint8Array {
  if (canSign(response) && response.PublicKey) return response.PublicKey;
  const { KeySpec, KeyUsage, SigningAlgorithms = [] } = response;
  const found = `${KeySpec} for ${KeyUsage} with ${SigningAlgorithms.join(", ") || "no signing algorithm"}`;
  const needed = `${KEY_SPEC} for ${KEY_USAGE} with ${ALGORITHM}`;
  throw new SignerError("wrong-key", `${keyArn} is ${found}. ES256 needs ${needed}.`);
}
