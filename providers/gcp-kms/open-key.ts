/** Opens one key version in Cloud KMS, pinned by its full name. Each response is validated before it is used. */
import type { OpenKey, OpenKeyOptions } from "../../src/keystore/key-source.js";
import { asymmetricSign, signInputOf } from "./asymmetric-sign.js";
import { GcpKmsClient, type GcpKmsClientOptions } from "./client.js";
import { readFacts } from "./evidence.js";
import { fetchPublicKey, type VersionKey } from "./public-key.js";
import { checkResourceName } from "./resource-name.js";
import { checkResponseName, retryOnIntegrityError } from "./response.js";
import { newestVersion, withUsableVersion } from "./versions.js";

/**
 * Connects, and gets the version and its public key.
 *
 * @param name - The name of a key version, or of a key, which stands for its newest enabled version.
 * @throws {SignerError} If the key version doesn't exist, can't be used, or doesn't have a JWS algorithm.
 */
export async function openKey(
  name: string,
  clientOptions: GcpKmsClientOptions,
  { signal }: OpenKeyOptions,
): Promise<OpenKey> {
  const client = await GcpKmsClient.connect(clientOptions);
  try {
    const version =
      checkResourceName(name, ["key", "key version"]) === "key" ? await newestVersion(client, name, signal) : name;
    const key = await withUsableVersion(client, version, signal, () =>
      retryOnIntegrityError(() => fetchPublicKey(client, version, signal)),
    );
    return openVersion(client, version, key);
  } catch (error) {
    await client.close();
    throw error;
  }
}

function openVersion(client: GcpKmsClient, name: string, key: VersionKey): OpenKey {
  const input = signInputOf(key);
  const version = { client, name, kmsAlgorithm: key.kmsAlgorithm, input };
  const sign = (bytes: Uint8Array, options: OpenKeyOptions) =>
    withUsableVersion(client, name, options.signal, () =>
      retryOnIntegrityError(() => asymmetricSign(version, bytes, options.signal)),
    );
  return {
    publicKey: key.jwk,
    keyRef: name,
    ...(input === "data" ? { signMessage: sign } : { signDigest: sign }),
    describe: async (options) => {
      const response = await client.getVersion(name, options.signal);
      checkResponseName(response.name, name);
      return readFacts(response);
    },
    close: () => client.close(),
  };
}
