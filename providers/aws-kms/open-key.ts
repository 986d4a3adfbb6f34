/** Opens a key in AWS KMS: finds it by name, checks it, and then uses only its key ARN. */
import { SignerError } from "../../src/errors.js";
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import { algorithmNamed } from "../../src/jose/find-algorithm.js";
import { importPublicKey, type PublicJwk, type PublicKeyMembers } from "../../src/jose/public-key.js";
import type { OpenKey, OpenKeyOptions, StoreSignature } from "../../src/keystore/key-source.js";
import { jwsAlgorithmsOf, KEY_SPECS, KEY_USAGE, KMS_ALGORITHMS } from "./algorithms.js";
import { AwsKmsClient, type AwsKmsClientOptions, type GetPublicKeyCommandOutput, type SignRequest } from "./client.js";
import { readFacts } from "./evidence.js";
import { isArnOf, isKeyArn, type KeyName } from "./key-name.js";
import { cachedPublicKey } from "./public-keys.js";
import { signRequests } from "./sign-request.js";

/** The options of the client, and the algorithm that the caller wants. */
export interface OpenOptions extends AwsKmsClientOptions {
  readonly algorithm?: AlgorithmName | undefined;
}

/** A key by its immutable name, with the algorithm that it signs with. */
interface PinnedKey {
  readonly keyArn: string;
  readonly publicKey: PublicJwk;
  /** Forgets the public key, if it is cached. */
  readonly forgetPublicKey?: () => void;
}

/**
 * Connects, and gets the ARN and the public key of the named key. Nothing is requested if both are known.
 *
 * @param publicKey - The caller's option.
 * @throws {SignerError} With code `wrong-key` if the key can't sign with the algorithm; `misconfigured` if it can sign
 *   with several and none was chosen; or as `toSignerError` maps the error.
 */
export async function openKey(
  name: KeyName,
  options: OpenOptions,
  { signal }: OpenKeyOptions,
  publicKey?: Uint8Array | PublicKeyMembers,
): Promise<OpenKey> {
  const { algorithm } = options;
  const client = await AwsKmsClient.connect(options);
  try {
    const key =
      publicKey && isKeyArn(name)
        ? { keyArn: name.keyId, publicKey: importPublicKey(publicKey, { algorithm }).jwk }
        : await pinKey(client, name, options, signal);
    return openPinned(client, key);
  } catch (error) {
    client.close();
    throw error;
  }
}

function openPinned(client: AwsKmsClient, { keyArn, publicKey, forgetPublicKey }: PinnedKey): OpenKey {
  const toRequest = signRequests(publicKey);
  return {
    publicKey,
    keyRef: keyArn,
    signDigest: (input, options) => sign(client, keyArn, toRequest(input), options),
    describe: async (options) => readFacts(await client.describeKey(keyArn, options.signal)),
    close: () => client.close(),
    ...(forgetPublicKey && { forgetPublicKey }),
  };
}

/** Gets the key's ARN and public key. Only those of a key ARN are cached. */
async function pinKey(
  client: AwsKmsClient,
  name: KeyName,
  options: OpenOptions,
  signal: AbortSignal,
): Promise<PinnedKey> {
  const cached = isKeyArn(name) ? cachedPublicKey(name.keyId, options) : undefined;
  const fetch = () => client.getPublicKey(name.keyId, signal);
  try {
    const response = await (cached ? cached.get(fetch) : fetch());
    const keyArn = checkKeyArn(name, response.KeyId);
    const publicKey = checkPublicKey(keyArn, response, options.algorithm);
    return { keyArn, publicKey, ...(cached && { forgetPublicKey: cached.forget }) };
  } catch (error) {
    cached?.forget();
    throw error;
  }
}

async function sign(
  client: AwsKmsClient,
  keyArn: string,
  request: SignRequest,
  options: OpenKeyOptions,
): Promise<StoreSignature> {
  const { Signature, KeyId } = await client.sign(keyArn, request, options);
  if (!Signature) throw new SignerError("integrity", "The Sign response doesn't contain a signature.");
  return { signature: Signature, form: "der", ...(KeyId !== undefined && { keyRef: KeyId }) };
}

/** An alias can be moved to another key at any time, so later requests use only the key ARN. */
export function checkKeyArn(name: KeyName, keyArn: string | undefined): string {
  if (keyArn !== undefined && isArnOf(name, keyArn)) return keyArn;
  throw new SignerError(
    "integrity",
    `GetPublicKey for ${name.keyId} returned ${keyArn ?? "no key"}. Check the endpoint.`,
  );
}

/** Checks the key by AWS KMS's own words, and then by its public key. */
export function checkPublicKey(
  keyArn: string,
  response: GetPublicKeyCommandOutput,
  requested: AlgorithmName | undefined,
): PublicJwk {
  const allowed = jwsAlgorithmsOf(response).map(({ alg }) => alg);
  const algorithm = requested && algorithmNamed(requested).alg;
  if (!response.PublicKey || !(algorithm ? allowed.includes(algorithm) : allowed.length > 0))
    throw wrongKey(keyArn, response, algorithm);
  // Without ML-DSA, Node can't import the public key. This error says which version has it.
  for (const name of allowed) algorithmNamed(name);
  return importPublicKey(response.PublicKey, { algorithm, allowed }).jwk;
}

function wrongKey(
  keyArn: string,
  { KeySpec, KeyUsage, SigningAlgorithms = [] }: GetPublicKeyCommandOutput,
  algorithm: AlgorithmName | undefined,
): SignerError {
  const found = `${KeySpec} for ${KeyUsage} with ${SigningAlgorithms.join(", ") || "no signing algorithm"}`;
  return new SignerError("wrong-key", `${keyArn} is ${found}. ${needed(algorithm)}`);
}

function needed(algorithm: AlgorithmName | undefined): string {
  if (!algorithm) return `Use a key for ${KEY_USAGE} with one of the key specs ${KEY_SPECS.join(", ")}.`;
  const { keySpecs, signingAlgorithm } = KMS_ALGORITHMS[algorithm];
  return `${algorithm} needs ${keySpecs.join(" or ")} for ${KEY_USAGE} with ${signingAlgorithm}.`;
}
