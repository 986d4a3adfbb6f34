/** Opens a key in Key Vault: pins the current version, checks it, and then uses only the identifier of that version. */
import { SignerError } from "../../src/errors.js";
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import { importPublicKey, type PublicJwk, type PublicKeyMembers } from "../../src/jose/public-key.js";
import type { OpenKey, OpenKeyOptions } from "../../src/keystore/key-source.js";
import { PublicKeyCache } from "../../src/keystore/public-key-cache.js";
import { SUPPORTED } from "./algorithms.js";
import { AzureKvClient, type AzureKvClientOptions, type VaultKey } from "./client.js";
import { assertUsable, publicKeyOf } from "./described-key.js";
import { type Attestation, readFacts } from "./evidence.js";
import { canonicalKeyId, isManagedHsm, type KeyId } from "./key-id.js";

/** The options of the client, and the algorithm that the caller wants. */
export interface OpenOptions extends AzureKvClientOptions {
  readonly algorithm?: AlgorithmName | undefined;
}

/** A key version. */
type PinnedId = KeyId & { readonly version: string };

/** What the service returned about key versions, by their identifiers. */
const keys = new PublicKeyCache<VaultKey>();

/**
 * Connects, and gets the public key and the state of the key version. With the caller's public key and a version, it
 * doesn't send a request.
 *
 * @throws {SignerError} If the key doesn't exist, can't be used now, or can't sign with the algorithm.
 */
export async function openKey(
  id: KeyId,
  { algorithm, ...clientOptions }: OpenOptions,
  { signal }: OpenKeyOptions,
  expected?: Uint8Array | PublicKeyMembers,
): Promise<OpenKey> {
  const client = await AzureKvClient.connect(clientOptions);
  if (expected && id.version !== undefined) {
    const publicKey = importPublicKey(expected, { algorithm, allowed: SUPPORTED }).jwk;
    return openVersion(client, { ...id, version: id.version }, publicKey);
  }
  const found = await findVersion(client, id, signal);
  return openVersion(client, found.id, publicKeyOf(found.key, algorithm));
}

/**
 * A version stands for the same key for ever, so its response is shared by the signers of the process. If it can't sign now,
 * the response isn't cached, since its state can change. If that changes later, the service says so.
 */
async function findVersion(client: AzureKvClient, id: KeyId, signal: AbortSignal): Promise<VaultKey> {
  const fetch = async () => assertUsable(await client.getKey(id.name, id.version, signal));
  if (id.version === undefined) return fetch();
  return keys.get(canonicalKeyId(id), fetch);
}

function openVersion(client: AzureKvClient, id: PinnedId, publicKey: PublicJwk): OpenKey {
  const { alg } = publicKey;
  const keyRef = canonicalKeyId(id);
  const algorithm = SUPPORTED.find((name) => name === alg);
  if (!algorithm) throw new SignerError("wrong-key", `Key Vault doesn't sign with ${alg}.`);
  return {
    publicKey,
    keyRef,
    signDigest: async (digest, { signal }) => {
      const response = await client.sign(id, algorithm, digest, signal);
      return { ...response, form: "raw" };
    },
    describe: async ({ signal }) => {
      const { key } = await client.getKey(id.name, id.version, signal);
      return readFacts(key, isManagedHsm(id.vaultUrl) ? await attestationOf(client, id, signal) : undefined);
    },
    forgetPublicKey: () => keys.forget(keyRef),
    close: () => undefined, // the SDK's connections belong to the process
  };
}

/** The attestation isn't available for keys of an older firmware, and may be refused. */
async function attestationOf(
  client: AzureKvClient,
  { name, version }: PinnedId,
  signal: AbortSignal,
): Promise<Attestation> {
  try {
    const { key } = await client.getKeyAttestation(name, version, signal);
    return key.properties.attestation ?? "unknown";
  } catch (error) {
    if (error instanceof SignerError && !error.retryable && error.code !== "aborted") return "unknown";
    throw error;
  }
}
