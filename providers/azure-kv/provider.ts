/** The provider for `azurekms:` URIs. Opens, creates, lists, deletes and diagnoses keys. */
import { SignerError } from "../../src/errors.js";
import { findAlgorithm } from "../../src/jose/find-algorithm.js";
import type { DeletedKey, Provider } from "../../src/keystore/provider.js";
import { readableKeys } from "../../src/keystore/readable-keys.js";
import type { KeyFacts, SignOptions } from "../../src/keystore/signer.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { callStore, type StoreCall } from "../../src/keystore/store-call.js";
import { streamFromStore } from "../../src/keystore/store-stream.js";
import { jwsAlgorithmsOf, keyToCreate } from "./algorithms.js";
import { AzureKvClient, type VaultKey } from "./client.js";
import { deleteKey } from "./delete-key.js";
import { findProblem } from "./described-key.js";
import { diagnoseKey } from "./diagnose.js";
import { formatKeyId, isManagedHsm, type KeyId } from "./key-id.js";
import { AzureKeyVaultSigner, type AzureKeyVaultSignerOptions, toClientOptions } from "./signer.js";
import { formatAzureKvUri, parseAzureKvUri, SCHEME, type VaultUri } from "./uri.js";

/** Options of the provider: those of a signer, and those of a new key for `create`. */
export interface AzureKeyVaultProviderOptions extends AzureKeyVaultSignerOptions, SignOptions {
  /** Creates the key in an HSM, which needs a vault of the tier Premium. Default: only in a managed HSM, which has no other keys. */
  hsm?: boolean | undefined;
}

/** Keys in Key Vault by URI: `azurekms://VAULT_HOST/NAME[/VERSION][?algorithm=…]`. */
export const provider = {
  /** The scheme of the URIs: `azurekms`. */
  scheme: SCHEME,
  /** Returns a signer for a key or a key version. */
  open,
  /** Creates a key for `algorithm` (default: ES256), which isn't exportable. */
  create,
  /** Lists the enabled keys that can sign, by all algorithms or by `algorithm`. */
  list,
  /** Describes what `create` would create, by its option `hsm`. */
  factsOfNewKey,
  /** Deletes a key with all its versions, which can be recovered until the vault purges it. */
  delete: deleteWithVersions,
  /** Deletes a new key by the URI of its version, unless it has got another one in the meantime. */
  deleteCreated,
  /** Checks what a key depends on: the vault, the clock, the credential, the key, and the permissions. */
  diagnose: (uri: string, options: AzureKeyVaultProviderOptions = {}) => {
    const { merged, id } = mergeUri(uri, options);
    const { algorithm, signal } = merged;
    const clientOptions = toClientOptions(formatAzureKvUri(id), id.vaultUrl, merged);
    return diagnoseKey({ id: withName(id), algorithm, options: clientOptions, signal });
  },
} satisfies Provider<AzureKeyVaultProviderOptions>;

/** The most keys that are read at the same time. */
const MAX_READS = 8;

function mergeUri(uri: string, options: AzureKeyVaultProviderOptions) {
  const { vaultUrl, name, version, ...attributes } = parseAzureKvUri(uri);
  const id: Pick<VaultUri, "vaultUrl" | "name" | "version"> = {
    vaultUrl,
    ...(name !== undefined && { name }),
    version,
  };
  return { id, merged: { ...options, ...attributes } };
}

function withName({ vaultUrl, name, version }: Pick<VaultUri, "vaultUrl" | "name" | "version">): KeyId {
  if (name !== undefined) return { vaultUrl, name, version };
  throw misconfigured("azurekms: The URI names a vault, but not a key. Expected azurekms://HOST/NAME.");
}

function open(uri: string, options: AzureKeyVaultProviderOptions = {}): AzureKeyVaultSigner {
  const { id, merged } = mergeUri(uri, options);
  return new AzureKeyVaultSigner(formatKeyId(withName(id)), merged);
}

/**
 * Creates a key.
 *
 * @param uri - The URI of the new key, without a version.
 * @returns A signer that is pinned to the new version.
 * @throws {SignerError} With code `misconfigured` if the key exists or was deleted, or Key Vault doesn't have the
 *   algorithm.
 */
async function create(uri: string, options: AzureKeyVaultProviderOptions = {}): Promise<AzureKeyVaultSigner> {
  const { id, merged } = mergeUri(uri, options);
  const { vaultUrl, name, version } = withName(id);
  if (version !== undefined) throw misconfigured("azurekms: Key Vault chooses the version. Remove it from the URI.");
  const isHsm = merged.hsm ?? isManagedHsm(vaultUrl);
  if (!isHsm && isManagedHsm(vaultUrl))
    throw misconfigured("azurekms: A managed HSM only has keys in an HSM. Remove hsm.");
  const request = keyToCreate(merged.algorithm, isHsm);
  const operation = "creating the key (it may exist nevertheless: list the keys)";
  const created = await runWithClient({ vaultUrl, name }, merged, operation, async (client, signal) => {
    await assertNewName(client, name, signal);
    return client.createKey(name, request, signal);
  });
  return new AzureKeyVaultSigner(formatKeyId(created.id), merged);
}

/** The service would add a version to an existing key, which would then be the current one for all others. */
async function assertNewName(client: AzureKvClient, name: string, signal: AbortSignal): Promise<void> {
  if (await exists(() => client.getKey(name, undefined, signal)))
    throw misconfigured(`A key of the name ${name} already exists. Open that key, or choose another name.`);
  // The permission to read keys doesn't include deleted ones everywhere. The service rejects the name of a deleted key, too.
  if (await exists(() => client.isDeleted(name, signal)).catch(unlessAborted))
    throw misconfigured(
      `A key of the name ${name} was deleted, but can be recovered. Recover or purge it, or choose another name.`,
    );
}

async function exists(request: () => Promise<unknown>): Promise<boolean> {
  try {
    await request();
    return true;
  } catch (error) {
    if (error instanceof SignerError && error.code === "key-not-found") return false;
    throw error;
  }
}

function unlessAborted(error: unknown): boolean {
  if (error instanceof SignerError && error.code === "access-denied") return false;
  throw error;
}

/**
 * Lists the keys whose current version is enabled and can sign, page by page. Omits keys that the caller may not read.
 *
 * @param uri - The URI of a vault.
 * @returns The URIs of the current versions, one for each algorithm.
 * @throws {SignerError} With code `access-denied` if the caller may not read any key.
 */
function list(uri: string, options: AzureKeyVaultProviderOptions = {}): AsyncGenerator<string> {
  const { id, merged } = mergeUri(uri, options);
  if (id.name !== undefined) throw misconfigured("azurekms: The URI for listing keys must not name a key.");
  const { call, connect } = connectionTo(id, merged, "listing the keys");
  return streamFromStore(call, async function* (part) {
    const client = await connect();
    const read = (name: string) => client.getKey(name, undefined, part.signal);
    for await (const keys of readableKeys(client.keyNamePages(part), { concurrency: MAX_READS, read }))
      yield keys.flatMap((key) => urisOf(key, merged));
  });
}

/** Returns the URIs that open a key version, one for each of its algorithms, or nothing if it can't sign now. */
function urisOf({ id, key, now }: VaultKey, options: AzureKeyVaultProviderOptions): string[] {
  const requested = findAlgorithm(options.algorithm);
  if (findProblem(key, now)) return [];
  return jwsAlgorithmsOf({ keyType: key.keyType, curve: key.key?.crv, keyOperations: key.keyOperations })
    .filter((row) => requested === undefined || row === requested)
    .map(({ alg }) => formatAzureKvUri(id, { algorithm: alg }));
}

async function factsOfNewKey(uri: string, options: AzureKeyVaultProviderOptions = {}): Promise<KeyFacts> {
  const { id, merged } = mergeUri(uri, options);
  const hsm = merged.hsm ?? isManagedHsm(id.vaultUrl);
  return { protection: hsm ? "hsm" : "software", exportable: false, evidence: { hsm } };
}

async function deleteWithVersions(uri: string, options: AzureKeyVaultProviderOptions = {}): Promise<DeletedKey> {
  const { id, merged } = mergeUri(uri, options);
  const key = withName(id);
  const operation = "deleting the key (it may be deleted nevertheless)";
  return runWithClient(key, merged, operation, (client, signal) => deleteKey(client, key, signal));
}

async function deleteCreated(uri: string, options: AzureKeyVaultProviderOptions = {}): Promise<DeletedKey> {
  const { id, merged } = mergeUri(uri, options);
  const { version, ...key } = withName(id);
  const operation = "deleting the new key (it may be deleted nevertheless)";
  return runWithClient(key, merged, operation, async (client, signal) => {
    const current = await client.getKey(key.name, undefined, signal);
    if (current.id.version === version) return deleteKey(client, key, signal);
    throw new SignerError("ambiguous-key", "The key has another version by now, which would be deleted as well.");
  });
}

type Work<T> = (client: AzureKvClient, signal: AbortSignal) => Promise<T>;

function runWithClient<T>(
  id: Pick<VaultUri, "vaultUrl" | "name">,
  options: AzureKeyVaultProviderOptions,
  operation: string,
  work: Work<T>,
): Promise<T> {
  const { call, connect } = connectionTo(id, options, operation);
  return callStore(call, async ({ signal }) => work(await connect(), signal));
}

function connectionTo(
  id: Pick<VaultUri, "vaultUrl" | "name">,
  options: AzureKeyVaultProviderOptions,
  operation: string,
) {
  const uri = formatAzureKvUri(id);
  const clientOptions = toClientOptions(uri, id.vaultUrl, options);
  const call: StoreCall = { uri, operation, timeout: clientOptions.timeout, signal: options.signal };
  return { call, connect: () => AzureKvClient.connect(clientOptions) };
}
