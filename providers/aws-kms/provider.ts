/** The provider for `awskms:` URIs. Opens, creates, lists and deletes keys. */
import type { Deadline } from "../../src/deadline.js";
import { SignerError } from "../../src/errors.js";
import { type AlgorithmName, ES256 } from "../../src/jose/algorithms.js";
import { algorithmNamed } from "../../src/jose/find-algorithm.js";
import { KeySigner } from "../../src/keystore/key-signer.js";
import type { Provider } from "../../src/keystore/provider.js";
import type { Signer, SignOptions } from "../../src/keystore/signer.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { checkTimeout, type StoreCall, withClient } from "../../src/keystore/store-call.js";
import { streamWithClient } from "../../src/keystore/store-stream.js";
import { KEY_USAGE, KMS_ALGORITHMS } from "./algorithms.js";
import { AwsKmsClient, type CreateKeyCommandInput } from "./client.js";
import { scheduleDeletion } from "./delete-key.js";
import { diagnoseKms } from "./diagnose.js";
import { provesKeyExists } from "./errors.js";
import { parseKeyName } from "./key-name.js";
import { describedKeys } from "./list-keys.js";
import { KmsSigner, type KmsSignerOptions, keySource, toClientOptions, toUri } from "./signer.js";
import { parseKmsUri } from "./uri.js";

/** Options of the provider: those of a signer, and those of a new key for `create`. */
export interface KmsProviderOptions extends KmsSignerOptions, SignOptions {
  /** The description of the new key. Default: `DPoP proofs (hardproof)`. */
  description?: string | undefined;
  /** Allows the new key to be replicated to other regions. It can't be changed later. */
  multiRegion?: boolean | undefined;
  /** The tags of the new key. */
  tags?: Readonly<Record<string, string>> | undefined;
  /** The key policy of the new key, as JSON. Default: the IAM policies of the account apply. */
  policy?: string | undefined;
  /** Days until a deleted key is destroyed, 7 to 30. Default: 30. */
  pendingWindowInDays?: number | undefined;
}

/** Keys in AWS KMS by URI: `awskms:///<key id, alias/… or ARN>?region=…&endpoint=…&algorithm=…`. */
export const provider: Provider<KmsProviderOptions> = {
  scheme: "awskms",

  open(uri, options = {}) {
    const { keyId, ...merged } = mergeUri(uri, options);
    return new KmsSigner(keyId, merged);
  },

  /**
   * Creates a key for `algorithm` (default: ES256) and its alias.
   *
   * @param uri - `awskms:///alias/…`, or `awskms:///` for a key without an alias.
   * @returns A signer for the ARN of the new key. Its first use waits until the key is visible everywhere.
   * @throws {SignerError} With code `misconfigured` if the alias already names a key. If only the alias could not be
   *   created, the message names the new key.
   */
  async create(uri, options = {}) {
    return runWithClient(mergeUri(uri, options), "creating the key (it may exist nevertheless: list the keys)", create);
  },

  /**
   * Lists the enabled keys that can sign, by all algorithms or by `algorithm`, page by page. Omits keys that the caller may not
   * describe, and with a process warning (code `HARDPROOF_SKIPPED_KEY`) those whose ARN can't be parsed.
   *
   * @param uri - `awskms:///`, optionally with `region`, `endpoint` and `algorithm`.
   * @returns The URIs of the keys, with their algorithm. An RSA key has one URI for each of its algorithms.
   * @throws {SignerError} With code `access-denied` if the caller may not describe any key.
   */
  list(uri, options = {}) {
    const merged = mergeUri(uri, options);
    const { call, connect } = connectionTo(merged, "listing the keys");
    return streamWithClient(call, connect, (client, part) => keyUris(client, merged, part));
  },

  /** Keys that AWS KMS generates are in its HSMs, which don't export them. */
  factsOfNewKey: async () => ({ protection: "hsm", exportable: false, evidence: {} }),

  /**
   * Schedules the deletion of a key, which can't sign from then on. AWS KMS doesn't delete a key at once.
   *
   * @param uri - The URI of a key or an alias. The aliases of the key are deleted with it.
   * @throws {SignerError} With code `wrong-key` if the key doesn't sign.
   */
  async delete(uri, options = {}) {
    const { algorithm: _, ...named } = mergeUri(uri, options);
    const { keyId, pendingWindowInDays: days } = named;
    // The caller's client has its own region.
    const merged = named.client ? named : { ...named, region: named.region ?? parseKeyName(keyId).region };
    const toKeyUri = (keyArn: string) => toUri(keyArn, merged, parseKeyName(keyArn).region);
    const operation = "scheduling the deletion of the key (it may be scheduled nevertheless)";
    return runWithClient(merged, operation, (client, _, signal) =>
      scheduleDeletion(client, keyId, { days, toUri: toKeyUri }, signal),
    );
  },

  /** Checks region, credentials, clock, permissions and the state of the key, without a signature. */
  diagnose(uri, options = {}) {
    const { keyId, ...merged } = mergeUri(uri, options);
    return diagnoseKms(keyId, merged);
  },
};

type MergedOptions = KmsProviderOptions & { keyId: string };
type Work<T> = (client: AwsKmsClient, options: MergedOptions, signal: AbortSignal) => Promise<T>;

/** The parts of the URI take precedence over the options. */
function mergeUri(uri: string, options: KmsProviderOptions): MergedOptions {
  const { keyId, region = options.region, endpoint, algorithm = options.algorithm } = parseKmsUri(uri);
  const clientConfig = endpoint === undefined ? options.clientConfig : { ...options.clientConfig, endpoint };
  return { ...options, keyId, region, clientConfig, algorithm };
}

function runWithClient<T>(options: MergedOptions, operation: string, work: Work<T>): Promise<T> {
  const { call, connect } = connectionTo(options, operation);
  return withClient(call, connect, (client, { signal }) => work(client, options, signal));
}

/** Validates the options before the URI appears in an error, so that the error doesn't contain credentials. */
function connectionTo(options: MergedOptions, operation: string) {
  const clientOptions = toClientOptions(options);
  const uri = toUri(options.keyId, options);
  const call: StoreCall = { uri, operation, timeout: checkTimeout(uri, options.timeout), signal: options.signal };
  return { call, connect: () => AwsKmsClient.connect(clientOptions) };
}

async function create(client: AwsKmsClient, options: MergedOptions, signal: AbortSignal): Promise<Signer> {
  const { keyId: alias } = options;
  const { alg } = algorithmNamed(options.algorithm ?? ES256.alg);
  if (alias !== "") await checkNewAlias(client, alias, signal);
  const metadata = await client.createKey(newKey(alg, options), signal);
  if (!metadata?.Arn) throw new SignerError("integrity", "The CreateKey response doesn't contain an ARN.");
  if (alias !== "") await createAlias(client, alias, metadata.Arn, signal);
  return new KeySigner(keySource(metadata.Arn, options, client.retryNotFoundUntil), options);
}

/** Checks the alias before the key is created, since a key costs money and can't be deleted at once. */
async function checkNewAlias(client: AwsKmsClient, alias: string, signal: AbortSignal): Promise<void> {
  if (parseKeyName(alias).resource !== alias || alias.startsWith("alias/aws/"))
    throw misconfigured(
      "AWS KMS chooses the id of a new key. Use awskms:///alias/… (but not alias/aws/…), or awskms:/// without an alias.",
    );
  if (await aliasExists(client, alias, signal))
    throw misconfigured(`${alias} already names a key. Open that key, or choose another alias.`);
}

/**
 * Returns false if the caller may not read the key: the permission to create keys doesn't include the one to read them.
 */
async function aliasExists(client: AwsKmsClient, alias: string, signal: AbortSignal): Promise<boolean> {
  try {
    await client.getPublicKey(alias, signal);
    return true;
  } catch (error) {
    if (!(error instanceof SignerError)) throw error;
    if (provesKeyExists(error.cause)) return true;
    if (error.code === "key-not-found" || error.code === "access-denied") return false;
    throw error;
  }
}

function newKey(alg: AlgorithmName, options: KmsProviderOptions): CreateKeyCommandInput {
  const { description, multiRegion, tags = {}, policy } = options;
  return {
    KeySpec: KMS_ALGORITHMS[alg].keySpecs[0],
    KeyUsage: KEY_USAGE,
    Description: description ?? "DPoP proofs (hardproof)",
    Tags: Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
    MultiRegion: multiRegion,
    Policy: policy,
  };
}

/** If only the alias fails, the error names the new key so that it isn't orphaned. */
async function createAlias(client: AwsKmsClient, alias: string, keyArn: string, signal: AbortSignal): Promise<void> {
  try {
    await client.createAlias(alias, keyArn, signal);
  } catch (error) {
    if (!(error instanceof SignerError)) throw error;
    const message = `${keyArn} was created, but not its alias ${alias}: ${error.message}`;
    const remedy = "Create an alias for this key yourself, or schedule its deletion.";
    throw new SignerError(error.code, `${message} ${remedy}`, { cause: error.cause });
  }
}

async function* keyUris(client: AwsKmsClient, options: MergedOptions, part: Deadline): AsyncGenerator<string[]> {
  if (options.keyId !== "") throw misconfigured("The URI for listing keys must not name a key: awskms:///?region=…");
  for await (const keys of describedKeys(client, part))
    yield keys.flatMap((key) =>
      key.algorithmsFor(options.algorithm).map((algorithm) => toUri(key.arn, { ...options, algorithm }, key.region)),
    );
}
