/** Cloud KMS for those who name keys by URI: opens, makes and lists them. */
import { SignerError } from "../../src/errors.js";
import type { Provider } from "../../src/keystore/provider.js";
import type { SignOptions } from "../../src/keystore/signer.js";
import { withClient } from "../../src/keystore/store-call.js";
import { GcpKmsClient } from "./client.js";
import { checkName, idOf, parentOf } from "./names.js";
import { accessTo, GcpKmsSigner, type GcpKmsSignerOptions } from "./signer.js";
import { formatGcpKmsUri, type KmsUri, parseGcpKmsUri, SCHEME } from "./uri.js";
import { ALGORITHM, ENABLED } from "./versions.js";

export interface GcpKmsProviderOptions extends GcpKmsSignerOptions, SignOptions {
  /** For `create`: where the key will live. Default `HSM`. */
  protectionLevel?: "HSM" | "SOFTWARE" | undefined;
  /** For `create` in a key ring: the id of the new key. Not needed if the URI has it. */
  cryptoKeyId?: string | undefined;
}

export const provider = { scheme: SCHEME, open, create, list } satisfies Provider<GcpKmsProviderOptions>;

const PURPOSE = "ASYMMETRIC_SIGN" as const;

function open(uri: string, options: GcpKmsProviderOptions = {}): GcpKmsSigner {
  const parsed = parseGcpKmsUri(uri);
  return new GcpKmsSigner(parsed.name, withEndpoint(options, parsed));
}

/**
 * Makes a key with one version, and waits until it can sign.
 *
 * @param uri - of the new key; or of the key ring it will be in, with `cryptoKeyId`
 * @returns its signer, pinned to version 1
 * @throws {SignerError} code `misconfigured` if there is a key of that name
 */
async function create(uri: string, options: GcpKmsProviderOptions = {}): Promise<GcpKmsSigner> {
  const parsed = parseGcpKmsUri(uri);
  const name = nameOfNew(parsed, options);
  checkName(name, ["key"]);
  const how = withEndpoint(options, parsed);
  const versionTemplate = { algorithm: ALGORITHM, protectionLevel: options.protectionLevel ?? "HSM" } as const;
  const request = { parent: parentOf(name), cryptoKeyId: idOf(name), cryptoKey: { purpose: PURPOSE, versionTemplate } };
  const operation = "creating the key (it may exist nevertheless: list the keys)";
  await withKms(uri, how, operation, (kms, signal) => kms.createKey(name, request, signal));
  const signer = new GcpKmsSigner(`${name}/cryptoKeyVersions/1`, how);
  try {
    await signer.publicJwk({ signal: options.signal });
    return signer;
  } catch (error) {
    await signer.close();
    throw error;
  }
}

function nameOfNew({ kind, name }: KmsUri, { cryptoKeyId }: GcpKmsProviderOptions): string {
  if (kind !== "key ring") return name;
  if (cryptoKeyId) return `${name}/cryptoKeys/${cryptoKeyId}`;
  throw new SignerError("misconfigured", `gcpkms: A key ring needs cryptoKeyId, or name ${name}/cryptoKeys/NAME.`);
}

/**
 * Finds the enabled versions that sign ES256.
 *
 * @param uri - of a key ring or of a key
 * @returns their URIs, with the version
 */
async function list(uri: string, options: GcpKmsProviderOptions = {}): Promise<string[]> {
  const parsed = parseGcpKmsUri(uri);
  const kind = checkName(parsed.name, ["key ring", "key"]);
  const how = withEndpoint(options, parsed);
  return withKms(uri, how, "listing the keys", async (kms, signal) => {
    const uris: string[] = [];
    for (const key of kind === "key" ? [parsed.name] : await signingKeys(kms, parsed.name, signal))
      for (const { name, state, algorithm } of await kms.listVersions(key, signal))
        if (name && state === ENABLED && algorithm === ALGORITHM) uris.push(formatGcpKmsUri(name, how.endpoint));
    return uris;
  });
}

async function signingKeys(kms: GcpKmsClient, keyRing: string, signal: AbortSignal): Promise<string[]> {
  const keys = await kms.listKeys(keyRing, signal);
  return keys.flatMap(({ name, purpose }) => (name && purpose === PURPOSE ? [name] : []));
}

/** The URI's endpoint is the one that counts. */
function withEndpoint(options: GcpKmsProviderOptions, { endpoint }: KmsUri): GcpKmsProviderOptions {
  return endpoint === undefined ? options : { ...options, endpoint };
}

type Work<T> = (kms: GcpKmsClient, signal: AbortSignal) => Promise<T>;

function withKms<T>(uri: string, how: GcpKmsProviderOptions, operation: string, work: Work<T>): Promise<T> {
  const clientOptions = accessTo(uri, how);
  return withClient(
    { uri, operation, timeout: clientOptions.timeout, signal: how.signal },
    () => GcpKmsClient.connect(clientOptions),
    (kms, { signal }) => work(kms, signal),
  );
}
