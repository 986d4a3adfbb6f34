/** The provider for `gcpkms:` URIs. Opens, creates, lists, deletes and diagnoses keys. */
import { findAlgorithm } from "../../src/jose/find-algorithm.js";
import type { Finding } from "../../src/keystore/finding.js";
import type { DeletedKey, Provider } from "../../src/keystore/provider.js";
import type { KeyFacts, SignOptions } from "../../src/keystore/signer.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { type StoreCall, withClient } from "../../src/keystore/store-call.js";
import { streamWithClient } from "../../src/keystore/store-stream.js";
import { findJwsAlgorithm, kmsAlgorithmFor } from "./algorithms.js";
import { GcpKmsClient, type KeyVersion } from "./client.js";
import { destroyVersion } from "./destroy-version.js";
import { diagnoseKms } from "./diagnose.js";
import { listVersions, PURPOSE } from "./list-keys.js";
import { checkResourceName, idOf, parentOf } from "./resource-name.js";
import { GcpKmsSigner, type GcpKmsSignerOptions, toClientOptions } from "./signer.js";
import { formatGcpKmsUri, type KmsUri, parseGcpKmsUri, SCHEME } from "./uri.js";
import { ENABLED } from "./versions.js";

/** Options of the provider: those of a signer, and those of a new key for `create`. */
export interface GcpKmsProviderOptions extends GcpKmsSignerOptions, SignOptions {
  /** The protection level of the new key. Default: `HSM`. */
  protectionLevel?: "HSM" | "SOFTWARE" | undefined;
  /** The id of the new key, if the URI names a key ring. */
  cryptoKeyId?: string | undefined;
}

/** Keys in Cloud KMS by URI: `gcpkms://projects/…/cryptoKeys/…[/cryptoKeyVersions/…][?algorithm=…&endpoint=…&universe-domain=…]`. */
export const provider = {
  /** The scheme of the URIs: `gcpkms`. */
  scheme: SCHEME,
  /** Returns a signer for a key or a key version. */
  open,
  /** Creates a key for `algorithm` (default: ES256) with one version, and waits until it can sign. */
  create,
  /** Lists the enabled versions that can sign, by all algorithms or by `algorithm`, of a key ring or a key. */
  list,
  /** Describes what `create` would create, by its option `protectionLevel`. */
  factsOfNewKey,
  /** Schedules the destruction of a version, or of the only version of a key. */
  delete: deleteVersion,
  /** Checks the credentials, the clock, the caller's permissions, and the state of the version. */
  diagnose,
} satisfies Provider<GcpKmsProviderOptions>;

function open(uri: string, options: GcpKmsProviderOptions = {}): GcpKmsSigner {
  const { name, kind: _, ...merged } = { ...options, ...parseGcpKmsUri(uri) };
  return new GcpKmsSigner(name, merged);
}

/**
 * Creates a key with one version, and waits until it can sign.
 *
 * @param uri - The URI of the new key, or of its key ring if `cryptoKeyId` is set.
 * @returns A signer that is pinned to version 1.
 * @throws {SignerError} With code `misconfigured` if the key exists, or Cloud KMS doesn't have the algorithm.
 */
async function create(uri: string, options: GcpKmsProviderOptions = {}): Promise<GcpKmsSigner> {
  const { name: uriName, kind, ...merged } = { ...options, ...parseGcpKmsUri(uri) };
  const name = newKeyName({ name: uriName, kind }, merged);
  checkResourceName(name, ["key"]);
  const algorithm = kmsAlgorithmFor(merged.algorithm);
  const versionTemplate = { algorithm, protectionLevel: merged.protectionLevel ?? "HSM" } as const;
  const request = { parent: parentOf(name), cryptoKeyId: idOf(name), cryptoKey: { purpose: PURPOSE, versionTemplate } };
  const operation = "creating the key (it may exist nevertheless: list the keys)";
  await runWithClient(uri, merged, operation, (client, signal) => client.createKey(name, request, signal));
  const signer = new GcpKmsSigner(`${name}/cryptoKeyVersions/1`, merged);
  try {
    await signer.publicJwk({ signal: options.signal });
    return signer;
  } catch (error) {
    await signer.close();
    throw error;
  }
}

function newKeyName({ kind, name }: Pick<KmsUri, "kind" | "name">, { cryptoKeyId }: GcpKmsProviderOptions): string {
  if (kind !== "key ring") return name;
  if (cryptoKeyId) return `${name}/cryptoKeys/${cryptoKeyId}`;
  throw misconfigured(`gcpkms: The URI names a key ring. Set cryptoKeyId, or use ${name}/cryptoKeys/NAME.`);
}

/**
 * Lists the enabled versions that can sign, by all algorithms or by `algorithm`, page by page.
 *
 * @param uri - The URI of a key ring or a key.
 * @returns The URIs of the versions, with their algorithms.
 */
function list(uri: string, options: GcpKmsProviderOptions = {}): AsyncGenerator<string> {
  const { name, kind: _, ...merged } = { ...options, ...parseGcpKmsUri(uri) };
  checkResourceName(name, ["key ring", "key"]);
  const { call, connect } = connectionTo(uri, merged, "listing the keys");
  return streamWithClient(call, connect, async function* (client, part) {
    for await (const versions of listVersions(client, name, part))
      yield versions.flatMap((version) => urisOf(version, merged));
  });
}

/** Returns the URI of a version that can sign, or nothing. */
function urisOf({ name, state, algorithm }: KeyVersion, options: GcpKmsProviderOptions): string[] {
  const row = findJwsAlgorithm(algorithm);
  if (!name || !row || state !== ENABLED) return [];
  if (options.algorithm !== undefined && findAlgorithm(options.algorithm) !== row) return [];
  return [formatGcpKmsUri(name, { ...options, algorithm: row.alg })];
}

async function factsOfNewKey(uri: string, options: GcpKmsProviderOptions = {}): Promise<KeyFacts> {
  parseGcpKmsUri(uri);
  const { protectionLevel = "HSM" } = options;
  return {
    protection: protectionLevel === "HSM" ? "hsm" : "software",
    exportable: false,
    evidence: { protectionLevel },
  };
}

async function deleteVersion(uri: string, options: GcpKmsProviderOptions = {}): Promise<DeletedKey> {
  const { name, kind: _, ...merged } = { ...options, ...parseGcpKmsUri(uri) };
  checkResourceName(name, ["key", "key version"]);
  const toUri = (version: string) => formatGcpKmsUri(version, { ...merged, algorithm: undefined });
  const operation = "scheduling the destruction of the version (it may be scheduled nevertheless)";
  return runWithClient(uri, merged, operation, (client, signal) => destroyVersion(client, name, toUri, signal));
}

function diagnose(uri: string, options: GcpKmsProviderOptions = {}): AsyncIterable<Finding> {
  const { name, kind: _, ...merged } = { ...options, ...parseGcpKmsUri(uri) };
  checkResourceName(name, ["key", "key version"]);
  return diagnoseKms({ uri, name, clientOptions: toClientOptions(uri, merged), signal: options.signal });
}

type Work<T> = (client: GcpKmsClient, signal: AbortSignal) => Promise<T>;

function runWithClient<T>(uri: string, options: GcpKmsProviderOptions, operation: string, work: Work<T>): Promise<T> {
  const { call, connect } = connectionTo(uri, options, operation);
  return withClient(call, connect, (client, { signal }) => work(client, signal));
}

function connectionTo(uri: string, options: GcpKmsProviderOptions, operation: string) {
  const clientOptions = toClientOptions(uri, options);
  const call: StoreCall = { uri, operation, timeout: clientOptions.timeout, signal: options.signal };
  return { call, connect: () => GcpKmsClient.connect(clientOptions) };
}
