/** Opens one version of a key: a later rotation doesn't change which key signs. */
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import { importPublicKey, type PublicKeyMembers, publicMembers } from "../../src/jose/public-key.js";
import type { OpenKey, OpenKeyOptions } from "../../src/keystore/key-source.js";
import { PublicKeyCache } from "../../src/keystore/public-key-cache.js";
import { transitAlgorithm } from "./algorithms.js";
import { type ClientOptions, VaultClient } from "./client.js";
import { readFacts } from "./evidence.js";
import { type VersionKey, versionKeyOf } from "./public-key.js";
import { readKey, signInput } from "./transit.js";

/** The key, and how it is reached. */
export interface VaultKey extends ClientOptions {
  readonly name: string;
  /** Default: the latest when the key is opened. */
  readonly version?: number | undefined;
  /** The JWS algorithm, which an RSA key needs. */
  readonly algorithm?: AlgorithmName | undefined;
}

interface PinnedKey extends VersionKey {
  readonly version: number;
}

const publicKeys = new PublicKeyCache<VersionKey>();

/**
 * Opens a key. With a version and its public key, nothing is requested.
 *
 * @param expected - The public key, if the caller knows it.
 * @throws {SignerError} If the key doesn't exist, or can't sign with the algorithm.
 */
export async function openKey(
  key: VaultKey,
  { signal }: OpenKeyOptions,
  expected: Uint8Array | PublicKeyMembers | undefined,
): Promise<OpenKey> {
  const client = new VaultClient(key);
  try {
    return openVersion(client, key, await pin(client, key, expected, signal));
  } catch (error) {
    client.release();
    throw error;
  }
}

async function pin(
  client: VaultClient,
  key: VaultKey,
  expected: Uint8Array | PublicKeyMembers | undefined,
  signal: AbortSignal,
): Promise<PinnedKey> {
  const { name, version } = key;
  if (version === undefined) {
    const response = await readKey(client, name, signal);
    return { ...versionKeyOf(response, response.latestVersion), version: response.latestVersion };
  }
  if (expected) return { publicKey: withoutOtherAlgorithm(expected, key.algorithm), allowed: undefined, version };
  const read = async () => versionKeyOf(await readKey(client, name, signal), version);
  return { ...(await publicKeys.get(cacheName(key, version), read)), version };
}

function openVersion(client: VaultClient, key: VaultKey, { publicKey, allowed, version }: PinnedKey): OpenKey {
  const { name } = key;
  const { jwk } = importPublicKey(publicKey, { algorithm: key.algorithm, allowed });
  const algorithm = transitAlgorithm(jwk.alg);
  const keyRefOf = (number: number) => `${name}:v${number}`;
  return {
    publicKey: jwk,
    keyRef: keyRefOf(version),
    signDigest: async (input, options) => {
      const response = await signInput(client, name, { version, algorithm, input }, options.signal);
      return { signature: response.signature, form: "raw", keyRef: keyRefOf(response.version) };
    },
    describe: async (options) => readFacts(await readKey(client, name, options.signal), version),
    forgetPublicKey: () => publicKeys.forget(cacheName(key, version)),
    close: () => client.close(),
  };
}

/** An RSA key can sign with several algorithms: the option chooses one, and not the `alg` of a JWK. */
function withoutOtherAlgorithm(key: Uint8Array | PublicKeyMembers, algorithm: AlgorithmName | undefined) {
  return key instanceof Uint8Array || algorithm === undefined ? key : publicMembers(key);
}

/** A key that is deleted and created again has the same name: a signature that doesn't match makes it forgotten. */
function cacheName({ address, namespace = "", mount, name }: VaultKey, version: number): string {
  return `${address} ${namespace} ${mount}/${name} v${version}`;
}
