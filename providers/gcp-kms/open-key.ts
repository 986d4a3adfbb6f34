/** Opens one key version in Cloud KMS, pinned by its full name. Each response is validated before it is used. */
import { SignerError } from "../../src/errors.js";
import type { AlgorithmName } from "../../src/jose/algorithms.js";
import { thumbprint } from "../../src/jose/jwk-thumbprint.js";
import { importPublicKey } from "../../src/jose/public-key.js";
import type { OpenKey, OpenKeyOptions } from "../../src/keystore/key-source.js";
import { PublicKeyCache } from "../../src/keystore/public-key-cache.js";
import type { PublicKeyMembers } from "../../src/keystore/signer.js";
import { asymmetricSign } from "./asymmetric-sign.js";
import { GcpKmsClient, type GcpKmsClientOptions } from "./client.js";
import { mayDependOnVersionState } from "./errors.js";
import { readFacts } from "./evidence.js";
import { fetchPublicKey, type VersionKey } from "./public-key.js";
import { checkResourceName } from "./resource-name.js";
import { checkResponseName, retryOnIntegrityError } from "./response.js";
import { newestVersion, withUsableVersion } from "./versions.js";

/** A key to open. */
export interface KeyToOpen {
  /** The name of a key version, or of a key, which stands for its newest enabled version. */
  readonly name: string;
  /** The algorithm that an RSA key must have, so that its public key can be used without a request. */
  readonly algorithm: AlgorithmName | undefined;
  readonly clientOptions: GcpKmsClientOptions;
}

/**
 * The public keys of all signers in this process. The name of a version stands for one key for ever, but the caller's own
 * client or configuration may lead to another server.
 */
const sharedKeys = new PublicKeyCache<VersionKey>();
const keysByClient = new WeakMap<object, PublicKeyCache<VersionKey>>();

/**
 * Connects, and gets the version and its public key. If the caller passes the public key of a version, no request is sent.
 *
 * @throws {SignerError} If the key version doesn't exist, can't be used, or doesn't have a JWS algorithm.
 */
export async function openKey(
  { name, algorithm, clientOptions }: KeyToOpen,
  options: OpenKeyOptions,
  publicKey?: Uint8Array | PublicKeyMembers,
): Promise<OpenKey> {
  const client = await GcpKmsClient.connect(clientOptions);
  try {
    const isVersion = checkResourceName(name, ["key", "key version"]) === "key version";
    const version = new Version(
      client,
      isVersion ? name : await newestVersion(client, name, options.signal),
      clientOptions,
    );
    const key = (publicKey && assumedKey(publicKey, algorithm)) ?? (await version.publicKey(options));
    return openVersion(version, key);
  } catch (error) {
    await client.close();
    throw error;
  }
}

/**
 * Returns what can be known about a version from its public key, or `undefined` if it can have one of several algorithms.
 * If the service then rejects the first request, the public key is fetched: an external key signs data, not a digest.
 */
function assumedKey(
  publicKey: Uint8Array | PublicKeyMembers,
  algorithm: AlgorithmName | undefined,
): VersionKey | undefined {
  try {
    const imported = importPublicKey(publicKey, { algorithm });
    const { jwk, algorithm: row } = imported;
    return { jwk, algorithm: row, kmsAlgorithm: row.alg, isExternal: false, isAssumed: true };
  } catch {
    return undefined; // The key of the store is then compared with it.
  }
}

/** A key version: its public key, cached, and its state. */
class Version {
  readonly client: GcpKmsClient;
  readonly name: string;
  readonly #cache: PublicKeyCache<VersionKey>;
  readonly #cacheKey: string;

  constructor(client: GcpKmsClient, name: string, options: GcpKmsClientOptions) {
    this.client = client;
    this.name = name;
    this.#cache = cacheFor(options.client ?? options.clientConfig);
    this.#cacheKey = [options.endpoint, options.universeDomain, name].join(" ");
  }

  publicKey(options: OpenKeyOptions): Promise<VersionKey> {
    return this.#cache.get(this.#cacheKey, () =>
      this.whenUsable(options, () => fetchPublicKey(this.client, this.name, options.signal)),
    );
  }

  forgetPublicKey(): void {
    this.#cache.forget(this.#cacheKey);
  }

  whenUsable<T>(options: OpenKeyOptions, work: () => Promise<T>): Promise<T> {
    return withUsableVersion(this.client, this.name, options, () => retryOnIntegrityError(work));
  }
}

function cacheFor(source: object | undefined): PublicKeyCache<VersionKey> {
  if (!source) return sharedKeys;
  const cache = keysByClient.get(source) ?? new PublicKeyCache<VersionKey>();
  keysByClient.set(source, cache);
  return cache;
}

function openVersion(version: Version, opened: VersionKey): OpenKey {
  const { client, name } = version;
  let key = opened;
  const signWith = (message: Uint8Array, options: OpenKeyOptions) =>
    version.whenUsable(options, () => asymmetricSign({ client, name, key }, message, options));
  return {
    publicKey: opened.jwk,
    keyRef: name,
    signMessage: async (message, options) => {
      try {
        return await signWith(message, options);
      } catch (error) {
        if (!key.isAssumed || !mayDependOnVersionState(error)) throw error;
        key = sameKey(await version.publicKey(options), key);
        return signWith(message, options);
      }
    },
    describe: async ({ signal }) => {
      const response = await client.getVersion(name, signal);
      checkResponseName(response.name, name);
      return readFacts(response);
    },
    forgetPublicKey: () => version.forgetPublicKey(),
    close: () => client.close(),
  };
}

/** @throws {SignerError} With code `wrong-key` if the version has another key or algorithm than the caller assumed. */
function sameKey(found: VersionKey, assumed: VersionKey): VersionKey {
  if (found.algorithm === assumed.algorithm && thumbprint(found.jwk) === thumbprint(assumed.jwk)) return found;
  const difference = `The key version has another key, or algorithm ${found.kmsAlgorithm} instead of ${assumed.algorithm.alg}`;
  throw new SignerError("wrong-key", `${difference}. Correct the options publicKey and algorithm.`);
}
