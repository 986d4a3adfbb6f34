/** The provider for `gcpkms:` URIs. Opens, creates and lists keys. */
import { algorithmToCreate } from "../../src/keystore/algorithm-to-create.js";
import type { Provider } from "../../src/keystore/provider.js";
import type { SignOptions } from "../../src/keystore/signer.js";
import { misconfigured } from "../../src/keystore/signer-error.js";
import { withClient } from "../../src/keystore/store-call.js";
import { GcpKmsClient } from "./client.js";
import { checkResourceName, idOf, parentOf } from "./resource-name.js";
import { GcpKmsSigner, type GcpKmsSignerOptions, toClientOptions } from "./signer.js";
import { formatGcpKmsUri, type KmsUri, parseGcpKmsUri, SCHEME } from "./uri.js";
import { ALGORITHM, ENABLED } from "./versions.js";

/** Options of the provider: those of a signer, and those of a new key for `create`. */
export interface GcpKmsProviderOptions extends GcpKmsSignerOptions, SignOptions {
  /** The protection level of the new key. Default: `HSM`. */
  protectionLevel?: "HSM" | "SOFTWARE" | undefined;
  /** The id of the new key, if the URI names a key ring. */
  cryptoKeyId?: string | undefined;
}

/** Keys in Cloud KMS by URI: `gcpkms://projects/…/cryptoKeys/…[/cryptoKeyVersions/…][?endpoint=…]`. */
export const provider = {
  /** The scheme of the URIs: `gcpkms`. */
  scheme: SCHEME,
  /** Returns a signer for a key or a key version. */
  open,
  /** Creates a key with one version, and waits until it can sign. */
  create,
  /** Lists the enabled versions that sign ES256, of a key ring or a key. */
  list,
} satisfies Provider<GcpKmsProviderOptions>;

const PURPOSE = "ASYMMETRIC_SIGN" as const;

function open(uri: string, options: GcpKmsProviderOptions = {}): GcpKmsSigner {
  const parsed = parseGcpKmsUri(uri);
  return new GcpKmsSigner(parsed.name, withEndpoint(options, parsed));
}

/**
 * Creates a key with one version, and waits until it can sign.
 *
 * @param uri - The URI of the new key, or of its key ring if `cryptoKeyId` is set.
 * @returns A signer that is pinned to version 1.
 * @throws {SignerError} With code `misconfigured` if the key exists.
 */
async function create(uri: string, options: GcpKmsProviderOptions = {}): Promise<GcpKmsSigner> {
  algorithmToCreate(options.algorithm, ["ES256"]);
  const parsed = parseGcpKmsUri(uri);
  const name = newKeyName(parsed, options);
  checkResourceName(name, ["key"]);
  const merged = withEndpoint(options, parsed);
  const versionTemplate = { algorithm: ALGORITHM, protectionLevel: options.protectionLevel ?? "HSM" } as const;
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

function newKeyName({ kind, name }: KmsUri, { cryptoKeyId }: GcpKmsProviderOptions): string {
  if (kind !== "key ring") return name;
  if (cryptoKeyId) return `${name}/cryptoKeys/${cryptoKeyId}`;
  throw misconfigured(`gcpkms: The URI names a key ring. Set cryptoKeyId, or use ${name}/cryptoKeys/NAME.`);
}

/**
 * Lists the enabled versions that sign ES256.
 *
 * @param uri - The URI of a key ring or a key.
 * @returns The URIs of the versions.
 */
async function list(uri: string, options: GcpKmsProviderOptions = {}): Promise<string[]> {
  const parsed = parseGcpKmsUri(uri);
  const kind = checkResourceName(parsed.name, ["key ring", "key"]);
  const merged = withEndpoint(options, parsed);
  return runWithClient(uri, merged, "listing the keys", async (client, signal) => {
    const uris: string[] = [];
    for (const key of kind === "key" ? [parsed.name] : await signingKeys(client, parsed.name, signal))
      for (const { name, state, algorithm } of await client.listVersions(key, signal))
        if (name && state === ENABLED && algorithm === ALGORITHM) uris.push(formatGcpKmsUri(name, merged.endpoint));
    return uris;
  });
}

async function signingKeys(client: GcpKmsClient, keyRing: string, signal: AbortSignal): Promise<string[]> {
  const keys = await client.listKeys(keyRing, signal);
  return keys.flatMap(({ name, purpose }) => (name && purpose === PURPOSE ? [name] : []));
}

/** The endpoint of the URI takes precedence over the option. */
function withEndpoint(options: GcpKmsProviderOptions, { endpoint }: KmsUri): GcpKmsProviderOptions {
  return endpoint === undefined ? options : { ...options, endpoint };
}

type Work<T> = (client: GcpKmsClient, signal: AbortSignal) => Promise<T>;

function runWithClient<T>(uri: string, options: GcpKmsProviderOptions, operation: string, work: Work<T>): Promise<T> {
  const clientOptions = toClientOptions(uri, options);
  return withClient(
    { uri, operation, timeout: clientOptions.timeout, signal: options.signal },
    () => GcpKmsClient.connect(clientOptions),
    (client, { signal }) => work(client, signal),
  );
}
