/** The provider for `vault:` URIs. Opens, creates, lists, deletes and diagnoses keys. */
import { findAlgorithm } from "../../src/jose/find-algorithm.js";
import type { DeletedKey, Provider } from "../../src/keystore/provider.js";
import { readableKeys } from "../../src/keystore/readable-keys.js";
import type { KeyFacts, SignOptions } from "../../src/keystore/signer.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { checkTimeout, type StoreCall, withClient } from "../../src/keystore/store-call.js";
import { streamWithClient } from "../../src/keystore/store-stream.js";
import { parametersFor, usableAlgorithms } from "./algorithms.js";
import { VaultClient } from "./client.js";
import { deleteKey } from "./delete-key.js";
import { diagnoseVault } from "./diagnose.js";
import type { VaultKey } from "./open-key.js";
import { parameterSetOf } from "./public-key.js";
import { toVaultKey, VaultSigner, type VaultSignerOptions } from "./signer.js";
import { createKey, listKeys, readKey, type TransitKey } from "./transit.js";
import { formatVaultUri, parseVaultUri, SCHEME } from "./uri.js";

/** Options of the provider: those of a signer. `signal` aborts `create`, `list` and `diagnose`. */
export type VaultProviderOptions = VaultSignerOptions & SignOptions;

/** Keys in the transit engine of HashiCorp Vault or OpenBao, by URI: `vault://HOST/MOUNT/NAME?version=…&algorithm=…`. */
export const provider = {
  /** The scheme of the URIs: `vault`. */
  scheme: SCHEME,
  /** Returns a signer for a key. */
  open,
  /** Creates a key for `algorithm` (default: ES256) that can't be exported. */
  create,
  /** Lists the keys of an engine that can sign, by all algorithms or by `algorithm`. */
  list,
  /** The engine signs in the server's memory. A new key can't be exported. */
  factsOfNewKey: async (): Promise<KeyFacts> => ({ protection: "software", exportable: false, evidence: {} }),
  /** Deletes a key with all its versions, if its setting `deletion_allowed` is true. */
  delete: deleteWithVersions,
  /** Checks the server, this machine's clock, the token, the policies and the key. */
  diagnose,
} satisfies Provider<VaultProviderOptions>;

/** The most keys that are read at the same time. */
const MAX_READS = 4;

function open(uri: string, options: VaultProviderOptions = {}): VaultSigner {
  const { name, ...merged } = mergeUri(uri, options);
  return new VaultSigner(name, merged);
}

/**
 * Creates a key that can be neither exported nor backed up in plaintext.
 *
 * @returns A signer that is pinned to version 1.
 * @throws {SignerError} With code `misconfigured` if the key exists, or the server doesn't have the algorithm.
 */
async function create(uri: string, options: VaultProviderOptions = {}): Promise<VaultSigner> {
  const { name, ...merged } = mergeUri(uri, options);
  const signer = new VaultSigner(name, { ...merged, version: 1 });
  const parameters = parametersFor(merged.algorithm);
  const operation = "creating the key (it may exist nevertheless: list the keys)";
  try {
    await runWithClient(toVaultKey(name, merged), merged, operation, async (client, signal) => {
      await createKey(client, name, parameters, signal);
      await signer.publicJwk({ signal }); // now, so that both share one login
    });
    return signer;
  } catch (error) {
    await signer.close();
    throw error;
  }
}

/**
 * Lists the keys of the engine that can sign. Omits keys that the token may not read.
 *
 * @param uri - `vault://HOST/MOUNT/`, or the URI of a key, whose engine is listed.
 * @returns Their URIs, each pinned to the latest version and one algorithm. An RSA key has one for each algorithm.
 * @throws {SignerError} With code `access-denied` if the token may not read any of the keys.
 */
function list(uri: string, options: VaultProviderOptions = {}): AsyncGenerator<string> {
  const merged = mergeUri(uri, options);
  const engine = toVaultKey("", merged);
  const { call, connect } = connectionTo(engine, merged, "listing the keys");
  return streamWithClient(call, connect, async function* (client, part) {
    const names = await listKeys(client, part.signal); // one response
    const read = (name: string) => readKey(client, name, part.signal);
    for await (const keys of readableKeys([names], { concurrency: MAX_READS, read }))
      yield keys.flatMap((key) => urisOf(engine, key));
  });
}

async function deleteWithVersions(uri: string, options: VaultProviderOptions = {}): Promise<DeletedKey> {
  const { name, ...merged } = mergeUri(uri, options);
  const key = toVaultKey(name, merged);
  if (name === "") throw misconfigured("vault: The name of the key is missing.");
  const operation = "deleting the key (it may be deleted nevertheless)";
  await runWithClient(key, merged, operation, (client, signal) => deleteKey(client, key, signal));
  return { uri: formatVaultUri({ ...key, version: undefined, algorithm: undefined }), destroyedAt: null };
}

async function* diagnose(uri: string, options: VaultProviderOptions = {}) {
  const { name, ...merged } = mergeUri(uri, options);
  yield* diagnoseVault(toVaultKey(name, merged), merged);
}

/** The parts of the URI take precedence over the options. A login in the URI replaces the one of the options. */
function mergeUri(uri: string, options: VaultProviderOptions) {
  const parsed = parseVaultUri(uri);
  const { token, appRole, kubernetes, ...others } = options;
  const hasLogin = parsed.token ?? parsed.appRole ?? parsed.kubernetes;
  return { ...others, ...(hasLogin ? {} : { token, appRole, kubernetes }), ...parsed };
}

function urisOf(engine: VaultKey, key: TransitKey): string[] {
  const { type, latestVersion: version, data } = key;
  if (data.derived === true || data.soft_deleted === true) return [];
  const requested = engine.algorithm && findAlgorithm(engine.algorithm)?.alg;
  return usableAlgorithms(type, parameterSetOf(key))
    .filter((algorithm) => requested === undefined || algorithm === requested)
    .map((algorithm) => formatVaultUri({ ...engine, name: String(data.name), version, algorithm }));
}

function runWithClient<T>(
  key: VaultKey,
  options: VaultProviderOptions,
  operation: string,
  work: (client: VaultClient, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { call, connect } = connectionTo(key, options, operation);
  return withClient(call, connect, (client, { signal }) => work(client, signal));
}

function connectionTo(key: VaultKey, { timeout, signal }: VaultProviderOptions, operation: string) {
  const uri = formatVaultUri(key);
  const call: StoreCall = { uri, operation, timeout: checkTimeout(uri, timeout), signal };
  return { call, connect: async () => new VaultClient(key) };
}
