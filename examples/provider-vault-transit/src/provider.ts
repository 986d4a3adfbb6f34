/**
 * The provider for `vault-transit:` URIs. Pass it to `registerProvider`, or name its package in `HARDPROOF_PROVIDERS`.
 */
import {
  algorithmToCreate,
  callStore,
  checkTimeout,
  type KeySignerOptions,
  type Provider,
  type SignOptions,
} from "hardproof/provider";
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
  algorithmToCreate(options.algorithm, ["ES256"]);
  const signer = open(uri, options);
  const key = parseTransitUri(uri);
  await callStore(callOf(key, "creating the key", options), ({ signal }) => createKey(key, signal));
  return signer;
}

/** Returns the URIs of the engine's P-256 keys, each pinned to its latest version. */
async function list(uri: string, options: VaultTransitOptions = {}): Promise<string[]> {
  const engine = parseTransitUri(uri);
  return callStore(callOf(engine, "listing the keys", options), async ({ signal }) => {
    const uris: string[] = [];
    for (const name of await listKeys(engine, signal)) {
      const { type, latestVersion } = await readKey({ ...engine, name }, signal);
      if (type === "ecdsa-p256") uris.push(formatTransitUri({ ...engine, name, version: latestVersion }));
    }
    return uris;
  });
}

function callOf(key: TransitKeyName, operation: string, { timeout, signal }: VaultTransitOptions) {
  const uri = formatTransitUri(key);
  return { uri, operation, timeout: checkTimeout(uri, timeout), signal };
}
