/**
 * The provider for `vault-transit:` URIs. Pass it to `registerProvider`, or name its package in `HARDPROOF_PROVIDERS`.
 */
import {
  type AlgorithmName,
  callStore,
  checkTimeout,
  type KeySignerOptions,
  type Provider,
  type SignOptions,
} from "hardproof/provider";
import { algorithmsOf, typeFor } from "./algorithms.js";
import { createKey, listKeys, readKey } from "./client.js";
import { VaultTransitSigner } from "./signer.js";
import { formatTransitUri, parseTransitUri, SCHEME, type TransitKeyName } from "./uri.js";

/** Options that a URI doesn't contain. `signal` aborts `createKey` and `listKeys`. */
export type VaultTransitOptions = KeySignerOptions & SignOptions;

/** Keys in the transit engine of HashiCorp Vault or OpenBao. */
export const provider: Provider<VaultTransitOptions> = { scheme: SCHEME, open, create, list };

function open(uri: string, options: VaultTransitOptions = {}): VaultTransitSigner {
  return new VaultTransitSigner({ ...options, ...parseTransitUri(uri) });
}

async function create(uri: string, options: VaultTransitOptions = {}): Promise<VaultTransitSigner> {
  const signer = open(uri, options);
  const key = parseTransitUri(uri);
  const type = typeFor(key.algorithm ?? options.algorithm);
  await callStore(callOf(key, "creating the key", options), ({ signal }) => createKey(key, type, signal));
  return signer;
}

/**
 * Returns the URIs of the engine's keys that can sign, by all algorithms or by `algorithm`, each pinned to its latest
 * version and one algorithm. An RSA key has a URI for each of its algorithms.
 */
async function list(uri: string, options: VaultTransitOptions = {}): Promise<string[]> {
  const engine = parseTransitUri(uri);
  return callStore(callOf(engine, "listing the keys", options), async ({ signal }) => {
    const uris: string[] = [];
    for (const name of await listKeys(engine, signal)) {
      const { type, latestVersion: version, data } = await readKey({ ...engine, name }, signal);
      if (data.derived !== true && data.soft_deleted !== true)
        uris.push(...urisOf({ ...engine, name, version }, type, engine.algorithm ?? options.algorithm));
    }
    return uris;
  });
}

function urisOf(key: TransitKeyName, type: string, requested: AlgorithmName | undefined): string[] {
  return algorithmsOf(type)
    .filter((algorithm) => requested === undefined || algorithm === requested)
    .map((algorithm) => formatTransitUri({ ...key, algorithm }));
}

function callOf(key: TransitKeyName, operation: string, { timeout, signal }: VaultTransitOptions) {
  const uri = formatTransitUri(key);
  return { uri, operation, timeout: checkTimeout(uri, timeout), signal };
}
